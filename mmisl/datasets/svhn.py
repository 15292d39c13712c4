"""SVHN, which mmpretrain lacks."""

from __future__ import annotations

import os.path as osp
from collections.abc import Callable, Sequence

import numpy as np
from mmpretrain.datasets import BaseDataset

from mmisl.registry import DATASETS

_SPLITS = ('train', 'test', 'extra')
_ADDRESS = 'http://ufldl.stanford.edu/housenumbers/'


@DATASETS.register_module()
class SVHN(BaseDataset):
    """Street View House Numbers, cropped digits of 32x32 pixels.

    Reads the official ``{train,test,extra}_32x32.mat`` of
    http://ufldl.stanford.edu/housenumbers/. The files call the digit 0
    class 10; here it is class 0. ``img`` is a (32, 32, 3) uint8 array in
    RGB, unlike what ``LoadImageFromFile`` gives.

    Args:
        data_root (str): Folder of the ``.mat`` files.
        split (str): ``'train'`` (73,257 images), ``'test'`` (26,032) or
            ``'extra'`` (531,131). Defaults to ``'train'``.
        metainfo (dict | None): Overrides meta information. Defaults to
            None.
        pipeline (Sequence[dict | Callable]): Transforms. Defaults to ().
        indices (int | Sequence[int] | None): Subset, as in mmengine's
            ``BaseDataset``. Defaults to None.
        serialize_data (bool): Whether workers share the memory of the
            images. Defaults to True.
        test_mode (bool): Whether an empty result of the pipeline is an
            error. Defaults to False.
        lazy_init (bool): Whether to read the file later. Defaults to
            False.

    Raises:
        FileNotFoundError: If the file of the split is missing.
        ValueError: If ``split`` is unknown or its file is damaged.
    """

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        *,
        metainfo: dict | None = None,
        pipeline: Sequence[dict | Callable] = (),
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        if split not in _SPLITS:
            raise ValueError(f"split ('{split}') must be one of {_SPLITS}")
        self.split = split
        super().__init__(
            ann_file='',
            metainfo=metainfo,
            data_root=data_root,
            pipeline=pipeline,
            indices=indices,
            serialize_data=serialize_data,
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    def load_data_list(self) -> list[dict]:
        """Images and labels of the split, in the order of the file."""
        name = f'{self.split}_32x32.mat'
        path = osp.join(self.img_prefix, name)
        if not osp.isfile(path):
            raise FileNotFoundError(
                f'{path} does not exist; download it from {_ADDRESS}{name}'
            )
        images, labels = _read_mat(path)
        return [
            dict(img=img, gt_label=int(label))
            for img, label in zip(images, labels, strict=True)
        ]


def _read_mat(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) uint8 RGB and labels (N,) in [0, 10)."""
    from scipy.io import loadmat

    try:
        content = loadmat(path)
        images, labels = content['X'], content['y']
    # scipy promises no list of errors: zlib's, struct's and its own occur.
    except Exception as error:
        raise ValueError(
            f'{path} is damaged ({type(error).__name__}: {error}); delete it '
            f'and download it again from {_ADDRESS}'
        ) from error
    # The file has the image index last: (H, W, C, N).
    images = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
    return images, labels.reshape(-1) % 10
