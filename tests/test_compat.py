import subprocess
import sys
from importlib.util import find_spec

import pytest


def printed_by(module):
    code = f'import {module}'
    return subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_import_mmpretrain_datasets__is_quiet():
    assert 'OneDL' not in printed_by('mmisl.datasets')


def test_import_mmpretrain_datasets__is_still_needed():
    # When this fails, mmpretrain was mended: take the workaround out.
    assert 'Could not import OneDL' in printed_by('mmpretrain.datasets')


# As where mmcv has no compiled ops.
WITHOUT_OPS = (
    "import sys; sys.modules['mmcv.ops.multi_scale_deform_attn'] = None; "
)


def warned_by(module):
    return subprocess.run(
        [sys.executable, '-c', f'{WITHOUT_OPS}import {module}'],
        capture_output=True,
        text=True,
        check=True,
    ).stderr


def test_import_mmpretrain_models__does_not_warn_of_ops():
    assert 'MultiScaleDeformableAttention' not in warned_by('mmisl.models')


def test_import_mmpretrain_models__is_still_needed():
    # When this fails, mmcv was mended: take the workaround out.
    module = 'mmcv.cnn.bricks.transformer'
    assert 'MultiScaleDeformableAttention' in warned_by(module)


def said_by(module):
    """Both outputs of a program that imports a module."""
    done = subprocess.run(
        [sys.executable, '-c', f'import {module}'],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


needs_ops = pytest.mark.skipif(
    find_spec('mmdet') is None or find_spec('mmcv._ext') is None,
    reason='needs mmdet and the compiled ops of mmcv: make test installs them',
)


@needs_ops
def test_import_mmdet__is_quiet():
    said = said_by('mmisl.detection')
    assert 'OneDL' not in said
    assert 'faster_coco_eval' not in said


@needs_ops
def test_import_mmdet__is_still_needed():
    # When this fails, mmdet was mended: take the workaround out.
    said = said_by('mmdet.datasets, mmdet.evaluation')
    assert 'Could not import OneDL' in said
    assert 'faster_coco_eval is not installed' in said
