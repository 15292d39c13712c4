"""tools/demo_detection.py in this process, short, and its parts."""

import importlib
import io
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
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
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=1',
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


def save_as_last(folder, name, state, cfg):
    """A checkpoint of the last epoch of a finished run."""
    folder.mkdir(parents=True)
    meta = {META_KEY: preprocessing_of(cfg).to_meta()}
    torch.save(dict(state_dict=state, meta=meta), folder / name)
    (folder / 'last_checkpoint').write_text(str(folder / name))


def pretrain(folder, config):
    """A finished pretraining: a backbone at random."""
    cfg = Config.fromfile(ROOT / 'configs' / config)
    with DefaultScope.overwrite_default_scope('mmisl'):
        backbone = MODELS.build(cfg.model.backbone)
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    save_as_last(folder, 'epoch_52.pth', state, cfg)


def finetune(folder, config):
    """A finished detector: all of it at random."""
    cfg = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build({**cfg.model, '_scope_': 'mmdet'})
    save_as_last(folder, 'iter_2.pth', detector.state_dict(), cfg)


@needs_mmdet
def test_demo_detection__does_what_is_left(
    tmp_path, starts, monkeypatch, capsys
):
    work_dir = tmp_path / 'runs'
    pretrain(work_dir / 'pretrain' / 'isl', 'demo.py')
    pretrain(work_dir / 'pretrain' / 'npid', 'demo_npid.py')
    finetune(work_dir / 'finetune' / 'isl', starts.DETECTOR)
    finished = {path: path.read_bytes() for path in work_dir.rglob('*.pth')}
    assert len(finished) == 3
    tool = importlib.import_module('demo_detection')
    monkeypatch.chdir(tmp_path)  # where data/ goes
    words = ['--work-dir', str(work_dir), '--cfg-options', *SHORT]
    monkeypatch.setattr('sys.argv', ['demo_detection.py', *words])
    tool.demo(tool.parse_args())
    shown = capsys.readouterr().out
    assert [title in shown for title in TITLES] == [True] * 3
    table = json.loads((work_dir / 'metrics.json').read_text())['table']
    assert [row['start'] for row in table] == TITLES
    assert all(0 <= row['mAP_11_points'] <= 100 for row in table)
    # The last validation is what the test finds once more.
    assert [list(row['mAP_11_points_at']) for row in table] == [
        [], ['1', '2'], ['1', '2'],
    ]  # fmt: skip
    assert all(
        row['mAP_11_points_at']['2'] == row['mAP_11_points']
        for row in table[1:]
    )
    assert [row['finetuning_seconds'] > 0 for row in table] == [
        False, True, True,
    ]  # fmt: skip
    with Image.open(work_dir / 'detections.png') as img:
        # Two scenes wide, and a row of true objects above those of the starts.
        assert img.height == 2 * img.width

    assert {path: path.read_bytes() for path in finished} == finished
    logs = [
        (work_dir / 'finetune' / name / 'train.log').read_text()
        for name in ('npid', 'random')
    ]
    loaded = f'has the weights of {work_dir}/pretrain/npid/epoch_52.pth'
    assert [loaded in log for log in logs] == [True, False]
    assert 'begins with random weights' in logs[1]


@needs_mmdet
def test_draw_detections__truth_above_findings(starts, tmp_path):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    pictures = importlib.import_module('detection_demo.pictures')
    scoring = importlib.import_module('detection_demo.scoring')

    def boxes(*rows, **others):
        return InstanceData(
            bboxes=torch.tensor(rows, dtype=torch.float).reshape(-1, 4),
            labels=torch.tensor([row[0] % 2 for row in rows], dtype=int),
            **others,
        )

    # 20 pixels high and 30 wide; the second box leaves the image.
    sample = DetDataSample(metainfo=dict(ori_shape=(20, 30)))
    sample.gt_instances = boxes((3, 4, 13, 16))
    sample.ignored_instances = boxes((20, 2, 30, 18))
    sample.pred_instances = boxes(
        (4, 4, 14, 16), (8, 2, 18, 10), scores=torch.tensor([0.9, 0.2])
    )
    found = scoring.Findings(
        metrics={},
        images=[np.full((20, 30, 3), 128, np.uint8)],
        samples=[sample],
        metainfo=dict(
            classes=('even', 'odd'), palette=[(255, 0, 0), (0, 0, 255)]
        ),
    )
    visualizer = pictures.DetLocalVisualizer(line_width=2)
    visualizer.dataset_meta = found.metainfo
    (truth,) = pictures.draw_row(visualizer, found, truth=True)
    (findings,) = pictures.draw_row(visualizer, found, truth=False)
    assert truth.shape == findings.shape == (80, 120, 3)
    # In the middle of the lower edge of each box, and its colour.
    assert is_colour(truth[64, 32], (0, 0, 255))
    assert is_colour(truth[72, 100], (255, 0, 0))
    assert is_colour(findings[64, 36], (255, 0, 0))
    # Of a low score: not drawn.
    assert findings[40, 62].tolist() == [128] * 3

    path = pictures.draw_detections({'ISL': found}, tmp_path / 'a' / 'b.png')
    with Image.open(path) as img:
        assert img.height >= 2 * 80


def is_colour(pixel, wanted):
    """Drawn with an alpha of 0.8 over grey."""
    return np.abs(pixel - (0.8 * np.array(wanted) + 0.2 * 128)).max() < 40


def test_validation_curve__of_all_parts(chains, tmp_path):
    curve = importlib.import_module('detection_demo.curve')
    run = make_job(chains, tmp_path, 'isl').run
    # A part that was cut short, and one that did an iteration once more.
    for part, records in (
        ('20270101_000000', [dict(step=4, mAP=0.25), dict(step=8, mAP=0.5)]),
        ('20270102_000000', [dict(step=8, mAP=0.75), dict(step=9, loss=1.0)]),
        ('test/20270103_000000', [dict(step=9, mAP=1.0)]),
    ):
        path = run.folder / part / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text('\n'.join(map(json.dumps, records)))
    assert curve.validation_curve(run, 'mAP') == {4: 0.25, 8: 0.75}


def test_starts__differ_in_the_checkpoint_alone(starts):
    work_dir = Path('work')
    found = [
        start.chain(work_dir, 7, {'train_cfg.max_iters': 7})
        for start in starts.STARTS
    ]
    detectors = [chain[-1] for chain in found]
    assert {job.run.config for job in detectors} == {starts.DETECTOR}
    assert {job.length for job in detectors} == {7}
    assert len({job.run.seed for job in detectors}) == 1
    assert [job.options for job in detectors] == [
        {
            'train_cfg.max_iters': 7,
            'model.init_cfg.checkpoint': 'work/pretrain/isl/epoch_52.pth',
        },
        {
            'train_cfg.max_iters': 7,
            'model.init_cfg.checkpoint': 'work/pretrain/npid/epoch_52.pth',
        },
        {'train_cfg.max_iters': 7, 'model.init_cfg': None},
    ]
    # As many epochs of pretraining for both, and none for random weights.
    assert [[job.length for job in chain[:-1]] for chain in found] == [
        [52], [52], [],
    ]  # fmt: skip


def make_job(chains, folder, name):
    runs = importlib.import_module('comparison.runs')
    run = runs.Run(Path('config.py'), 1, folder / name)
    return chains.Job(name, run, 3, 'epoch')


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
