"""How runs are watched, described and measured, without training any."""

import importlib
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmisl.structures import MiningSnapshot, ScoredEdges, snapshot_path

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return lambda name: importlib.import_module(f'comparison.{name}')


def test_watch__to_the_end(parts, tmp_path):
    watch, stretch = parts('processes').watch, parts('processes').Stretch
    # 128 MiB are held for longer than it takes to look.
    code = 'import time; x = bytearray(b"1" * 2**26) * 2; time.sleep(1); 1 / 0'
    with open(tmp_path / 'log', 'w') as log:
        status, peak = watch(
            [sys.executable, '-S', '-c', code], stretch(), stderr=log
        )
    assert status == 1
    assert 'ZeroDivisionError' in (tmp_path / 'log').read_text()
    # The process of this test is larger, and is not counted.
    assert 0.125 < peak < 0.3


class UntilReady:
    """A stretch that is over when a process says that it has begun."""

    def __init__(self, path):
        self.path = path

    @property
    def is_over(self):
        return self.path.exists()


@pytest.mark.parametrize(
    'on_term, is_stopped',
    [
        ('signal.SIG_DFL', True),
        ('signal.SIG_IGN', True),
        # It came to its end while it was being stopped.
        ('lambda *_: sys.exit(0)', False),
    ],
)
def test_watch__stops_when_the_stretch_is_over(
    parts, monkeypatch, tmp_path, on_term, is_stopped
):
    processes = parts('processes')
    monkeypatch.setattr(processes, '_SECONDS_TO_END', 1.0)
    ready = tmp_path / 'ready'
    code = (
        f'import signal, sys, time; signal.signal(signal.SIGTERM, {on_term}); '
        f'open({str(ready)!r}, "w").close(); time.sleep(100)'
    )
    begin = time.monotonic()
    status, _ = processes.watch(
        [sys.executable, '-S', '-c', code], UntilReady(ready)
    )
    assert status == (processes.STOPPED if is_stopped else 0)
    assert time.monotonic() - begin < 60


def test_train_one__does_not_begin_when_time_is_over(parts, tmp_path):
    runs, processes = parts('runs'), parts('processes')
    run = runs.Run(Path('c.py'), 3, tmp_path / 'run')
    seconds, status = runs.train_one(
        run, 2, options={}, jobs=1, stretch=processes.Stretch(0)
    )
    assert (seconds, status) == (0.0, processes.STOPPED)
    assert not run.folder.exists()


def test_train_many__an_error_begins_nothing_more(
    parts, monkeypatch, tmp_path
):
    training, runs = parts('training'), parts('runs')
    stretch = parts('processes').Stretch()
    was_over = {}

    def train_one(run, *_, stretch, **__):
        if run.seed == 0:
            raise RuntimeError('is in use')
        # A thread takes the next run at once; it sees that all is over.
        deadline = time.monotonic() + 30
        while not stretch.is_over and time.monotonic() < deadline:
            time.sleep(0.01)
        was_over[run.seed] = stretch.is_over
        return None, 0

    monkeypatch.setattr(training, 'train_one', train_one)
    tasks = [
        training.Task(runs.Run(Path('c.py'), seed, tmp_path), 1, {})
        for seed in range(3)
    ]
    with pytest.raises(RuntimeError, match='is in use'):
        list(training.train_many(tasks, jobs=1, stretch=stretch))
    assert was_over == {1: True, 2: True}


def test_run_timed__a_stopped_part_counts(parts, tmp_path):
    runs, processes = parts('runs'), parts('processes')
    run = runs.Run(Path('c.py'), 3, tmp_path)
    command = [sys.executable, '-S', '-c', 'import time; time.sleep(60)']
    first, status = runs.run_timed(
        run, command, threads=1, stretch=processes.Stretch(1 / 60)
    )
    assert status == processes.STOPPED and 0 < first < 30
    assert float(run.clock.read_text()) == pytest.approx(first, abs=0.06)
    assert run.peak_memory.is_file()
    run.clock.write_text('20.0')
    run.peak_memory.write_text('7.5')
    second, status = runs.run_timed(run, [*command[:3], ''], threads=1)
    assert status == 0 and second > 20
    # The largest of all parts.
    assert runs.peak_memory_of(run) == 7.5


def test_seconds_so_far__of_a_run_that_others_trained(parts, tmp_path):
    runs = parts('runs')
    run = runs.Run(Path('c.py'), 3, tmp_path)
    assert runs.seconds_so_far(run) == 0.0
    (tmp_path / 'last_checkpoint').write_text(f'{tmp_path}/epoch_2.pth')
    assert runs.seconds_so_far(run) is None


def test_trainer__one_that_has_begun_comes_first(parts, tmp_path):
    sharing, runs = parts('sharing'), parts('runs')
    cfg = Config(
        dict(
            model=dict(type='NPID', memory=dict(type='MemoryBank')),
            train_cfg=dict(max_rounds=1, encoder=dict(max_epochs=3)),
            param_scheduler=[dict(end=2), dict(T_max=3)],
        )
    )
    paths = [Path('c/npid.py'), Path('c/isl.py')]
    group = sharing.SharedRound('text', sharing.memory_of(cfg))
    group.members.update(dict.fromkeys(paths, cfg))
    assert group.trainer(tmp_path) == paths[0]
    (tmp_path / 'isl' / 'first_round').mkdir(parents=True)
    wanted = [runs.Run(path, 4, tmp_path / path.stem) for path in paths]
    plan = sharing.plan_first_rounds([group], wanted, tmp_path)
    assert list(plan) == wanted and plan[wanted[0]] == plan[wanted[1]]
    first = plan[wanted[0]]
    folder = tmp_path / 'isl' / 'first_round' / 'seed4'
    assert (first.folder, first.seed) == (folder, 4)
    assert first.end == folder / 'epoch_3.pth'
    assert first.name == 'first round of isl'
    # A schedule that names no end has that of the whole run.
    assert first.options == {
        'train_cfg.max_rounds': 1,
        'train_cfg.encoder.first_epochs': 3,
        'param_scheduler.1.end': 3,
    }
    assert group.describe(tmp_path) == (
        'first round of 3 epochs, trained once a seed by isl, shared by npid, '
        'isl'
    )


# A first round of 2 epochs and what it was branched into: one more of each.
FIRST = [
    {'epoch': 1, 'iter': 4, 'step': 4, 'time': 0.5},
    {'stage/encoder_seconds': 3.0, 'step': 1},
    {'epoch': 2, 'iter': 8, 'step': 8, 'time': 0.25},
    {'stage/encoder_seconds': 5.0, 'step': 2},
    {'knn/bank_top1': 20.0, 'knn/recomputed_top1': 25.0, 'step': 2},
    # It went on for longer than the others need.
    {'epoch': 3, 'iter': 12, 'step': 12, 'time': 9.0},
]
OWN = [
    {'knn/bank_top1': 21.0, 'step': 2},
    {'stage/mining_seconds': 2.0, 'step': 2},
    {
        'mining/round': 0, 'step': 2, 'mining/num_edges': 3,
        'mining/edges_requested': 5, 'mining/edges_accepted': 3,
        'mining/purity': 0.5, 'mining/gan_gap': 0.1,
    },
    {'epoch': 3, 'iter': 12, 'step': 12, 'time': 0.125},
    {'stage/encoder_seconds': 4.0, 'step': 3},
    {'knn/bank_top1': 30.0, 'step': 3},
]  # fmt: skip


def write_run(run, records, *, commit, seconds=None):
    logs = run.folder / '20260101_000000'
    (logs / 'vis_data').mkdir(parents=True)
    (logs / 'vis_data' / 'scalars.json').write_text(
        ''.join(json.dumps(record) + '\n' for record in records)
    )
    (logs / 'run.json').write_text(json.dumps(dict(commit=commit)))
    if seconds is not None:
        run.clock.write_text(str(seconds))


@pytest.fixture
def branched(parts, tmp_path):
    """A run and the first round that it goes on from."""
    run = parts('runs').Run(Path('c/isl.py'), 3, tmp_path / 'isl' / 'seed3')
    first = parts('sharing').FirstRound(
        Path('c/npid.py'),
        3,
        tmp_path / 'first',
        num_epochs=2,
        text='',
        schedule_ends=(),
    )
    write_run(first, FIRST, commit='aaa', seconds=8.5)
    write_run(run, OWN, commit='bbb', seconds=6.25)
    first.peak_memory.write_text('2.5')
    run.peak_memory.write_text('1.5')
    scores = dict(name='isl', seed=3, knn=30.0, linear=40.0, converged=True)
    run.result.write_text(json.dumps(scores))
    return run, first


def test_describe_run__has_its_first_round(parts, branched):
    described = parts('history').describe_run(*branched, batch_size=8)
    assert described == dict(
        name='isl', seed=3, knn=30.0, linear=40.0, converged=True,
        commit='aaa bbb', purity=0.5,
        seconds=14.8, shared_seconds=8.5, peak_memory_gib=2.5,
        # The median of 0.5, 0.25 and 0.125 s for 8 images.
        images_per_second=32.0,
        stages=dict(encoder=12.0, mining=2.0),
        # What it validated again stands once.
        curves={
            'knn/bank_top1': [[2, 21.0], [3, 30.0]],
            'knn/recomputed_top1': [[2, 25.0]],
        },
        rounds=[dict(round=0, epoch=2, edges=3, requested=5, purity=0.5)],
    )  # fmt: skip


def test_describe_run__a_run_of_its_own(parts, branched):
    run, first = branched
    own = run.folder / '20250101_000000' / 'vis_data' / 'scalars.json'
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps(FIRST[0]))
    described = parts('history').describe_run(run, first, batch_size=8)
    assert described['seconds'] == 6.2 and 'shared_seconds' not in described
    assert described['commit'] == 'bbb'
    assert described['stages'] == dict(encoder=4.0, mining=2.0)


@pytest.mark.parametrize('is_planned', [True, False])
def test_describe_run__a_part_is_not_taken_for_the_whole(
    parts, branched, is_planned
):
    """Another command names other methods, with another first round."""
    run, first = branched
    shutil.rmtree(first.folder)
    described = parts('history').describe_run(
        run, first if is_planned else None, batch_size=8
    )
    assert described == dict(
        name='isl', seed=3, knn=30.0, linear=40.0, converged=True,
        commit='bbb', purity=0.5,
        rounds=[dict(round=0, epoch=2, edges=3, requested=5, purity=0.5)],
    )  # fmt: skip


def test_describe_run__last_validation_is_lost(parts, branched):
    """The score at the end is what it would have logged."""
    run, first = branched
    (run.folder / 'last_checkpoint').write_text('epoch_3.pth')
    described = parts('history').describe_run(run, first, batch_size=8)
    assert described['curves'] == {
        'knn/bank_top1': [[2, 21.0], [3, 30.0]],
        'knn/recomputed_top1': [[2, 25.0], [3, 30.0]],
    }


def test_describe_run__leaves_out_what_is_lost(parts, branched):
    run, first = branched
    first.clock.write_text('')
    run.peak_memory.unlink()
    described = parts('history').describe_run(run, first, batch_size=8)
    assert not {'seconds', 'shared_seconds', 'peak_memory_gib'} & set(
        described
    )


@pytest.mark.parametrize(
    'of_first, of_run, expected',
    [(True, True, True), (True, False, False), (None, True, None)],
)
def test_describe_run__names_its_processors(
    parts, branched, of_first, of_run, expected
):
    run, first = branched
    for part, answer in ((first, of_first), (run, of_run)):
        (path,) = part.folder.glob('*/run.json')
        record = json.loads(path.read_text())
        machine = {} if answer is None else dict(bfloat16=answer)
        path.write_text(json.dumps(dict(record, machine=machine)))
    described = parts('history').describe_run(run, first, batch_size=8)
    assert described.get('bfloat16') is expected


def test_score_baselines__methods_leave_each_others_rows_alone(
    parts, monkeypatch, tmp_path
):
    scores, made = parts('scores'), []

    def score(cfg, seed):
        made.append((cfg.model.type, seed))
        return dict(knn=float(len(made)))

    monkeypatch.setattr(scores, 'score_pixels', score)
    monkeypatch.setattr(scores, 'score_untrained', score)
    open_end, over = (parts('processes').Stretch(m) for m in (None, 0))
    one, other = (Config(dict(model=dict(type=t))) for t in ('A', 'B'))

    def rows(cfg, stretch):
        return scores.score_baselines(cfg, [3, 5], tmp_path, stretch)

    assert rows(one, over) == []
    first = rows(one, open_end)
    assert [(row['name'], row['seed'], row['knn']) for row in first] == [
        ('raw pixels', 3, 1.0),
        ('untrained network', 3, 2.0),
        ('untrained network', 5, 3.0),
    ]
    assert rows(other, open_end) != first
    assert rows(one, over) == first
    assert made == [(t, s) for t in 'AB' for s in (3, 3, 5)]


def test_edge_meter__edges_and_control(parts, tiny, tmp_path):
    cfg = Config.fromfile(tiny / 'tiny.py')
    meter = parts('edge_meter').EdgeMeter(cfg, tmp_path)
    assert meter.num_images == 22

    def edges(*pairs):
        src, dst = np.array(pairs, dtype=np.int32).T
        ones = np.ones(len(pairs), dtype=np.float32)
        return ScoredEdges(
            num_samples=22,
            src=src,
            dst=dst,
            score=ones,
            cosine=ones,
            added=np.zeros(len(pairs), dtype=np.uint16),
            directed=False,
        )

    MiningSnapshot(
        round=1,
        epoch=5,
        method='ISL',
        miner='KNNMiner',
        # Images 0 to 7 are of class 0, 8 to 14 of class 1, others of class 2.
        edges=edges((0, 1), (0, 8), (0, 9), (8, 9)),
        control=edges((0, 1), (20, 21)),
    ).save(snapshot_path(tmp_path, 1))
    rounds = meter.complete([dict(round=0, edges=7), dict(round=1)], tmp_path)
    assert rounds[0] == dict(round=0, edges=7)
    found = rounds[1]
    assert (found['purity'], found['control_purity']) == (0.5, 1.0)
    assert found['max_degree'] == 3
    assert found['coverage'] == pytest.approx(4 / 22)
    # Uniform noise: the square root of twice a variance of 1 / 12.
    for name in ('pixel_distance', 'control_pixel_distance'):
        assert found[name] == pytest.approx((1 / 6) ** 0.5, abs=0.05)


def test_edge_meter__of_other_images(parts, tiny, tmp_path):
    none = np.zeros(0, dtype=np.int32)
    nothing = ScoredEdges(
        num_samples=21,
        src=none,
        dst=none,
        score=none.astype(np.float32),
        cosine=none.astype(np.float32),
        added=none.astype(np.uint16),
        directed=False,
    )
    MiningSnapshot(0, 1, 'ISL', 'KNNMiner', nothing, None).save(
        snapshot_path(tmp_path, 0)
    )
    meter = parts('edge_meter').EdgeMeter(
        Config.fromfile(tiny / 'tiny.py'), tmp_path
    )
    with pytest.raises(ValueError, match='has mined 21 images, but .* 22'):
        meter.complete([dict(round=0)], tmp_path)


def test_where_they_differ__long_texts_are_cut_about_the_place(parts):
    where = parts('budget').where_they_differ
    assert where('short', 'other') == ['short', 'other']
    one, other = 'a' * 500 + 'b' + 'c' * 500, 'a' * 500 + 'd'
    assert where(one, other) == [
        '...' + 'a' * 120 + 'b' + 'c' * 119 + '...',
        '...' + 'a' * 120 + 'd',
    ]


@pytest.mark.parametrize(
    'size, block', [((64, 96), (2, 3)), ((16, 32), (1, 1))]
)
def test_pixel_feats__means_of_blocks(parts, size, block):
    """Of images larger than 32x32; others stay as they are."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 3, *size), dtype=np.uint8)
    (height, width), (down, across) = size, block
    means = images.reshape(
        3, 3, height // down, down, width // across, across
    ).mean((3, 5))
    found = parts('scores').pixel_feats(torch.from_numpy(images))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(
        found.numpy(), means.reshape(3, -1) - 127.5, rtol=0, atol=1e-4
    )


def test_num_folds__of_small_sets(parts):
    num_folds = parts('scores').num_folds
    assert num_folds(torch.arange(9_999) % 10) == 5
    assert num_folds(torch.arange(10_000) % 10) == 1
    assert num_folds(torch.tensor([0] * 30 + [1] * 3)) == 3
