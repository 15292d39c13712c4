"""The positives that a run leaves behind, against its own state."""

import shutil

import numpy as np
import pytest
import torch
from test_methods import overrides_of
from test_two_processes import OVERRIDES, run_ranks
from tiny_run import (
    BATCH_SIZE,
    checkpoint_of,
    make_config,
    train,
    write_data,
)

from mmisl.engine.hooks import MiningSnapshotHook
from mmisl.structures import MiningSnapshot, list_snapshots

HOOKS = [
    dict(type='MemoryBankHook'),
    dict(type='KNNGalleryHook'),
    dict(type='MiningSnapshotHook', num_neighbors=3),
]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


def run(data, folder, name, overrides=()):
    changes = {**overrides_of(name), 'custom_hooks': HOOKS, **dict(overrides)}
    return train(make_config(data, folder, changes))


@pytest.fixture(scope='module')
def isl(data, tmp_path_factory):
    """Folder and runner of a run that mines twice."""
    folder = tmp_path_factory.mktemp('isl')
    keep_all = {'default_hooks.checkpoint.max_keep_ckpts': -1}
    return folder, run(data, folder, 'isl', keep_all)


def pairs_of(edges):
    return list(zip(edges.src.tolist(), edges.dst.tolist(), strict=True))


def graph_pairs(state):
    """Pairs of a saved graph, by a walk over its rows."""
    indptr, indices = state['graph.indptr'], state['graph.indices']
    return [
        (i, int(j))
        for i in range(len(indptr) - 1)
        for j in indices[indptr[i] : indptr[i + 1]]
        if i < j
    ]


def test_isl__edges_of_every_round(isl):
    folder, runner = isl
    first, second = map(MiningSnapshot.load, list_snapshots(folder))
    last = checkpoint_of(folder, runner.epoch)['state_dict']
    assert pairs_of(second.edges) == graph_pairs(last)
    assert set(pairs_of(first.edges)) < set(pairs_of(second.edges))
    assert [first.round, second.round] == [0, 1]
    assert (first.method, first.miner) == (
        'ISL',
        type(runner.model.miner).__name__,
    )
    assert first.epoch < second.epoch
    assert not second.edges.directed


def test_isl__age_and_score_are_kept(isl):
    first, second = map(MiningSnapshot.load, list_snapshots(isl[0]))
    scores = dict(zip(pairs_of(first.edges), first.edges.score))
    assert np.isfinite(first.edges.score).all()
    ages = set()
    for pair, score, added in zip(
        pairs_of(second.edges), second.edges.score, second.edges.added
    ):
        ages.add(int(added))
        assert added == (pair not in scores)
        assert pair not in scores or score == scores[pair]
    assert ages == {0, 1}
    assert np.isfinite(second.edges.score).all()


def test_isl__control_is_the_most_similar_pairs(isl):
    """At the last mining the bank is that of the checkpoint behind it."""
    folder, runner = isl
    snapshot = MiningSnapshot.load(list_snapshots(folder)[-1])
    state = torch.load(
        folder / f'epoch_{snapshot.epoch}.pth', weights_only=True
    )['state_dict']
    bank = state['memory.bank'].double()
    products = bank @ bank.T
    every = sorted(
        (-float(products[i, j]), i, j)
        for i in range(len(bank))
        for j in range(i + 1, len(bank))
    )
    best = every[: len(snapshot.edges)]
    assert sorted(pairs_of(snapshot.control)) == sorted(
        (i, j) for _, i, j in best
    )
    for edges in (snapshot.edges, snapshot.control):
        for (i, j), cosine in zip(pairs_of(edges), edges.cosine):
            assert cosine == pytest.approx(float(products[i, j]), abs=6e-4)


def test_local_aggregation__nearest_members(data, tmp_path):
    runner = run(data, tmp_path, 'local_aggregation')
    snapshots = [MiningSnapshot.load(p) for p in list_snapshots(tmp_path)]
    assert len(snapshots) == runner.train_loop.schedule.max_rounds - 1
    assert {s.miner for s in snapshots} == {''}
    edges = snapshots[-1].edges
    assert edges.directed and snapshots[-1].control.directed
    assignments = runner.model.clusters.assignments
    together = (assignments[:, edges.src] == assignments[:, edges.dst]).float()
    assert together.any(0).all()
    assert np.allclose(edges.score, together.mean(0).numpy())
    fellows = (assignments.unsqueeze(1) == assignments.unsqueeze(2)).any(0)
    expected = (fellows.sum(1) - 1).clamp(max=3)
    assert edges.degrees.tolist() == expected.tolist()
    assert (snapshots[-1].control.degrees == 3).all()


def test_hook__leaves_out_rounds_and_control(data, tmp_path):
    hooks = [
        *HOOKS[:2],
        dict(type='MiningSnapshotHook', interval=2, control=False),
    ]
    run(data, tmp_path, 'local_aggregation', {'custom_hooks': hooks})
    found = list_snapshots(tmp_path)
    assert [path.stem for path in found][:1] == ['round_000']
    assert 'round_001' not in [path.stem for path in found]
    assert MiningSnapshot.load(found[0]).control is None


def test_hook__puts_aside_what_another_run_left(data, isl, tmp_path):
    shutil.copytree(isl[0] / 'mining', tmp_path / 'mining')
    before = (tmp_path / 'mining' / 'round_001.npz').read_bytes()
    run(data, tmp_path, 'isl', {'train_cfg.max_rounds': 2})
    assert [p.stem for p in list_snapshots(tmp_path)] == ['round_000']
    (aside,) = (tmp_path / 'mining').glob('before_*/round_001.npz')
    assert aside.read_bytes() == before


def test_hook__goes_on_without_a_torn_file(data, isl, tmp_path, caplog):
    folder, _ = isl
    shutil.copytree(folder / 'mining', tmp_path / 'mining')
    torn = tmp_path / 'mining' / 'round_000.npz'
    torn.write_bytes(torn.read_bytes()[:50])
    first = MiningSnapshot.load(folder / 'mining' / 'round_000.npz')
    changes = {**overrides_of('isl'), 'custom_hooks': HOOKS}
    cfg = make_config(data, tmp_path, changes)
    train(cfg, resume=folder / f'epoch_{first.epoch}.pth')
    second = MiningSnapshot.load(tmp_path / 'mining' / 'round_001.npz')
    assert np.isnan(second.edges.score).sum() == len(first.edges)


def test_hook__a_disk_that_is_full_ends_no_run(data, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(MiningSnapshot, 'save', fail)
    runner = run(data, tmp_path, 'isl', {'train_cfg.max_rounds': 2})
    assert runner.epoch == 2 and list_snapshots(tmp_path) == []
    (log,) = tmp_path.glob('*/*.log')
    assert 'round_000.npz could not be written' in log.read_text()


@pytest.mark.parametrize('sharded', [False, True])
def test_two_ranks__the_snapshot_of_one(data, sharded, tmp_path):
    hooks = [*OVERRIDES['custom_hooks'][:2], HOOKS[-1]]
    overrides = {
        **OVERRIDES,
        'custom_hooks': hooks,
        'train_cfg.encoder.max_epochs': 1,
    }
    train(make_config(data, tmp_path / 'one', overrides))
    cfg = make_config(
        data, tmp_path / 'two', {**overrides, 'model.memory.sharded': sharded}
    )
    cfg.train_dataloader.batch_size = BATCH_SIZE // 2
    cfg.dump(tmp_path / 'config.py')
    assert run_ranks(tmp_path / 'config.py', 2) == [0, 0]
    one, two = (
        MiningSnapshot.load(tmp_path / name / 'mining' / 'round_000.npz')
        for name in ('one', 'two')
    )
    assert pairs_of(one.edges) == pairs_of(two.edges)
    assert pairs_of(one.control) == pairs_of(two.control)
    assert np.abs(one.edges.cosine - two.edges.cosine).max() < 1e-3
    assert np.allclose(one.edges.score, two.edges.score, atol=1e-5)


@pytest.mark.parametrize('name', ['interval', 'num_neighbors'])
def test_hook__bad_arguments(name):
    with pytest.raises(ValueError, match=f'{name} must be >= 1, got 0'):
        MiningSnapshotHook(**{name: 0})
