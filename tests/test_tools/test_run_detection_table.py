"""tools/run_detection_table.py, as a user runs it, and its parts."""

import fcntl
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tiny_detector import write_detector, write_start
from tiny_run import ROOT

if find_spec('mmdet') is None or find_spec('mmcv._ext') is None:
    pytest.skip(
        'needs mmdet and the compiled ops of mmcv: make test installs them',
        allow_module_level=True,
    )

TOOL = 'run_detection_table.py'
MAX_ITERS = 24
NUM_IMAGES = 2
BATCH_SIZE = 2
OPTIONS = [
    '--cfg-options', f'train_cfg.max_iters={MAX_ITERS}',
    f'train_cfg.val_interval={MAX_ITERS}',
    'default_hooks.checkpoint.interval=4',
]  # fmt: skip


@pytest.fixture
def parts(monkeypatch):
    """A module below tools/ by its name."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    return importlib.import_module


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """With ``detector.py``, its data, and a checkpoint to start from."""
    folder = tmp_path_factory.mktemp('table')
    write_detector(folder)
    write_start(folder / 'npid.pth')
    return folder


@pytest.fixture(scope='module')
def cells(folder):
    """A JSON file with two cells: random weights, and NPID's."""
    path = folder / 'cells.json'
    config = str(folder / 'detector.py')
    entries = [
        dict(name='random', config=config, checkpoint='none'),
        dict(
            name='npid',
            config=config,
            checkpoint=str(folder / 'npid.pth'),
            published='Instance/R50-Faster',
        ),
    ]
    path.write_text(json.dumps(entries))
    return path


def kill_in_the_second_run(command, out):
    """Start the tool; kill it and its training with the first run done."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / 'tools' / TOOL), *map(str, command)],
        cwd=ROOT,
        env={
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'OMP_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 240
        while not (out / 'npid' / 'seed3' / 'last_checkpoint').is_file():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope='module')
def finished(folder, cells, run_tool):
    """Folder of a table that was killed once, and what stood there then."""
    out = folder / 'out'
    command = [
        cells, '--seeds', 3, 5, '--out', out, '--save', out / 'voc07.json',
        '--title', 'Two starts', *OPTIONS,
    ]  # fmt: skip
    kill_in_the_second_run(command, out)
    first = out / 'random' / 'seed3'
    cut = (out / 'npid' / 'seed3' / 'last_checkpoint').read_text().strip()
    before = dict(
        cut=Path(cut),
        unfinished=not (out / 'npid' / 'seed3' / 'result.json').exists(),
        written=(first / f'iter_{MAX_ITERS}.pth').stat().st_mtime_ns,
    )
    done = run_tool(TOOL, *command)
    assert done.returncode == 0, done.stderr
    return out, before, done.stdout


def read_results(out):
    return json.loads((out / 'results.json').read_text())


def test_table__a_killed_run_goes_on_and_a_finished_one_is_kept(finished):
    out, before, _ = finished
    first = out / 'random' / 'seed3' / f'iter_{MAX_ITERS}.pth'
    assert first.stat().st_mtime_ns == before['written']
    assert before['unfinished']
    assert before['cut'].stem != f'iter_{MAX_ITERS}'
    log = (out / 'npid' / 'seed3' / 'train.log').read_text()
    assert f'Resuming from {before["cut"]}' in log
    runs = {(r['cell'], r['seed']): r for r in read_results(out)['runs']}
    assert list(runs) == [
        ('random', 3), ('npid', 3), ('random', 5), ('npid', 5),
    ]  # fmt: skip
    # The time of the part that was killed is not known.
    assert runs['npid', 3]['seconds'] is None
    assert runs['npid', 5]['seconds'] > 0
    for run in runs.values():
        assert {'mmdet', 'torch', 'mmcv'} <= run['versions'].keys()
        assert run['commit']


def test_table__mean_and_spread(finished):
    out, _, stdout = finished
    results = read_results(out)
    page = (out / 'table.md').read_text()
    for cell in results['cells']:
        own = [r for r in results['runs'] if r['cell'] == cell['name']]
        assert cell['runs'] == len(own) == 2
        (row,) = re.findall(rf'^\| {cell["name"]} \|.*$', page, re.M)
        columns = [word.strip() for word in row.strip('|').split('|')]
        for index, metric in ((3, 'voc07'), (4, 'area')):
            values = [r[metric] for r in own]
            mean, std = np.mean(values), np.std(values, ddof=1)
            np.testing.assert_allclose(
                [cell[metric]['mean'], cell[metric]['std']], [mean, std]
            )
            assert columns[index] == f'{mean:.1f} ± {std:.1f}'
    assert [c['supplement'] for c in results['cells']] == [None, 65.4]
    assert '| 65.4 |' in page and 'pascal_voc_evaluation.py' in page
    assert 'AP50, 11 points' in page and 'AP50, area' in page
    assert 'VOC2007 detection' in stdout


def test_table__scores_are_those_of_the_last_validation(finished):
    out, _, _ = finished
    for run in read_results(out)['runs']:
        folder = out / run['cell'] / f'seed{run["seed"]}'
        # The console shows four digits of what the metric gave.
        shown = re.findall(
            r'voc07/mAP: (\S+) .*area/mAP: (\S+)',
            (folder / 'train.log').read_text(),
        )
        last = [float(value) for value in shown[-1]]
        assert last == pytest.approx(
            [run['voc07'] / 100, run['area'] / 100], abs=6e-5
        )
        assert not (folder / 'metrics.json').exists()


def test_table__saves_what_results_are_drawn_from(finished, parts, folder):
    out, _, _ = finished
    saved = parts('drawing.reading').read_results(out / 'voc07.json')
    assert (saved.kind, saved.head['title']) == ('detectors', 'Two starts')
    assert saved.head['detector'] == dict(
        images=NUM_IMAGES, test_images=NUM_IMAGES, batch_size=BATCH_SIZE,
        iterations=MAX_ITERS,
    )  # fmt: skip
    assert '--title' in saved.head['command']
    expected = read_results(out)['runs']
    assert [run['name'] for run in saved.runs] == [r['cell'] for r in expected]
    for run, result in zip(saved.runs, expected):
        for key in ('seed', 'voc07', 'area', 'commit', 'checkpoint'):
            assert run[key] == result[key]
    assert [run.get('supplement') for run in saved.runs[:2]] == [None, 65.4]


def test_table__saves_over_no_other_run(finished, cells, run_tool):
    out, _, _ = finished
    before = (out / 'voc07.json').read_bytes()
    done = run_tool(
        TOOL, cells, '--seeds', 3, '--out', out, '--save', out / 'voc07.json',
        *OPTIONS,
    )  # fmt: skip
    assert done.returncode == 1
    assert 'has 2 runs that this command would lose' in done.stderr
    assert (out / 'voc07.json').read_bytes() == before


def test_table__goes_on_with_a_file_of_more_runs(
    finished, cells, run_tool, tmp_path
):
    out, _, _ = finished
    before = json.loads((out / 'voc07.json').read_text())
    path = tmp_path / 'saved.json'
    path.write_text(json.dumps(before))
    done = run_tool(
        TOOL, cells, '--seeds', 3, '--out', out, '--save', path, '--keep',
        *OPTIONS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    after = json.loads(path.read_text())
    assert after['runs'] == before['runs']
    assert [len(run['config_sha256']) for run in after['runs']] == [64] * 4


def test_table__title_without_a_file(cells, tmp_path, run_tool):
    done = run_tool(TOOL, cells, '--out', tmp_path, '--title', 'None')
    assert done.returncode == 1
    assert 'name that with --save' in done.stderr


def test_table__a_lost_validation_is_made_up_for(
    folder, cells, finished, run_tool
):
    out, _, _ = finished
    run = out / 'npid' / 'seed5'
    result = json.loads((run / 'result.json').read_text())
    (run / 'result.json').unlink()
    for path in run.glob('*/vis_data/scalars.json'):
        path.unlink()
    written = (run / f'iter_{MAX_ITERS}.pth').stat().st_mtime_ns
    done = run_tool(TOOL, cells, '--seeds', 3, 5, '--out', out, *OPTIONS)
    assert done.returncode == 0, done.stderr
    again = json.loads((run / 'result.json').read_text())
    for metric in ('voc07', 'area'):
        assert again[metric] == pytest.approx(result[metric], abs=1e-4)
    assert (run / f'iter_{MAX_ITERS}.pth').stat().st_mtime_ns == written


def test_table__a_finished_run_of_other_settings_is_refused(
    folder, cells, finished, run_tool
):
    out, _, _ = finished
    before = (out / 'results.json').read_bytes()
    done = run_tool(
        TOOL, cells, '--seeds', 3, '--out', out, *OPTIONS,
        'optim_wrapper.optimizer.lr=0.5',
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f'{out}/random/seed3 holds a run of other settings' in last
    assert 'config sha256' in last
    assert (out / 'results.json').read_bytes() == before


def test_table__nothing_begins_where_a_cell_does_not_fit(
    folder, cells, run_tool
):
    deep = write_start(folder / 'deep.pth', depth=34)
    cell = f'deep={folder}/detector.py:{deep}:ISL/R50-Faster'
    out = folder / 'refused'
    done = run_tool(TOOL, cells, '--cell', cell, '--out', out)
    assert done.returncode == 1
    lines = [x for x in done.stderr.splitlines() if x.startswith('  - ')]
    names = [line.removeprefix('  - deep: ') for line in lines]
    assert [name.partition(':')[0] for name in names] == [
        'architecture',
        'backbone',
    ]
    assert not out.exists()


def test_table__a_failed_run_leaves_the_others(folder, run_tool):
    broken = folder / 'broken.py'
    broken.write_text(
        "_base_ = 'detector.py'\noptim_wrapper = dict(optimizer=dict(lr=1e30))"
        '\n'
    )
    out = folder / 'failed'
    done = run_tool(
        TOOL, '--cell', f'broken={broken}:none', '--cell',
        f'whole={folder}/detector.py:none', '--seeds', 3, '--out', out,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert '1 of 2 runs failed: broken (seed 3); see ' in last
    page = (out / 'table.md').read_text()
    assert re.search(
        r'^\| broken \| none \| not run \| - \| - \| -', page, re.M
    )
    assert [r['cell'] for r in read_results(out)['runs']] == ['whole']


def test_run_timed__two_trainings_in_one_folder(parts, tmp_path):
    runs = importlib.import_module('comparison.runs')
    run = runs.Run(Path('c.py'), 3, tmp_path)
    with open(tmp_path / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RuntimeError, match=f'{tmp_path} is in use'):
            runs.run_timed(run, ['false'], threads=1)
    seconds, status = runs.run_timed(run, ['false'], threads=1)
    assert status == 1 and seconds >= 0


def test_run_timed__a_training_keeps_its_folder(parts, tmp_path):
    runs = importlib.import_module('comparison.runs')
    run = runs.Run(Path('c.py'), 3, tmp_path)
    # What it starts in the background outlives it, as a killed tool's does.
    command = ['sh', '-c', 'sleep 60 >/dev/null 2>&1 & echo $!']
    runs.run_timed(run, command, threads=1)
    child = int(run.log.read_text())
    with pytest.raises(RuntimeError, match='still runs there'):
        runs.run_timed(run, ['true'], threads=1)
    os.kill(child, signal.SIGKILL)


def test_published__is_the_supplements_table(parts):
    module = parts('detection_table.published')
    numbers = [
        value
        for row in module.SUPPLEMENT.values()
        for value in row
        if value is not None
    ]
    assert len(module.SUPPLEMENT) == 8 and len(numbers) == 15
    assert module.published('MoCo-v2+ISL/R50-Faster') == 77.6
    assert module.published('ISL/AlexNet-Fast') == 56.6
    assert module.published('LA/AlexNet-Fast') is None
    with pytest.raises(ValueError, match="got 'ISL/R101', allowed is ROW/COL"):
        module.published('ISL/R101')


@pytest.mark.parametrize(
    'cell, words',
    [
        ('npid', 'allowed is NAME=CONFIG:CHECKPOINT'),
        ('a/b={config}:none', 'the name of a cell names a folder: got'),
        ('..={config}:none', 'no dot first'),
        ('npid=nowhere.py:none', 'cell npid: config nowhere.py does not exi'),
        ('npid={config}:nowhere.pth', 'checkpoint nowhere.pth does not exis'),
        ('npid={config}:{config}', 'is no whole checkpoint'),
        ('npid={config}:none:ISL/R101', "cell npid: published: got 'ISL/R10"),
    ],
)
def test_read_cells__slips(parts, folder, cell, words):
    cells = parts('detection_table.cells')
    config = folder / 'detector.py'
    with pytest.raises(ValueError, match=re.escape(words)):
        cells.read_cells(None, [cell.format(config=config)])


def test_read_cells__none_and_twice(parts, cells, folder):
    read_cells = parts('detection_table.cells').read_cells
    with pytest.raises(ValueError, match='no cells; give CELLS.json'):
        read_cells(None, [])
    again = f'npid={folder}/detector.py:none'
    with pytest.raises(ValueError, match='got npid more than once'):
        read_cells(cells, [again])


@pytest.mark.parametrize(
    'text, words',
    [
        ('{', 'cannot be read'),
        ('{}', 'must hold a list of objects with name, config and checkpoint'),
        ('[{"name": "a", "config": "c.py"}]', 'must hold a list of objects'),
        (
            '[{"name": "a", "config": "c.py", "checkpoint": "x", "lr": 1}]',
            'must hold a list of objects',
        ),
        (
            '[{"name": "a", "config": 3, "checkpoint": "none"}]',
            "config of cell 'a' must be a text, got 3",
        ),
    ],
)
def test_read_cells__slips_of_the_file(parts, tmp_path, text, words):
    path = tmp_path / 'cells.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        parts('detection_table.cells').read_cells(path, [])


@pytest.mark.parametrize(
    'change',
    [
        dict(prefix='pascal_voc'),
        dict(eval_mode='area'),
        dict(iou_thrs=[0.5, 0.75]),
        dict(metric='recall'),
    ],
)
def test_check_metrics__both_rules_are_needed(parts, change):
    scores = parts('detection_table.scores')
    good = [
        dict(type='VOCMetric', prefix='voc07'),
        dict(type='VOCMetric', prefix='area', eval_mode='area'),
    ]
    scores.check_metrics(dict(val_evaluator=good, test_evaluator=good), 'c')
    bad = [good[0] | change, good[1]]
    with pytest.raises(ValueError, match='c: test_evaluator must have mAP at'):
        scores.check_metrics(dict(val_evaluator=good, test_evaluator=bad), 'c')


@pytest.mark.parametrize(
    'args, words',
    [
        (['--launcher-gpus', '0'], '--launcher-gpus must be at least 1'),
        (['--seeds', '1', '1'], 'each of --seeds is a run of its own'),
    ],
)
def test_arguments_out_of_range(run_tool, args, words, tmp_path):
    done = run_tool(TOOL, '--out', tmp_path / 'out', *args)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]
