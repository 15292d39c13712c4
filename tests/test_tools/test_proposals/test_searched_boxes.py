"""From OpenCV's boxes to those of a file of proposals."""

import numpy as np
import pytest


@pytest.fixture
def boxes(import_tool):
    return import_tool('proposing.searched_boxes')


def test_keep_boxes__takes_the_first_large_ones_with_both_corners(boxes):
    rects = [[0, 0, 5, 9], [2, 3, 4, 5], [7, 1, 6, 4], [1, 1, 8, 8]]
    # The second is 4 wide; the last is the third that is large enough.
    kept = boxes.keep_boxes(rects, min_side=4, limit=3)
    assert kept == [[0, 0, 4, 8], [2, 3, 5, 7], [7, 1, 12, 4]]
    assert boxes.keep_boxes(rects, min_side=5, limit=3) == [
        [0, 0, 4, 8],
        [1, 1, 8, 8],
    ]


def test_as_proposals__scores_keep_the_order(boxes):
    entry = boxes.as_proposals([[0, 0, 4, 8], [2, 3, 5, 7], [1, 1, 2, 2]])
    assert entry['bboxes'].dtype == entry['scores'].dtype == np.float32
    np.testing.assert_allclose(entry['scores'], [1, 2 / 3, 1 / 3])
    assert entry['bboxes'][1].tolist() == [2, 3, 5, 7]


def test_as_proposals__no_box(boxes):
    entry = boxes.as_proposals([])
    assert entry['bboxes'].shape == (0, 4) and entry['scores'].shape == (0,)
