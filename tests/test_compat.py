import subprocess
import sys


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
