"""A random crop of each image of a batch, resized, all at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmisl.registry import MODELS

_NUM_TRIES = 10


@MODELS.register_module()
class BatchRandomResizedCrop:
    """``torchvision.transforms.RandomResizedCrop`` for a batch.

    Same parameters, same 10 tries, same central crop when all fail. Pixels
    are those of Pillow's bilinear filter, which averages where it shrinks
    and never looks beyond the crop; it rounds to whole grey levels twice,
    this does not. # Deviates from kornia's crops, which sample the whole
    image bilinearly: they mix in pixels from outside the crop, and skip
    pixels where they shrink.

    Args:
        size (int): Height and width of the result.
        scale (Sequence[float]): Least and greatest share of the area.
            Defaults to (0.08, 1.0).
        ratio (Sequence[float]): Least and greatest width over height.
            Defaults to (3 / 4, 4 / 3).

    Raises:
        ValueError: If a range is empty or not positive, or ``size`` < 1.
    """

    num_draws = 2 * _NUM_TRIES + 2

    def __init__(
        self,
        size: int,
        scale: Sequence[float] = (0.08, 1.0),
        *,
        ratio: Sequence[float] = (3 / 4, 4 / 3),
    ) -> None:
        if size < 1:
            raise ValueError(f'size must be at least 1, got {size}')
        for name, (low, high) in dict(scale=scale, ratio=ratio).items():
            if not 0 < low <= high:
                raise ValueError(
                    f'{name} must be (least, greatest) with 0 < least <= '
                    f'greatest, got {(low, high)}'
                )
        self.size = size
        self.scale = scale
        self.ratio = ratio

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        """Crop and resize.

        Args:
            images (Tensor): (B, C, H, W) float.
            uniform (Tensor): (B, 22) float64 in [0, 1).

        Returns:
            Tensor: (B, C, size, size), in the range of ``images``.
        """
        height, width = images.shape[-2:]
        boxes = draw_boxes(
            uniform, height, width, scale=self.scale, ratio=self.ratio
        )
        return resized_crop(images, boxes, self.size)


def draw_boxes(
    uniform: Tensor,
    height: int,
    width: int,
    *,
    scale: Sequence[float],
    ratio: Sequence[float],
) -> Tensor:
    """Boxes to crop, one for each row.

    Source: ``torchvision.transforms.RandomResizedCrop.get_params``: 10 tries
    of an area and a ratio, the first that fits in is taken; if none does, the
    largest central crop of a ratio within the range.

    Args:
        uniform (Tensor): (B, 22) float64 in [0, 1): 10 areas, 10 ratios, top,
            left.
        height (int): H of the images.
        width (int): W of the images.
        scale (Sequence[float]): Range of the share of the area.
        ratio (Sequence[float]): Range of width over height.

    Returns:
        Tensor: (B, 4) float64 whole numbers: top, left, height, width.
    """
    shares, slants = uniform[:, : 2 * _NUM_TRIES].split(_NUM_TRIES, dim=1)
    area = height * width * _between(shares, *scale)
    aspect = _between(slants, math.log(ratio[0]), math.log(ratio[1])).exp()
    widths = (area * aspect).sqrt().round()
    heights = (area / aspect).sqrt().round()
    fits = (
        (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    )
    # argmax gives the first of equals only by chance, on a GPU.
    tries = torch.arange(_NUM_TRIES, device=uniform.device)
    first = torch.where(fits, tries, _NUM_TRIES - 1).amin(1, keepdim=True)
    crop_h = heights.gather(1, first).squeeze(1)
    crop_w = widths.gather(1, first).squeeze(1)
    # randint: each of the places that are left is as likely.
    top = (uniform[:, -2] * (height - crop_h + 1)).floor()
    left = (uniform[:, -1] * (width - crop_w + 1)).floor()
    found = fits.any(1)
    central = _central_box(height, width, ratio)
    drawn = (top, left, crop_h, crop_w)
    return torch.stack(
        [torch.where(found, box, c) for box, c in zip(drawn, central)], dim=1
    )


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * uniform


def _central_box(
    height: int, width: int, ratio: Sequence[float]
) -> tuple[float, float, float, float]:
    """Top, left, height, width of the crop taken when all tries failed."""
    crop_h, crop_w = height, width
    if width / height < ratio[0]:
        crop_h = round(width / ratio[0])
    elif width / height > ratio[1]:
        crop_w = round(height * ratio[1])
    top, left = (height - crop_h) // 2, (width - crop_w) // 2
    return float(top), float(left), float(crop_h), float(crop_w)


def resized_crop(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut a box out of each image and resize it to a square.

    Rows and columns are resized by one small matrix each: the filter of
    Pillow's ``BILINEAR``, a triangle as wide as the spacing of the pixels
    that are coarser, those of the crop or those of the result.

    Args:
        images (Tensor): (B, C, H, W) float.
        boxes (Tensor): (B, 4): top, left, height, width.
        size (int): Height and width of the result.

    Returns:
        Tensor: (B, C, size, size).
    """
    height, width = images.shape[-2:]
    top, left, crop_h, crop_w = boxes.unbind(1)
    rows = _filter(top, crop_h, height, size).to(images.dtype)
    columns = _filter(left, crop_w, width, size).to(images.dtype)
    # (B, 1, S, H) x (B, C, H, W) x (B, 1, W, S)
    return rows[:, None] @ images @ columns[:, None].mT


def _filter(start: Tensor, length: Tensor, total: int, size: int) -> Tensor:
    """(B, size, total), each row with a sum of 1."""
    start, length = start[:, None, None], length[:, None, None]
    spacing = length / size
    steps = torch.arange(size, device=start.device)[:, None]
    centre = start + (steps + 0.5) * spacing  # (B, size, 1)
    pixels = torch.arange(total, device=start.device)
    distance = (pixels + 0.5 - centre).abs() / spacing.clamp(min=1)
    inside = (pixels >= start) & (pixels < start + length)
    weights = (1 - distance).clamp(min=0) * inside
    return weights / weights.sum(-1, keepdim=True)
