"""tools/train.py and test.py with a detector on VOC's layout."""

import importlib
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from PIL import Image
from voc_sets import FAULTS, SIZES, SPLITS, Thing, write_voc, write_xml

pytestmark = pytest.mark.skipif(
    find_spec('mmdet') is None or find_spec('mmcv._ext') is None,
    reason='needs mmdet and the compiled ops of mmcv: make test installs them',
)
ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
_base_ = {base!r}
data_root = {data!r}
work_dir = {work_dir!r}
small = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs'),
]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=small),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=small),
)
test_dataloader = val_dataloader
del small
model = dict(
    init_cfg=None,
    test_cfg=dict(
        rpn=dict(nms_pre=50, max_per_img=20),
        rcnn=dict(score_thr=0.0),
    ),
)
custom_hooks = []
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
"""


@pytest.fixture
def config(tmp_path):
    """A small detector on a small set; gives the path of its config."""
    write_voc(tmp_path)
    base = ROOT / 'configs' / 'detection' / 'faster-rcnn_r18-c4_voc07.py'
    path = tmp_path / 'detector.py'
    path.write_text(
        CONFIG.format(
            base=str(base),
            data=f'{tmp_path}/VOCdevkit/',
            work_dir=f'{tmp_path}/work',
        )
    )
    return path


@pytest.fixture
def fail(monkeypatch, capfd):
    """Run a tool in this process; gives its one line of an error."""
    monkeypatch.syspath_prepend(ROOT / 'tools')

    def run(name, *args):
        tool = importlib.import_module(name)
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
        with pytest.raises(SystemExit) as stopped:
            tool.run_tool(getattr(tool, name), tool.parse_args())
        assert stopped.value.code == 1
        captured = capfd.readouterr()
        assert 'Iter(train)' not in captured.out
        lines = captured.err.splitlines()
        (line,) = [line for line in lines if line.startswith('error')]
        return line

    return run


@pytest.mark.parametrize('fault', FAULTS)
def test_train__fault_is_one_line(fault, config, fail, tmp_path):
    FAULTS[fault][0](tmp_path)
    line = fail('train', config)
    assert re.search(FAULTS[fault][2].removeprefix('^').rstrip('$'), line)
    assert not list(tmp_path.glob('work/*.pth'))


def test_train__fault_of_the_test_split_is_seen_first(config, fail, tmp_path):
    write_xml(tmp_path, '000002', [Thing('cat', (2, 2, 34, 20))])
    line = fail('train', config)
    assert re.search(r'000002\.xml, object 1 \(cat\): .*in \[1, 33\]', line)


def test_train__says_so_as_a_program(config, run_tool, tmp_path):
    FAULTS['torn XML'][0](tmp_path)
    done = run_tool('train.py', config)
    assert done.returncode == 1
    errors = [x for x in done.stderr.splitlines() if x.startswith('error')]
    assert len(errors) == 1
    assert re.search(FAULTS['torn XML'][2], errors[0])
    assert 'Traceback' not in done.stderr


@pytest.fixture
def checkpoint(config, tmp_path):
    """Random weights of the detector."""
    cfg = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    path = tmp_path / 'random.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path


def test_test__draws_and_measures(config, checkpoint, run_tool, tmp_path):
    folder, out = tmp_path / 'pictures', tmp_path / 'metrics.json'
    done = run_tool(
        'test.py', config, checkpoint, '--out', out,
        '--draw', folder, '--draw-images', 1, '--draw-score', 0,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f'Pictures of detections are in {folder}' in done.stdout
    (picture,) = folder.iterdir()
    name = SPLITS['test'][0]
    assert picture.name == f'{name}_found.jpg'
    with Image.open(picture) as image:
        # The truth and the detections, side by side.
        assert image.size == (2 * SIZES[name][0], SIZES[name][1])
    metrics = json.loads(out.read_text())
    assert 0 <= metrics['voc07/mAP'] <= 1
    assert f'voc07/mAP: {metrics["voc07/mAP"]:.4f}' in done.stdout


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['--draw-images', 0], r'--draw-images \(0\) must be at least 1'),
        (
            ['--draw', __file__],
            r'--draw \(.*\) must be a folder, and is a fil',
        ),
    ],
)
def test_test__drawing_is_refused(
    arguments, words, config, checkpoint, fail, tmp_path
):
    line = fail('test', config, checkpoint, '--draw', tmp_path, *arguments)
    assert re.match(f'error: {words}', line)


def test_test__nothing_to_draw(tiny, checkpoint, fail):
    line = fail('test', tiny / 'tiny.py', checkpoint, '--draw', 'a')
    assert line.startswith('error: --draw is for detectors of mmdet; ')
