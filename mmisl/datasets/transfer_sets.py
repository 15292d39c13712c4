"""The data sets that frozen features are tried on, and their parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PARTS = ('train', 'val', 'test')
# Where a set has parts of its own for all three.
_OFFICIAL = {part: dict(split=part) for part in PARTS}
# Where it has none for validation: images of ``train`` are put aside.
_TWO = {part: dict(split=part) for part in ('train', 'test')}


@dataclass(frozen=True)
class TransferSet:
    """An image set, how it is parted, and what is measured on it.

    The parts are those of BYOL (appendix D.1), whose table also names the
    metrics. SVHN is not in it.

    Attributes:
        title: Name for tables.
        dataset: Config of the data set, without ``data_root``, ``pipeline``
            and the choice of a part.
        parts: Arguments that choose a part. Where ``'val'`` is missing,
            validation images are drawn out of ``'train'``.
        sizes: Number of images of the parts ``'train'``, ``'val'`` and
            ``'test'`` of the whole set.
        num_classes: Number of classes.
        metric: ``'top1'``; ``'mean_per_class'``, the mean of the accuracies
            of the classes; or ``'map_11points'``, the mean over classes of
            the average precision at 11 recalls, for images with several
            labels.
        data_root: Folder that ``tools/prepare_data.py`` unpacks to.
        holds_arrays: Whether the data set gives RGB arrays, not files.
        num_splits: How many ways there are to part the set: results are
            means over them.
    """

    title: str
    dataset: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]
    sizes: Mapping[str, int]
    num_classes: int
    metric: str
    data_root: str
    holds_arrays: bool = False
    num_splits: int = 1

    @property
    def is_multi_label(self) -> bool:
        """Whether an image may have several labels."""
        return self.metric == 'map_11points'


def _sizes(train: int, val: int, test: int) -> dict[str, int]:
    return dict(train=train, val=val, test=test)


TRANSFER_SETS: dict[str, TransferSet] = {
    'cifar10': TransferSet(
        title='CIFAR-10',
        dataset=dict(type='mmpretrain.CIFAR10'),
        parts=_TWO,
        sizes=_sizes(45_000, 5_000, 10_000),
        num_classes=10,
        metric='top1',
        data_root='data/cifar10',
        holds_arrays=True,
    ),
    'cifar100': TransferSet(
        title='CIFAR-100',
        dataset=dict(type='mmpretrain.CIFAR100'),
        parts=_TWO,
        sizes=_sizes(44_933, 5_067, 10_000),
        num_classes=100,
        metric='top1',
        data_root='data/cifar100',
        holds_arrays=True,
    ),
    'food101': TransferSet(
        title='Food-101',
        dataset=dict(type='mmpretrain.Food101'),
        parts=_TWO,
        sizes=_sizes(68_175, 7_575, 25_250),
        num_classes=101,
        metric='top1',
        data_root='data/food101',
    ),
    'aircraft': TransferSet(
        title='FGVC-Aircraft',
        dataset=dict(type='mmpretrain.FGVCAircraft'),
        parts=_OFFICIAL,
        sizes=_sizes(3_334, 3_333, 3_333),
        num_classes=100,
        metric='mean_per_class',
        data_root='data/aircraft',
    ),
    'flowers102': TransferSet(
        title='Flowers-102',
        dataset=dict(type='mmpretrain.Flowers102'),
        parts=_OFFICIAL,
        sizes=_sizes(1_020, 1_020, 6_149),
        num_classes=102,
        metric='mean_per_class',
        data_root='data/flowers102',
    ),
    # BYOL's table says 101 classes and 2,550 / 510 / 6,084 images. Those are
    # all 9,144 images of the archive in 102 categories, one of which is the
    # background: pictures of anything. Without it 101 x 25 / 101 x 5 remain,
    # and the rest of 8,677.
    'caltech101': TransferSet(
        title='Caltech-101',
        dataset=dict(type='mmisl.Caltech101'),
        parts={part: dict(part=part) for part in PARTS},
        sizes=_sizes(2_525, 505, 5_647),
        num_classes=101,
        metric='mean_per_class',
        data_root='data/caltech101',
        num_splits=5,
    ),
    'svhn': TransferSet(
        title='SVHN',
        dataset=dict(type='mmisl.SVHN'),
        parts=_TWO,
        sizes=_sizes(65_931, 7_326, 26_032),
        num_classes=10,
        metric='top1',
        data_root='data/svhn',
        holds_arrays=True,
    ),
    'voc07': TransferSet(
        title='VOC2007',
        dataset=dict(type='mmpretrain.VOC'),
        parts=_OFFICIAL,
        sizes=_sizes(2_501, 2_510, 4_952),
        num_classes=20,
        metric='map_11points',
        data_root='data/VOCdevkit/VOC2007',
    ),
}
