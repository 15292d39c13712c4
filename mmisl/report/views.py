"""Augmented views of a few images, as a training sees them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from mmisl.datasets import (
    InstanceDataset,
    InstanceSampler,
    draw_items,
    load_original,
)
from mmisl.registry import MODELS

from .gallery import spread_evenly

# Larger images are shrunk: a row of them is as wide as the page.
MAX_SIDE = 128


def draw_views(
    dataset: InstanceDataset,
    cfg: Config,
    *,
    num_images: int = 6,
    num_views: int = 6,
    seed: int = 0,
    rows: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Images spread over the set, each with its views of the first epochs.

    Args:
        dataset (InstanceDataset): The training set of ``cfg``.
        cfg (Config): Of the run.
        num_images (int): Images; all where there are fewer. Defaults to 6.
        num_views (int): Views of each, as many epochs, or half as many where
            the pipeline makes two at once. Defaults to 6.
        seed (int): Of the run. Defaults to 0.
        rows (np.ndarray, optional): (M,) int64, ``sample_idx`` of the images
            to choose from. Defaults to all.

    Returns:
        list[dict]: ``sample``, the place of the image in ``rows``, and
        ``images``, data URIs: the original, then the views.

    Raises:
        RuntimeError: If an image cannot be read.
        TypeError, ValueError: If the pipeline is not one of a training.
    """
    sampler = InstanceSampler(dataset, seed=seed)
    augment = _device_augmentation(cfg)
    drawn = []
    if rows is None:
        rows = np.arange(dataset.num_instances)
    for place in spread_evenly(len(rows), num_images):
        sample_idx = int(rows[place])
        items = draw_items(dataset, sampler, sample_idx, num_views)[:num_views]
        original = load_original(dataset.get_info(sample_idx))
        views = [augment(item) for item in items]
        drawn.append(
            dict(
                sample=place,
                images=[to_data_uri(image) for image in (original, *views)],
            )
        )
    return drawn


def to_data_uri(image: Image.Image) -> str:
    """A picture that a page can hold, at most 128 pixels wide or high."""
    image = image.convert('RGB')
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    # Small ones without loss: the pixels are what one wants to see.
    image.save(
        buffer, 'WEBP', lossless=max(image.size) <= 48, quality=80, method=4
    )
    text = base64.b64encode(buffer.getvalue()).decode('ascii')
    return f'data:image/webp;base64,{text}'


def _device_augmentation(cfg: Config):
    """What makes a view of an item: nothing more, or the preprocessor.

    With an ``AugmentingPreprocessor`` the pipeline gives whole images.
    """
    config = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
    name = (config or {}).get('type', '').rpartition('.')[2]
    if config is None or name != 'AugmentingPreprocessor':
        return lambda item: _to_image(item['inputs'])
    with DefaultScope.overwrite_default_scope('mmisl'):
        preprocessor = MODELS.build(config)

    def augment(item: dict) -> Image.Image:
        batch = dict(
            inputs=item['inputs'][None], data_samples=[item['data_samples']]
        )
        inputs = preprocessor(batch, training=True)['inputs'][0].cpu()
        mean, std = torch.tensor(config['mean']), torch.tensor(config['std'])
        return _to_image(inputs * std.view(-1, 1, 1) + mean.view(-1, 1, 1))

    return augment


def _to_image(pixels: torch.Tensor) -> Image.Image:
    """(3, H, W) in [0, 255], to an image."""
    rounded = pixels.float().round().clamp(0, 255).permute(1, 2, 0)
    return Image.fromarray(rounded.numpy().astype(np.uint8))
