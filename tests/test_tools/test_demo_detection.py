"""tools/demo_detection.py, on few scenes and short, and its parts."""

import importlib
import io
import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image
from rich.console import Console

from mmisl.registry import MODELS
from mmisl.weights import META_KEY, preprocessing_of

ROOT = Path(__file__).resolve().parents[2]
TITLES = ['ISL', 'NPID', 'random weights']
SHORT = [
    'train_cfg.max_epochs=1',
    'train_dataloader.dataset.indices=4',
    'val_dataloader.dataset.indices=2',
    'test_dataloader.dataset.indices=2',
]

needs_mmdet = pytest.mark.skipif(
    find_spec('mmdet') is None or find_spec('mmcv._ext') is None,
    reason='needs mmdet and the compiled ops of mmcv: make test installs them',
)


@pytest.fixture(scope='module')
def chains():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools')
        yield importlib.import_module('detection_demo.chains')


@pytest.fixture(scope='module')
def starts(chains):
    return importlib.import_module('detection_demo.starts')


def pretrain(work_dir, name, config):
    """A finished pretraining: a backbone at random, in its last epoch."""
    cfg = Config.fromfile(ROOT / 'configs' / config)
    with DefaultScope.overwrite_default_scope('mmisl'):
        backbone = MODELS.build(cfg.model.backbone)
        meta = {META_KEY: preprocessing_of(cfg).to_meta()}
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    path = work_dir / 'pretrain' / name / 'epoch_52.pth'
    path.parent.mkdir(parents=True)
    torch.save(dict(state_dict=state, meta=meta), path)
    (path.parent / 'last_checkpoint').write_text(str(path))
    return path


@pytest.fixture(scope='module')
def demo(tmp_path_factory, run_tool):
    """Run the demo in a folder of its own; its work dir, and what it said."""
    folder = tmp_path_factory.mktemp('demo')
    work_dir = folder / 'runs'
    pretrain(work_dir, 'isl', 'demo.py')
    pretrain(work_dir, 'npid', 'demo_npid.py')

    def run():
        done = run_tool(
            'demo_detection.py',
            '--work-dir', work_dir,
            '--cfg-options', *SHORT,
            cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return work_dir, run


@needs_mmdet
def test_demo_detection__trains_once_and_shows_it(demo):
    work_dir, run = demo
    text = run()
    assert [title in text for title in TITLES] == [True] * 3
    results = json.loads((work_dir / 'metrics.json').read_text())
    assert [row['start'] for row in results['table']] == TITLES
    assert all(0 <= row['voc07_11_points'] <= 100 for row in results['table'])
    with Image.open(work_dir / 'detections.png') as img:
        # Two scenes wide, and a row of true objects above those of the starts.
        assert img.height == 2 * img.width

    logs = {
        name: (work_dir / 'finetune' / name / 'train.log').read_text()
        for name in ('isl', 'npid', 'random')
    }
    for name in ('isl', 'npid'):
        loaded = f'has the weights of {work_dir}/pretrain/{name}/epoch_52.pth'
        assert loaded in logs[name]
    assert 'has the weights of' not in logs['random']

    # What is lost is trained anew, nothing else, and ends the same.
    checkpoints = {
        name: work_dir / 'finetune' / name / 'epoch_1.pth' for name in logs
    }
    before = {name: path.stat() for name, path in checkpoints.items()}
    (work_dir / 'finetune' / 'random' / 'last_checkpoint').unlink()
    checkpoints['random'].unlink()
    assert 'detector from random weights: trained' in run()
    after = {name: path.stat() for name, path in checkpoints.items()}
    assert before['isl'].st_mtime_ns == after['isl'].st_mtime_ns
    assert before['npid'].st_mtime_ns == after['npid'].st_mtime_ns
    again = json.loads((work_dir / 'metrics.json').read_text())
    for row, earlier in zip(again['table'], results['table'], strict=True):
        assert row['voc_area'] == earlier['voc_area']


def test_starts__differ_in_the_checkpoint_alone(starts):
    work_dir = Path('work')
    found = [
        start.chain(work_dir, 7, {'train_cfg.max_epochs': 7})
        for start in starts.STARTS
    ]
    detectors = [chain[-1] for chain in found]
    assert {job.run.config for job in detectors} == {starts.DETECTOR}
    assert {job.num_epochs for job in detectors} == {7}
    assert len({job.run.seed for job in detectors}) == 1
    assert [job.options for job in detectors] == [
        {
            'train_cfg.max_epochs': 7,
            'model.init_cfg.checkpoint': 'work/pretrain/isl/epoch_52.pth',
        },
        {
            'train_cfg.max_epochs': 7,
            'model.init_cfg.checkpoint': 'work/pretrain/npid/epoch_52.pth',
        },
        {'train_cfg.max_epochs': 7, 'model.init_cfg': None},
    ]
    # As many epochs of pretraining for both, and none for random weights.
    assert [[job.num_epochs for job in chain[:-1]] for chain in found] == [
        [52], [52], [],
    ]  # fmt: skip


def make_job(chains, folder, name):
    runs = importlib.import_module('comparison.runs')
    return chains.Job(name, runs.Run(Path('config.py'), 1, folder / name), 3)


@pytest.fixture
def trained(chains, monkeypatch):
    """Titles of jobs in the order of training; 'bad...' fail."""
    order = []

    def train(run, num_epochs, *, options, jobs):
        order.append(run.folder.name)
        if run.folder.name.startswith('bad'):
            return 1.0, 1
        run.folder.mkdir(parents=True)
        (run.folder / 'last_checkpoint').write_text(f'epoch_{num_epochs}.pth')
        return 2.5, 0

    monkeypatch.setattr(chains, 'train_one', train)
    return order


def test_train_chains__one_after_the_other(chains, trained, tmp_path):
    a, b, c = (make_job(chains, tmp_path, name) for name in 'abc')
    text = io.StringIO()
    seconds = chains.train_chains(
        [[a, b], [c]], jobs=1, console=Console(file=text)
    )
    assert trained == ['a', 'b', 'c']
    assert seconds == {a.run: 2.5, b.run: 2.5, c.run: 2.5}
    assert sorted(text.getvalue().split()) == sorted(
        'a: trained b: trained c: trained'.split()
    )


def test_train_chains__failure_stops_its_chain_only(chains, trained, tmp_path):
    bad, never, good = (
        make_job(chains, tmp_path, name) for name in ('bad', 'never', 'good')
    )
    with pytest.raises(RuntimeError) as caught:
        chains.train_chains(
            [[bad, never], [good]], jobs=1, console=Console(file=io.StringIO())
        )
    assert trained == ['bad', 'good']
    assert str(caught.value) == (
        f'bad failed; see {tmp_path}/bad/train.log, then give the same '
        'command again: what is finished is kept'
    )
