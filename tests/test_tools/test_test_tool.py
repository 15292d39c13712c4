"""tools/test.py and extract_features.py, as a user runs them."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def test_test__metrics_are_written(tiny, run_tool, trained):
    out = tiny / 'out' / 'metrics.json'
    done = run_tool(
        'test.py', tiny / 'tiny.py', trained[0] / 'epoch_2.pth',
        '--work-dir', tiny / 'test', '--out', out, fresh=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    metrics = json.loads(out.read_text())
    assert set(metrics) == {
        f'knn/{gallery}_top{k}'
        for gallery in ('bank', 'recomputed')
        for k in (1, 5)
    }
    top1 = metrics['knn/recomputed_top1']
    # The last line of the training log says the same of this checkpoint.
    assert f'knn/recomputed_top1: {top1:.4f}' in trained[1]


def test_test__missing_checkpoint(tiny, run_tool):
    done = run_tool('test.py', tiny / 'tiny.py', 'gone.pth')
    assert done.returncode == 1
    assert 'error: checkpoint gone.pth does not exist\n' in done.stderr


def extract(tiny, run_tool, trained, *args, fresh=False):
    out = tiny / 'features.npz'
    done = run_tool(
        'extract_features.py', tiny / 'tiny.py',
        trained[0] / 'epoch_2.pth', out, *args, fresh=fresh,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(out) as arrays:
        return dict(arrays)


def test_extract_features__train(tiny, run_tool, trained):
    arrays = extract(tiny, run_tool, trained, fresh=True)
    assert arrays['features'].shape == (22, 6)
    assert arrays['features'].dtype == np.float32
    np.testing.assert_allclose(
        np.linalg.norm(arrays['features'], axis=1), 1, rtol=1e-5
    )
    np.testing.assert_array_equal(arrays['sample_idx'], np.arange(22))
    assert arrays['labels'].dtype == np.int64
    for path, label in zip(arrays['paths'], arrays['labels'], strict=True):
        assert f'class{label}/' in path


@pytest.fixture
def val(tiny, run_tool, trained):
    return extract(tiny, run_tool, trained, '--split', 'val')


def test_extract_features__own_folder_is_the_val_split(
    tiny, run_tool, trained, val
):
    own = extract(tiny, run_tool, trained, '--data-root', tiny / 'val')
    assert val['features'].shape == (9, 6)
    np.testing.assert_array_equal(own['features'], val['features'])
    np.testing.assert_array_equal(own['paths'], val['paths'])
    np.testing.assert_array_equal(own['labels'], np.full(9, -1))
    assert set(val['labels']) == {0, 1, 2}


def test_extract_features__backbone(tiny, run_tool, trained):
    arrays = extract(tiny, run_tool, trained, '--stage', 'backbone')
    assert arrays['features'].shape == (22, 32)


def test_extract_features__out_is_no_npz(tiny, run_tool, trained):
    checkpoint = trained[0] / 'epoch_2.pth'
    done = run_tool(
        'extract_features.py', tiny / 'tiny.py', checkpoint, 'a.npy'
    )
    assert done.returncode == 1
    assert 'error: OUT (a.npy) must end with .npz\n' in done.stderr


def test_extract_features__folder_is_missing(tiny, run_tool, trained):
    done = run_tool(
        'extract_features.py', tiny / 'tiny.py', trained[0] / 'epoch_2.pth',
        'a.npz', '--data-root', tiny / 'gone',
    )  # fmt: skip
    assert done.returncode == 1
    assert f'error: {tiny / "gone"} is no folder\n' in done.stderr


def test_print_config__with_overrides(tiny, run_tool):
    done = run_tool(
        'print_config.py', tiny / 'tiny.py',
        '--cfg-options', 'model.head.temperature=0.25', fresh=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'temperature=0.25' in done.stdout
    assert "type='AtomicCheckpointHook'" in done.stdout  # inherited


@pytest.mark.parametrize(
    'numbers, is_short',
    [
        (list(range(3, 200, 7)), True),
        (list(range(20)), True),
        (list(range(19)), False),
        ([*range(30), 31], False),
        (list(range(30, 0, -1)), False),
        ([4] * 25, False),
    ],
)
def test_print_config__evenly_spaced_numbers(monkeypatch, numbers, is_short):
    monkeypatch.syspath_prepend(TOOLS)
    tool = importlib.import_module('print_config')
    cfg = Config(dict(a=dict(indices=numbers, sizes=[0.5] * 30), b=[1, 2]))
    text = tool.with_ranges(cfg.pretty_text)
    assert Config.fromstring(text, '.py').to_dict() == cfg.to_dict()
    assert ('indices=list(range(' in text) == is_short
