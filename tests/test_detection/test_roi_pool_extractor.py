"""Pooling of regions, against a loop over the cells."""

import math

import pytest
import torch

pytest.importorskip('mmcv._ext', reason='needs the compiled ops of mmcv')
from mmcv.ops import RoIPool

from mmisl.detection import RoIPoolExtractor


def pool_by_loops(feature_map, roi, size, stride):
    """Fast R-CNN, section 2.1; corners round half up, as C's round does."""
    x1, y1, x2, y2 = (math.floor(side / stride + 0.5) for side in roi)
    width, height = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    channels, rows, columns = feature_map.shape
    pooled = torch.zeros(channels, size, size, dtype=feature_map.dtype)
    for i in range(size):
        top = y1 + math.floor(i * height / size)
        bottom = y1 + math.ceil((i + 1) * height / size)
        for j in range(size):
            left = x1 + math.floor(j * width / size)
            right = x1 + math.ceil((j + 1) * width / size)
            cells = feature_map[
                :,
                max(top, 0) : min(bottom, rows),
                max(left, 0) : min(right, columns),
            ]
            if cells.numel():
                pooled[:, i, j] = cells.amax((1, 2))
    return pooled


def test_forward__value_and_gradient():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(
        2, 3, 9, 11, dtype=torch.float64, generator=generator
    ).requires_grad_()
    rois = torch.tensor(
        [
            [0, 3.0, 5.0, 120.0, 90.0],
            [1, 40.0, 17.0, 41.0, 130.0],
            [1, 0.0, 0.0, 175.0, 143.0],
            [0, 160.0, 130.0, 190.0, 170.0],  # partly outside
        ],
        dtype=torch.float64,
    )
    extractor = RoIPoolExtractor(4, 3, [16])
    found = extractor((maps,), rois)
    expected = torch.stack(
        [
            pool_by_loops(maps[int(index)], box.tolist(), 4, 16)
            for index, box in zip(rois[:, 0], rois[:, 1:])
        ]
    )
    torch.testing.assert_close(found, expected)
    weights = torch.randn(
        found.shape, dtype=torch.float64, generator=generator
    )
    gradients = [
        torch.autograd.grad((output * weights).sum(), maps)[0]
        for output in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


def test_forward__first_center():
    feature_map = torch.randn(1, 2, 6, 7)
    box = [41.0, 26.0, 87.0, 71.0]
    roi = torch.tensor([[0.0, *box]])
    extractor = RoIPoolExtractor(3, 2, [16], first_center=15)
    moved = [side - 15 for side in box]
    torch.testing.assert_close(
        extractor((feature_map,), roi)[0],
        pool_by_loops(feature_map[0], moved, 3, 16),
    )
    assert roi.tolist() == [[0, *box]]


def test_forward__no_regions():
    extractor = RoIPoolExtractor(2, 3, [16])
    found = extractor((torch.randn(1, 3, 5, 5),), torch.zeros(0, 5))
    assert found.shape == (0, 3, 2, 2)


def test_mmcv__still_has_no_roi_pool_for_cpus():
    """When this fails, see whether mmcv's own will do."""
    with pytest.raises(RuntimeError, match='device cpu not found'):
        RoIPool(2, 1.0)(
            torch.zeros(1, 1, 4, 4), torch.tensor([[0.0, 0, 0, 3, 3]])
        )
