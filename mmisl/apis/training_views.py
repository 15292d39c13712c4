"""Augmented views of single images, as a training sees them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image
from torch import Tensor

from mmisl.datasets import (
    InstanceDataset,
    InstanceSampler,
    draw_items,
    load_original,
)
from mmisl.registry import MODELS


class TrainingViews:
    """The images of a training set and their views in the first epochs.

    They are made by the pipeline, or by an ``AugmentingPreprocessor`` where
    the config has one.

    Args:
        dataset (InstanceDataset): The training set of ``cfg``.
        cfg (Config): Of the run.
        seed (int): Of the run. Defaults to 0.

    Raises:
        TypeError, ValueError: If the pipeline is not one of a training.
    """

    def __init__(
        self, dataset: InstanceDataset, cfg: Config, seed: int = 0
    ) -> None:
        self._dataset = dataset
        self._sampler = InstanceSampler(dataset, seed=seed)
        self._augment = _device_augmentation(cfg)

    def original(self, sample_idx: int) -> Image.Image:
        """The image before the pipeline, in the colours of its file.

        Args:
            sample_idx (int): The image, in [0, N).
        """
        return load_original(self._dataset.get_info(sample_idx))

    def draw(self, sample_idx: int, num_epochs: int) -> list[Image.Image]:
        """Views of an image in the epochs 0, 1, 2, ...

        Args:
            sample_idx (int): The image, in [0, N).
            num_epochs (int): Number of epochs.

        Returns:
            list[Image.Image]: RGB, one an epoch, or as many as a training
            makes views of an image at once.

        Raises:
            RuntimeError: If the image cannot be read.
        """
        items = draw_items(
            self._dataset, self._sampler, sample_idx, num_epochs
        )
        return [
            _to_image(view) for item in items for view in self._augment(item)
        ]


def _device_augmentation(cfg: Config) -> Callable[[dict], list[Tensor]]:
    """What makes (3, H, W) views in [0, 255] of an item.

    With an ``AugmentingPreprocessor`` the pipeline gives whole images.
    """
    own = cfg.get('model', {}).get('data_preprocessor')
    config = own or cfg.get('data_preprocessor', {})
    name = config.get('type', '').rpartition('.')[2]
    if name != 'AugmentingPreprocessor':
        return lambda item: [item['inputs']]
    with DefaultScope.overwrite_default_scope('mmisl'):
        preprocessor = MODELS.build(config)
    mean = torch.tensor(config['mean']).view(-1, 1, 1)
    std = torch.tensor(config['std']).view(-1, 1, 1)

    def augment(item: dict) -> list[Tensor]:
        batch = dict(
            inputs=item['inputs'][None], data_samples=[item['data_samples']]
        )
        inputs = preprocessor(batch, training=True)['inputs']
        views = inputs if isinstance(inputs, list) else [inputs]
        return [view[0].cpu() * std + mean for view in views]

    return augment


def _to_image(pixels: Tensor) -> Image.Image:
    rounded = pixels.float().round().clamp(0, 255).permute(1, 2, 0)
    return Image.fromarray(rounded.numpy().astype(np.uint8))
