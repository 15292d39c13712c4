import numpy as np
import pytest

from mmisl.report.gallery import Round
from mmisl.report.selection import select_images

NUM, LIMIT = 1000, 300


@pytest.fixture
def round_():
    rng = np.random.default_rng(0)
    neighbors = rng.integers(0, NUM, (NUM, 2)).astype(np.int32)
    neighbors[rng.random(NUM) < 0.3, 1] = -1
    control = rng.integers(0, NUM, (NUM, 1)).astype(np.int32)
    cosine = rng.integers(1, 256, (NUM, 2)).astype(np.uint8)
    plain = rng.integers(1, 256, (NUM, 1)).astype(np.uint8)
    return Round(0, 1, neighbors, cosine, control, plain, [])


def test_select_images__all_fit(round_):
    assert select_images(NUM, [round_.neighbors], limit=NUM) is None


def test_select_images__anchors_keep_all_their_neighbors(round_):
    lists = [round_.neighbors, round_.control]
    chosen = select_images(NUM, lists, limit=LIMIT)

    assert LIMIT - 5 < len(chosen.rows) <= LIMIT
    assert (np.diff(chosen.rows) > 0).all()
    assert chosen.is_anchor.any()
    shown = chosen.of(round_)
    assert shown.neighbors.shape == (len(chosen.rows), 2)
    for place, row in enumerate(chosen.rows):
        for before, after in (
            (round_.neighbors, shown.neighbors),
            (round_.control, shown.control),
        ):
            there = after[place]
            if chosen.is_anchor[place]:
                # The same images, under their numbers in the page.
                named = np.where(there >= 0, chosen.rows[there], -1)
                np.testing.assert_array_equal(named, before[row])
            else:
                assert (there == -1).all()
        is_anchor = chosen.is_anchor[place]
        expected = round_.cosine[row] if is_anchor else 0
        assert (shown.cosine[place] == expected).all()
        expected = round_.control_cosine[row] if is_anchor else 0
        assert (shown.control_cosine[place] == expected).all()


def test_select_images__by_seed(round_):
    first, again, other = (
        select_images(NUM, [round_.neighbors], limit=LIMIT, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.rows, again.rows)
    assert set(first.rows) != set(other.rows)


def test_select_images__without_neighbors():
    chosen = select_images(NUM, [], limit=LIMIT)
    assert chosen.is_anchor.all()
    assert len(chosen.rows) == LIMIT
