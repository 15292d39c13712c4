import numpy as np
import pytest

from mmisl.structures import (
    MiningSnapshot,
    ScoredEdges,
    list_snapshots,
    snapshot_path,
    snapshot_round,
)


def make_edges(num_samples, num_edges, directed, seed):
    rng = np.random.default_rng(seed)
    src = np.sort(rng.integers(0, num_samples - 1, num_edges))
    return ScoredEdges(
        num_samples=num_samples,
        src=src.astype(np.int32),
        dst=rng.integers(src + 1, num_samples).astype(np.int32),
        score=rng.normal(size=num_edges).astype(np.float32),
        cosine=rng.uniform(-1, 1, num_edges).astype(np.float32),
        added=rng.integers(0, 4, num_edges).astype(np.uint16),
        directed=directed,
    )


def make_snapshot(*, num_edges=37, control=True, round_idx=3):
    return MiningSnapshot(
        round=round_idx,
        epoch=40,
        method='ISL',
        miner='GANMiner',
        edges=make_edges(19, num_edges, False, 0),
        control=make_edges(19, num_edges, True, 1) if control else None,
    )


def assert_same(first, second):
    assert first.num_samples == second.num_samples
    assert first.directed is second.directed
    for name in ('src', 'dst', 'score', 'added'):
        one, other = getattr(first, name), getattr(second, name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other), name
    assert np.abs(first.cosine - second.cosine).max(initial=0) <= 0.0005


@pytest.mark.parametrize('num_edges', [0, 37])
@pytest.mark.parametrize('control', [True, False])
def test_load__what_was_saved(tmp_path, num_edges, control):
    saved = make_snapshot(num_edges=num_edges, control=control)
    path = saved.save(snapshot_path(tmp_path, saved.round))
    assert path == tmp_path / 'mining' / 'round_003.npz'
    loaded = MiningSnapshot.load(path)
    for name in ('round', 'epoch', 'method', 'miner'):
        assert getattr(loaded, name) == getattr(saved, name)
    assert_same(loaded.edges, saved.edges)
    if control:
        assert_same(loaded.control, saved.control)
    else:
        assert loaded.control is None


def test_save__same_bytes_and_no_leftovers(tmp_path):
    one = make_snapshot().save(tmp_path / 'one.npz')
    other = make_snapshot().save(tmp_path / 'other.npz')
    assert one.read_bytes() == other.read_bytes()
    assert sorted(tmp_path.iterdir()) == [one, other]


def test_save__bytes_of_an_edge(tmp_path):
    saved = make_snapshot(num_edges=0, control=False)
    big = make_edges(5000, 40000, False, 0)
    saved = MiningSnapshot(**{**vars(saved), 'edges': big})
    size = saved.save(tmp_path / 'big.npz').stat().st_size
    assert size < 12 * 40000 + 4 * 5000


def test_load__torn_or_foreign(tmp_path):
    path = make_snapshot().save(tmp_path / 'whole.npz')
    torn = tmp_path / 'torn.npz'
    torn.write_bytes(path.read_bytes()[:-200])
    text = tmp_path / 'text.npz'
    text.write_text('no snapshot')
    spoilt = tmp_path / 'spoilt.npz'
    data = bytearray(path.read_bytes())
    # Where a packed array begins; the list of arrays at the end is whole.
    header = data.index(b'edges_dst.npy') - 30
    sizes = np.frombuffer(data[header + 26 : header + 30], '<u2')
    data[header + 30 + sizes.sum()] = 0xFF
    spoilt.write_bytes(data)
    empty = tmp_path / 'empty.npz'
    empty.touch()
    features = tmp_path / 'features.npz'
    np.savez(features, features=np.zeros(3))
    for bad in (torn, text, spoilt, empty, features):
        with pytest.raises(ValueError, match=f'{bad.name} is no mining') as e:
            MiningSnapshot.load(bad)
        assert '\n' not in str(e.value)
    with pytest.raises(FileNotFoundError, match='there is no mining snap'):
        MiningSnapshot.load(tmp_path / 'missing.npz')


def test_list_snapshots__by_round(tmp_path):
    assert list_snapshots(tmp_path) == []
    for round_idx in (1000, 0, 20):
        make_snapshot(round_idx=round_idx).save(
            snapshot_path(tmp_path, round_idx)
        )
    (tmp_path / 'mining' / 'round_001.partial').touch()
    (tmp_path / 'mining' / 'before_20261127').mkdir()
    paths = list_snapshots(tmp_path)
    assert [snapshot_round(path) for path in paths] == [0, 20, 1000]
    with pytest.raises(ValueError, match='model.npz is not named round_000'):
        snapshot_round(tmp_path / 'model.npz')
    assert [path.stem for path in paths] == [
        'round_000',
        'round_020',
        'round_1000',
    ]
