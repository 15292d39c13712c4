import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from mmengine.visualization import Visualizer

from mmisl.compat import make_image_folder


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


PICTURE = 'group/name'


def add_image(folder, work_round):
    """Path of an image with a slash in its name, written or not."""
    visualizer = Visualizer(
        vis_backends=[dict(type='LocalVisBackend')], save_dir=str(folder)
    )
    work_round(visualizer)
    visualizer.add_image(PICTURE, np.zeros((2, 2, 3), np.uint8), step=3)
    return folder / 'vis_data' / 'vis_image' / 'group' / 'name_3.png'


def test_make_image_folder__the_image_is_written(tmp_path):
    path = add_image(
        tmp_path,
        lambda visualizer: make_image_folder(visualizer, 'group/name'),
    )
    assert path.is_file()


def test_make_image_folder__is_still_needed(tmp_path):
    # When this fails, mmengine was mended: take the workaround out.
    assert not add_image(tmp_path, lambda v: None).exists()
