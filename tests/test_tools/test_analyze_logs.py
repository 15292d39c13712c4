"""tools/analyze_logs.py on work dirs written by hand."""

import importlib
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from PIL import Image

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def write_start(work_dir, name, records, *, world_size=1, batch_size=10):
    folder = work_dir / name / 'vis_data'
    folder.mkdir(parents=True)
    lines = ''.join(json.dumps(record) + '\n' for record in records)
    (folder / 'scalars.json').write_text(lines)
    (folder / 'config.py').write_text(
        f'train_dataloader = dict(batch_size={batch_size})\n'
        'train_cfg = dict(max_rounds=2, encoder=dict(max_epochs=2))\n'
    )
    record = dict(world_size=world_size)
    (work_dir / name / 'run.json').write_text(json.dumps(record))


def trained(epoch, iteration, loss, time=0.5, data_time=0.1):
    return dict(
        loss=loss,
        time=time,
        data_time=data_time,
        epoch=epoch,
        iter=iteration,
        step=iteration,
    )


@pytest.fixture
def runs(tmp_path):
    """A run that was killed and resumed, and one that died early."""
    long = tmp_path / 'runs' / 'a [bold]long one'
    write_start(
        long,
        '20260101_000000',
        [
            trained(1, 5, 4.0),
            trained(1, 10, 2.0, time=9.0),  # a pause
            {'stage/encoder_seconds': 7.0, 'stage/round': 0, 'step': 1},
            {'knn/bank_top1': 40.0, 'step': 1},
            trained(2, 15, 100.0),  # lost, and trained again
        ],
    )
    write_start(
        long,
        '20260101_000100',
        [
            trained(2, 15, 1.0),
            trained(2, 20, 2.0),
            {'stage/encoder_seconds': 8.0, 'stage/round': 0, 'step': 2},
            {'stage/mining_seconds': 2.5, 'stage/round': 0, 'step': 2},
            {'knn/bank_top1': 60.0, 'step': 2},
        ],
        world_size=4,
    )
    short = tmp_path / 'runs' / 'short'
    write_start(short, '20260102_000000', [trained(1, 5, 3.0, time=0.25)])
    return long, short


@pytest.fixture
def analyze(monkeypatch, capsys):
    """The tool with a command line: what it prints, and what as an error."""
    monkeypatch.syspath_prepend(TOOLS)
    common = importlib.import_module('common')
    tool = importlib.import_module('analyze_logs')

    def run(*words, status=0):
        monkeypatch.setattr(sys, 'argv', ['tool', *map(str, words)])
        ends = pytest.raises(SystemExit) if status else nullcontext()
        with ends as ended:
            common.run_tool(tool.analyze, tool.parse_args())
        assert not status or ended.value.code == status
        return capsys.readouterr()

    return run


def test_analyze__two_runs(analyze, runs, tmp_path):
    out = tmp_path / 'out'
    printed = analyze(*runs, '--out', out).out
    summary = json.loads((out / 'summary.json').read_text())
    long, short = (summary['runs'][run.name] for run in runs)
    # What was trained twice counts once: (4 + 2) / 2 and (1 + 2) / 2.
    assert summary['curves']['loss'] == {
        'a [bold]long one': {'1.0': 3.0, '2.0': 1.5},
        'short': {'1.0': 3.0},
    }
    assert long['last'] == {'loss': 1.5, 'knn/bank_top1': 60.0}
    assert short['last'] == {'loss': 3.0}
    # The median leaves the pause out, the share of waiting does not.
    assert long['speed']['seconds_per_iteration'] == 0.5
    assert long['speed']['images_per_second'] == 4 * 10 / 0.5
    assert long['speed']['data_share'] == pytest.approx(0.4 / 10.5)
    assert short['speed']['images_per_second'] == 40.0
    assert long['stages'] == {
        'encoder': dict(seconds=15.0, count=2),
        'mining': dict(seconds=2.5, count=1),
    }
    assert short['stages'] == {}
    for text in ('a [bold]long one', '80.0', '15.0 in 2', 'stopped after'):
        assert text in printed
    with Image.open(out / 'curves.png') as picture:
        assert len(picture.convert('RGB').getcolors(1 << 24)) > 20


def test_analyze__writes_nothing_unless_asked(analyze, runs, tmp_path):
    before = sorted(tmp_path.rglob('*'))
    analyze(runs[1])
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize(
    'words, message',
    [
        (
            ['{short}', '--keys', 'loss', 'knn/top1'],
            "--keys: no run has logged 'knn/top1'; there are data_time, "
            'epoch, iter, loss, time',
        ),
        (
            ['{short}', '{short}'],
            '{short} is given twice; name different runs',
        ),
        (['{short}/gone'], 'there is no work dir {short}/gone'),
        (['{empty}'], '{empty}: nothing is logged yet'),
    ],
)
def test_analyze__one_line_for_bad_input(
    analyze, runs, tmp_path, words, message
):
    empty = tmp_path / 'empty'
    write_start(empty, '20260101_000000', [])
    places = dict(short=runs[1], empty=empty)
    error = analyze(*(w.format(**places) for w in words), status=1).err
    assert error == f'error: {message.format(**places)}\n'
