import numpy as np
import pytest
from made_runs import edges, write_snapshot

from mmisl.report.gallery import (
    MAX_ROUNDS,
    fit_rounds,
    pack_cosine,
    packed_bytes,
    read_rounds,
    spread_evenly,
)
from mmisl.structures import MiningSnapshot, list_snapshots, snapshot_path

LABELS = np.array([0, 0, 1, 1, 1, -1, 2])


@pytest.fixture
def work_dir(tmp_path):
    for index in range(3):
        write_snapshot(tmp_path, len(LABELS), index)
    return tmp_path


def read(work_dir, **kwargs):
    warnings = []
    rounds = read_rounds(
        list_snapshots(work_dir), warn=warnings.append, **kwargs
    )
    return rounds, warnings


def test_read_rounds__most_similar_first(work_dir):
    rounds, warnings = read(work_dir, num_neighbors=2)

    assert warnings == []
    assert [r.label for r in rounds] == [
        'round 0, epoch 2',
        'round 1, epoch 4',
        'round 2, epoch 6',
    ]
    last = rounds[2]
    assert last.neighbors.dtype == np.int32
    assert last.neighbors[:4].tolist() == [[3, 2], [0, -1], [0, -1], [0, -1]]
    assert (last.neighbors[4:] == -1).all()
    # (0.3 + 1) * 127.5 = 165.75 and (0.2 + 1) * 127.5 = 153.
    assert last.cosine[:2].tolist() == [[166, 153], [140, 0]]
    assert last.control[2:5].tolist() == [[3, -1], [4, 2], [3, -1]]
    # (0.5 + 1) * 127.5 = 191.25 and (1 + 1) * 127.5.
    assert last.control_cosine[2:4].tolist() == [[191, 0], [255, 191]]


def test_read_rounds__numbers_by_hand(work_dir):
    rounds, _ = read(work_dir, num_neighbors=2, labels=LABELS)
    numbers = dict(rounds[2].numbers)
    assert numbers == {
        'edges': '3',
        'neighbours per image': '0.86',  # 6 / 7
        'largest degree': '3',
        'hubs': '0',
        'images with a neighbour': '57.1%',  # 4 of 7
        'purity': '33.3%',  # 0-1 of 0-1, 0-2, 0-3
        'recall@10': '33.3%',  # images 0 and 1 of 6 with a label
        'largest degree, plain kNN': '2',
        'hubs, plain kNN': '0',
        'purity, plain kNN': '100.0%',
        'recall@10, plain kNN': '50.0%',  # 2, 3, 4 of 6
    }
    without, _ = read(work_dir, num_neighbors=2)
    assert not any('purity' in name for name, _ in without[2].numbers)


def test_read_rounds__members_of_clusters(tmp_path):
    """Directed: 1 is a neighbour of 0, and not the other way round."""
    mined = edges(3, [(0, 1), (0, 2), (2, 0)], [0.1, 0.9, 0.9], directed=True)
    MiningSnapshot(0, 1, 'LocalAggregation', '', mined, None).save(
        snapshot_path(tmp_path, 0)
    )
    rounds, _ = read(tmp_path, num_neighbors=3)
    expected = [[2, 1, -1], [-1, -1, -1], [0, -1, -1]]
    assert rounds[0].neighbors.tolist() == expected
    assert rounds[0].control is None
    assert rounds[0].control_cosine is None


def test_read_rounds__torn_file_is_left_out(work_dir):
    path = snapshot_path(work_dir, 1)
    path.write_bytes(path.read_bytes()[:-40])
    rounds, (warning,) = read(work_dir, num_neighbors=2)
    assert [r.round for r in rounds] == [0, 2]
    assert str(path) in warning and 'is no mining snapshot' in warning


def test_read_rounds__other_images(work_dir):
    rounds, warnings = read(work_dir, num_neighbors=2, num_images=9)
    assert rounds == []
    assert len(warnings) == 3
    assert 'is of 7 images, but the data set has 9; name the' in warnings[0]


def test_read_rounds__many(tmp_path):
    for index in range(30):
        write_snapshot(tmp_path, 40, index)
    rounds, (warning,) = read(tmp_path, num_neighbors=1)
    assert len(rounds) == MAX_ROUNDS
    assert (rounds[0].round, rounds[-1].round) == (0, 29)
    assert '12 of 30 rounds are shown' in warning


def test_fit_rounds__as_many_neighbors_as_fit(tmp_path):
    rng = np.random.default_rng(0)
    pairs = [(i, j) for i in range(60) for j in range(i + 1, 60)]
    mined = edges(60, pairs, rng.random(len(pairs)))
    for index in range(2):
        MiningSnapshot(index, 1, 'ISL', '', mined, mined).save(
            snapshot_path(tmp_path, index)
        )
    rounds, _ = read(tmp_path, num_neighbors=20)

    def size(rounds):
        return sum(packed_bytes(a) for r in rounds for a in r.arrays())

    whole = size(rounds)
    assert fit_rounds(rounds, whole) == rounds
    fitted = fit_rounds(rounds, whole // 2)
    k = fitted[0].neighbors.shape[1]
    assert 5 <= k < 20 and size(fitted) <= whole // 2
    for before, after in zip(rounds, fitted):
        np.testing.assert_array_equal(after.neighbors, before.neighbors[:, :k])
        np.testing.assert_array_equal(after.cosine, before.cosine[:, :k])
        np.testing.assert_array_equal(after.control, before.control[:, :k])
        assert after.control_cosine.shape == (60, k)
    assert fit_rounds(rounds, 1)[1].neighbors.shape == (60, 1)
    assert fit_rounds([], 1) == []


def test_pack_cosine__ends_and_padding():
    packed = pack_cosine(np.array([-1.0, 0, 1, 1.01, np.nan], np.float32))
    assert packed.tolist() == [0, 128, 255, 255, 0]


def test_spread_evenly():
    assert spread_evenly(3, 5) == [0, 1, 2]
    assert spread_evenly(9, 5) == [0, 2, 4, 6, 8]
    assert spread_evenly(0, 5) == []
