"""Gives the images of one part of a transfer set, for a test of features."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from torch import Tensor

from mmisl.datasets.instance_dataset import InstanceDataset
from mmisl.datasets.transfer_sets import PARTS, TRANSFER_SETS, TransferSet
from mmisl.registry import DATASETS

# Of the draw that puts images aside for validation, in every set alike.
DRAW_SEED = 0


def transfer_loaders(
    name: str,
    data_root: str | Path | None = None,
    *,
    split: int = 0,
    batch_size: int = 64,
    num_workers: int = 4,
) -> dict[str, dict]:
    """Loaders that give every image of a part once, in sample order.

    Args:
        name (str): Key of ``TRANSFER_SETS``.
        data_root (str | Path | None): Folder of the set. None takes that of
            the set's definition. Defaults to None.
        split (int): Which of the set's ``num_splits`` ways to part it.
            Defaults to 0.
        batch_size (int): Images of a batch. Defaults to 64.
        num_workers (int): Processes that read them. Defaults to 4.

    Returns:
        dict[str, dict]: Config of a loader for ``'train'``, ``'val'`` and
        ``'test'``, for mmengine's ``Runner.build_dataloader``. Its data set
        is an :class:`InstanceDataset` over :func:`transfer_part`.

    Raises:
        ValueError: If ``name`` or ``split`` is unknown.
    """
    # mmpretrain's data sets join strings.
    root = str(data_root or _definition(name, 'train', split).data_root)
    return {
        part: dict(
            batch_size=batch_size,
            num_workers=num_workers,
            pin_memory=torch.cuda.is_available(),
            drop_last=False,
            collate_fn=dict(type='default_collate'),
            sampler=dict(
                type='mmisl.InstanceSampler', shuffle=False, unique=True
            ),
            dataset=dict(
                type='mmisl.InstanceDataset',
                dataset=dict(
                    type='mmisl.transfer_part',
                    name=name,
                    part=part,
                    data_root=root,
                    split=split,
                ),
            ),
        )
        for part in PARTS
    }


@DATASETS.register_module()
def transfer_part(
    name: str,
    part: str,
    data_root: str | Path | None = None,
    *,
    split: int = 0,
    pipeline: Sequence[dict] | None = None,
) -> BaseDataset:
    """One part of a transfer set, as a data set of mmengine's family.

    Where the set has no part for validation, images are drawn out of its
    training part: a stratified draw by scikit-learn, seeded by 0, the same
    for every network. A class gives images in proportion to its size; where
    that is no whole number, classes with the largest remainders give one
    more, and a draw decides among equals. ``'train'`` is what is left. Both
    keep the order of the files.

    Args:
        name (str): Key of ``TRANSFER_SETS``.
        part (str): ``'train'``, ``'val'`` or ``'test'``.
        data_root (str | Path | None): Folder of the set. None takes that of
            the set's definition. Defaults to None.
        split (int): Which of the set's ``num_splits`` ways to part it.
            Defaults to 0.
        pipeline (Sequence[dict] | None): Transforms. None takes
            :func:`transfer_pipeline`. Defaults to None.

    Returns:
        BaseDataset: The images of the part.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If ``name``, ``part`` or ``split`` is unknown.
    """
    definition = _definition(name, part, split)
    root = str(data_root or definition.data_root)
    if not osp.isdir(root):
        raise FileNotFoundError(
            f'{root}, the folder of {definition.title}, does not exist; make '
            f'it: python tools/prepare_data.py {name} --from '
            'ARCHIVE_OR_FOLDER, or name another'
        )
    is_drawn = part not in definition.parts
    cfg: dict = dict(
        definition.dataset,
        **definition.parts['train' if is_drawn else part],
        data_root=root,
        pipeline=list(
            transfer_pipeline(definition.holds_arrays)
            if pipeline is None
            else pipeline
        ),
    )
    if definition.num_splits > 1:
        cfg.update(split=split)
    if definition.dataset['type'].startswith('mmpretrain.CIFAR'):
        # Evaluation reads what was prepared, and never the network.
        cfg.update(download=False)
    dataset = DATASETS.build(cfg)
    if part == 'test' or 'val' in definition.parts:
        return dataset
    share = definition.sizes['val'] / (
        definition.sizes['train'] + definition.sizes['val']
    )
    train, val = draw_validation(dataset.get_gt_labels(), share)
    return dataset.get_subset(val if is_drawn else train)


def transfer_pipeline(holds_arrays: bool) -> list[dict]:
    """The test transforms of all sets: BYOL, appendix D.1.

    The short side becomes 224 by bicubic interpolation, and the middle of
    224 x 224 is cut out.

    Args:
        holds_arrays (bool): Whether the data set gives RGB arrays. Else it
            gives paths of files.

    Returns:
        list[dict]: Configs of transforms that give (3, 224, 224) uint8 RGB.
    """
    file = [
        dict(type='mmpretrain.LoadImageFromFile'),
        dict(type='mmpretrain.NumpyToPIL', to_rgb=True),  # loads BGR
    ]
    array = [dict(type='mmpretrain.NumpyToPIL', to_rgb=False)]
    return [
        *(array if holds_arrays else file),
        dict(
            type='mmpretrain.torchvision/Resize',
            size=224,
            interpolation='bicubic',
        ),
        dict(type='mmpretrain.torchvision/CenterCrop', size=224),
        dict(type='mmpretrain.PackInputs'),
    ]


def transfer_labels(dataset: InstanceDataset, num_classes: int) -> Tensor:
    """Labels of a part, in sample order.

    Args:
        dataset (InstanceDataset): The images of a part.
        num_classes (int): Number C of classes.

    Returns:
        Tensor: (N,) int64 in [0, C), or where images have several labels
        (N, C) int64: 1 for a class that is there, 0 for one that is not, -1
        for one of which only objects marked difficult are there, which VOC
        leaves out of the score.
    """
    single = dataset.labels()
    if single is not None:
        return single
    labels = torch.zeros(dataset.num_instances, num_classes, dtype=torch.int64)
    for row, target in enumerate(labels):
        info = dataset.get_info(row)
        target[info['gt_label_difficult']] = -1
        # A class may be there twice, plain to see and difficult.
        target[info['gt_label']] = 1
    return labels


def draw_validation(
    labels: np.ndarray, share: float
) -> tuple[list[int], list[int]]:
    """Put a share of the images aside, alike in all classes.

    Args:
        labels (np.ndarray): (N,) integers, class of every image.
        share (float): Share to put aside, in (0, 1); rounded to images.

    Returns:
        tuple[list[int], list[int]]: Positions of the images that stay and
        of those put aside, each in order.

    Raises:
        ValueError: If a class has one image only.
    """
    from sklearn.model_selection import train_test_split

    train, val = train_test_split(
        np.arange(len(labels)),
        test_size=round(len(labels) * share),
        stratify=labels,
        random_state=DRAW_SEED,
    )
    return sorted(train.tolist()), sorted(val.tolist())


def _definition(name: str, part: str, split: int) -> TransferSet:
    """The set's definition, the request having been checked."""
    if name not in TRANSFER_SETS:
        known = ', '.join(TRANSFER_SETS)
        raise ValueError(f"name ('{name}') must be one of {known}")
    if part not in PARTS:
        raise ValueError(f"part ('{part}') must be one of {PARTS}")
    definition = TRANSFER_SETS[name]
    if split not in range(definition.num_splits):
        raise ValueError(
            f'split ({split}) must be in [0, {definition.num_splits}): '
            f'{definition.title} is parted in that many ways'
        )
    return definition
