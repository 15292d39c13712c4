"""Errors of dependencies that are worked round, each in one place."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import warnings
from typing import Any


def import_mmpretrain_datasets() -> None:
    """Import ``mmpretrain.datasets`` without its line on stdout.

    mmpretrain 1.3.6 means to log at debug level that an optional package is
    missing, but prints ``Could not import OneDL`` into every program.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module('mmpretrain.datasets')


def import_mmpretrain_models() -> None:
    """Import ``mmpretrain.models`` without a warning about mmcv's ops.

    mmcv 2.3.6 without compiled ops, which is all that pretraining needs, warns
    of an attention layer that nothing here uses, and advises to install what
    is installed.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDef')
        importlib.import_module('mmpretrain.models')


def import_mmdet() -> None:
    """Import mmdet's registered parts without what it says of absent packages.

    mmdet 3.5.1 prints ``Could not import OneDL`` twice where it means to log
    at debug level, and warns that a metric of COCO, which nothing here uses,
    lacks its package.
    """
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings('ignore', 'faster_coco_eval is not installed')
        importlib.import_module('mmdet.datasets')
        importlib.import_module('mmdet.evaluation')


def make_image_folder(visualizer: Any, name: str) -> None:
    """Make the folder of an image whose name has a slash in it.

    TensorBoard groups by the part before the slash. ``LocalVisBackend`` of
    mmengine 0.10.12 takes it for a folder, does not make it, and writes
    nothing, without an error.

    Args:
        visualizer: Of a runner, a ``mmengine.visualization.Visualizer``.
        name (str): Of the image.
    """
    from mmengine.visualization import LocalVisBackend

    for backend in visualizer._vis_backends.values():
        if isinstance(backend, LocalVisBackend):
            # Asked for, it knows its folders.
            folder = backend.experiment._img_save_dir
            os.makedirs(
                os.path.join(folder, os.path.dirname(name)), exist_ok=True
            )
