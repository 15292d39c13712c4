import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as tvf
from torchvision.transforms.functional import InterpolationMode

from mmisl.models import BatchRandomResizedCrop
from mmisl.models.data_preprocessors.batch_crop import (
    draw_boxes,
    resized_crop,
)

SCALE, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)


def scalar_box(uniform, height, width, scale, ratio):
    """``get_params`` of torchvision, from given uniform numbers."""
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for share, slant in zip(uniform[:10], uniform[10:20], strict=True):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * share)
        aspect = math.exp(low + (high - low) * slant)
        w = round(math.sqrt(area * aspect))
        h = round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top = math.floor(uniform[20] * (height - h + 1))
            return [top, math.floor(uniform[21] * (width - w + 1)), h, w]
    h, w = height, width
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return [(height - h) // 2, (width - w) // 2, h, w]


@pytest.mark.parametrize(
    ('height', 'width', 'scale', 'ratio'),
    [
        (32, 32, SCALE, RATIO),
        (37, 21, (0.9, 1.0), (1.2, 1.3)),  # some fail all tries
        (9, 40, (1.0, 1.0), (0.5, 2.0)),  # all fail: too wide
        (40, 9, (1.0, 1.0), (0.5, 2.0)),  # all fail: too high
        (20, 20, (1.0, 1.0), (1.3, 1.4)),  # all fail: ratio below the range
    ],
)
def test_draw_boxes__equal_scalar_loop(height, width, scale, ratio):
    uniform = torch.rand(300, 22, dtype=torch.float64)
    found = draw_boxes(uniform, height, width, scale=scale, ratio=ratio)
    expected = [
        scalar_box(row, height, width, scale, ratio)
        for row in uniform.tolist()
    ]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ('height', 'width', 'scale', 'ratio'),
    [
        (32, 32, SCALE, RATIO),
        (24, 61, (0.4, 1.0), (0.8, 1.2)),  # a part takes the fallback
    ],
)
def test_draw_boxes__distributed_as_torchvision(height, width, scale, ratio):
    image = torch.empty(3, height, width)
    theirs = np.array(
        [
            RandomResizedCrop.get_params(image, list(scale), list(ratio))
            for _ in range(4000)
        ]
    )
    uniform = torch.rand(4000, 22, dtype=torch.float64)
    ours = draw_boxes(uniform, height, width, scale=scale, ratio=ratio)

    columns = [*ours.unbind(1), ours[:, 2] * ours[:, 3]]
    expected = [*theirs.T, theirs[:, 2] * theirs[:, 3]]
    for found, wanted in zip(columns, expected, strict=True):
        assert stats.ks_2samp(found.numpy(), wanted).pvalue > 0.01


def pillow_crop(image, box, size):
    pixels = image.permute(1, 2, 0).numpy()
    cropped = tvf.resized_crop(Image.fromarray(pixels), *box, [size, size])
    return torch.from_numpy(np.array(cropped)).permute(2, 0, 1)


# Enlarged as for CIFAR, and shrunk as for photographs.
@pytest.mark.parametrize(
    ('height', 'width', 'size'), [(32, 32, 32), (75, 61, 24)]
)
def test_resized_crop__pixels_of_pillow(height, width, size):
    images = torch.randint(0, 256, (40, 3, height, width), dtype=torch.uint8)
    boxes = draw_boxes(
        torch.rand(40, 22, dtype=torch.float64),
        height,
        width,
        scale=(0.05, 1.0),
        ratio=RATIO,
    )
    found = resized_crop(images.float(), boxes, size)
    for image, box, crop in zip(images, boxes.int().tolist(), found):
        # Pillow rounds after each of its two passes.
        expected = pillow_crop(image, box, size).float()
        assert (crop - expected).abs().max() < 1.1
        exact = tvf.resized_crop(
            image.float(),
            *box,
            [size, size],
            InterpolationMode.BILINEAR,
            antialias=True,
        )
        torch.testing.assert_close(crop, exact, atol=1e-3, rtol=0)


def test_call__whole_image():
    crop = BatchRandomResizedCrop(5, scale=(1, 1), ratio=(1, 1))
    images = torch.rand(2, 3, 5, 5)
    found = crop(images, torch.rand(2, crop.num_draws, dtype=torch.float64))
    torch.testing.assert_close(found, images)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(size=0), 'size must be at least 1, got 0'),
        (dict(size=3, scale=(0.5, 0.2)), r'scale must .* got \(0.5, 0.2\)'),
        (dict(size=3, ratio=(0, 1)), r'ratio must .* got \(0, 1\)'),
    ],
)
def test_init__out_of_range(kwargs, message):
    with pytest.raises(ValueError, match=message):
        BatchRandomResizedCrop(**kwargs)
