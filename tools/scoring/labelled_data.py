"""Labelled images of a pretraining config, under its test transforms."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from common import ConfigError
from mmengine.config import Config
from torch import Tensor

from mmisl.apis import build_loader, loader_config
from mmisl.models.algorithms.labels import check_every_class


@dataclass(frozen=True)
class Data:
    """Labelled images of a pretraining config.

    Attributes:
        train: Config of the loader of the training images.
        test: Config of the loader of the test images.
        num_train: Training images.
        num_test: Test images.
        num_classes: C; labels are below it.
        image_size: (height, width).
    """

    train: dict
    test: dict
    num_train: int
    num_test: int
    num_classes: int
    image_size: tuple[int, int]


def read_data(cfg: Config, share: dict | None = None) -> Data:
    """Look at the images that a run is to have.

    Args:
        cfg (Config): Of the pretraining.
        share (dict, optional): Arguments of ``LabelShare`` for the training
            images. All of them by default.

    Raises:
        ConfigError: If a loader is missing, or an image has no label.
        ValueError: If a class has no training image.
    """
    train, test = (loader_config(cfg, split) for split in ('train', 'val'))
    if share is not None:
        train['dataset'] = dict(
            type='InstanceDataset',
            dataset=dict(
                type='LabelShare', dataset=train['dataset']['dataset'], **share
            ),
        )
    _, images = build_loader(copy.deepcopy(train))
    labels = _labels('gallery_dataloader', images.labels())
    _, test_images = build_loader(copy.deepcopy(test))
    test_labels = _labels('val_dataloader', test_images.labels())
    num_classes = 1 + int(max(labels.max(), test_labels.max()))
    check_every_class(labels, num_classes)
    height, width = images[0]['inputs'].shape[-2:]
    train['sampler']['shuffle'] = True
    return Data(
        train=train,
        test=test,
        num_train=len(labels),
        num_test=len(test_labels),
        num_classes=num_classes,
        image_size=(height, width),
    )


def _labels(key: str, labels: Tensor | None) -> Tensor:
    if labels is None:
        raise ConfigError(
            f'{key}: its images have no labels to train and test with; take a '
            'data set in which every image has one'
        )
    return labels
