"""Augmented views of a few images, as a training sees them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from mmisl.apis import TrainingViews
from mmisl.datasets import InstanceDataset

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
            a training makes two at once. Defaults to 6.
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
    views = TrainingViews(dataset, cfg, seed)
    drawn = []
    if rows is None:
        rows = np.arange(dataset.num_instances)
    for place in spread_evenly(len(rows), num_images):
        sample_idx = int(rows[place])
        shown = [
            views.original(sample_idx),
            *views.draw(sample_idx, num_views)[:num_views],
        ]
        drawn.append(
            dict(sample=place, images=[to_data_uri(image) for image in shown])
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
