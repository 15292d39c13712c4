"""The part of a data set whose labels may be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset

from mmisl.datasets.loading_errors import DataSetError
from mmisl.registry import DATASETS


@DATASETS.register_module(name='LabelShare')
def label_share(
    dataset: dict | BaseDataset,
    share: float | None = None,
    seed: int = 0,
    names: str | None = None,
) -> BaseDataset:
    """Keep the images of a share of the labels, drawn or listed.

    The draw is balanced: classes give equally many images, those that have
    fewer give all, and the total is ``share * N``, rounded. A smaller share of
    the same seed is part of a larger one.

    Args:
        dataset (dict | BaseDataset): Labelled; of mmengine's ``BaseDataset``
            family.
        share (float, optional): In (0, 1], such as 0.01.
        seed (int): Of the draw, at least 0. Defaults to 0.
        names (str, optional): Text file with the file name of an image on
            every line, such as the lists that SimCLR's authors publish
            (``1percent.txt``). Give this or ``share``.

    Returns:
        BaseDataset: ``dataset``, with fewer images, in their old order.

    Raises:
        FileNotFoundError: If the list is missing.
        TypeError: If ``dataset`` is no ``BaseDataset``.
        DataSetError: If an argument is out of range, an image has no label,
            the share leaves a class without image, or a name of the list is
            not in the data set.
    """
    if (share is None) == (names is None):
        raise DataSetError(
            'LabelShare needs either share or names, got '
            f'share={share!r} and names={names!r}'
        )
    if isinstance(dataset, dict):
        dataset = DATASETS.build(dataset)
    if not isinstance(dataset, BaseDataset):
        raise TypeError(
            'LabelShare takes a data set derived from mmengine.BaseDataset, '
            f'got {type(dataset).__name__}; put wrappers around LabelShare'
        )
    dataset.full_init()
    if names is not None:
        indices = _listed(dataset, Path(names))
    else:
        assert share is not None, 'one of the two is given'
        indices = draw_balanced(_labels(dataset), share, seed)
    return dataset.get_subset(indices)


def draw_balanced(
    labels: Sequence[int] | np.ndarray, share: float, seed: int
) -> list[int]:
    """Positions of a share of the images, equally many of each class.

    Args:
        labels (Sequence[int]): N classes.
        share (float): In (0, 1].
        seed (int): At least 0.

    Returns:
        list[int]: Ascending.

    Raises:
        DataSetError: If an argument is out of range, or there are more classes
            than images to draw.
    """
    if not 0 < share <= 1:
        raise DataSetError(f'share must be in (0, 1], got {share}')
    if seed < 0:
        raise DataSetError(f'seed must be at least 0, got {seed}')
    labels = np.asarray(labels)
    classes, sizes = np.unique(labels, return_counts=True)
    left = round(share * len(labels))
    if left < len(classes):
        raise DataSetError(
            f'share {share} of {len(labels)} images is {left}, fewer than '
            f'the {len(classes)} classes, each of which needs one; take a '
            'larger share'
        )
    chosen: list[int] = []
    # From the smallest class on: what it lacks, the larger ones give.
    order = np.argsort(sizes, kind='stable')
    for turn, which in enumerate(order):
        count = min(left // (len(order) - turn), int(sizes[which]))
        left -= count
        label = int(classes[which])
        members = np.flatnonzero(labels == label)
        rng = np.random.default_rng((seed, label))
        chosen += rng.permutation(members)[:count].tolist()
    return sorted(chosen)


def _labels(dataset: BaseDataset) -> list[int]:
    labels = []
    for position in range(len(dataset)):
        info = dataset.get_data_info(position)
        if 'gt_label' not in info:
            raise DataSetError(
                f'image {position} of {type(dataset).__name__} has no '
                'gt_label, but LabelShare draws from every class; take a '
                'labelled data set'
            )
        labels.append(int(info['gt_label']))
    return labels


def _listed(dataset: BaseDataset, path: Path) -> list[int]:
    if not path.is_file():
        raise FileNotFoundError(f'list of file names {path} does not exist')
    wanted = set(path.read_text().splitlines()) - {''}
    if not wanted:
        raise DataSetError(f'list of file names {path} is empty')
    found = {}
    for position in range(len(dataset)):
        info = dataset.get_data_info(position)
        name = Path(info.get('img_path', '')).name
        if name in found:
            raise DataSetError(
                f'{path} lists {name}, a name that {type(dataset).__name__} '
                'has in two folders; give the images names of their own'
            )
        if name in wanted:
            found[name] = position
    missing = sorted(wanted - set(found))
    if missing:
        raise DataSetError(
            f'{path} lists {missing[0]}, which {type(dataset).__name__} does '
            f'not have ({len(missing)} of {len(wanted)} names are missing); '
            'the list belongs to another data set'
        )
    return sorted(found.values())
