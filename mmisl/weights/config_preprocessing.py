"""Reads out of a config what its network sees of an image."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log

from .preprocessing import (
    Preprocessing,
    check_preprocessing,
    stored_preprocessing,
)

LOADERS = tuple(
    f'{name}_dataloader' for name in ('train', 'gallery', 'val', 'test')
)
# Data sets that hold decoded images, in RGB.
_RGB_DATASETS = {'CIFAR10', 'CIFAR100', 'SVHN'}
_PREPROCESSORS = {
    'AugmentingPreprocessor',
    'ClsDataPreprocessor',
    'DetDataPreprocessor',
    'ImgDataPreprocessor',
    'SelfSupDataPreprocessor',
}
# Steps of a pipeline and the argument that lets them turn the channels round.
_TURNING = dict(
    NumpyToPIL='to_rgb',
    ToPIL='to_rgb',
    PILToNumpy='to_bgr',
    ToNumpy='to_bgr',
)
_OTHER_ORDER = dict(rgb='bgr', bgr='rgb')


def turning_flag(preprocessor: Mapping[str, Any]) -> str | None:
    """Argument by which a data preprocessor turns the channels round."""
    flags = ('to_rgb', 'bgr_to_rgb', 'rgb_to_bgr')
    return next((flag for flag in flags if preprocessor.get(flag)), None)


class UnknownPreprocessing(ValueError):
    """A config does not tell what its network sees."""


def preprocessing_of(cfg: Mapping[str, Any]) -> Preprocessing:
    """What the network of a config sees, followed from the file on.

    mmcv's loaders give BGR; data sets of decoded images, such as CIFAR, give
    RGB; some steps of a pipeline turn the channels round, and so may the data
    preprocessor.

    Args:
        cfg (Mapping[str, Any]): A config of mmisl, mmpretrain or mmdet.

    Returns:
        Preprocessing: The same for all loaders that the config has.

    Raises:
        UnknownPreprocessing: If a part is met whose order is not known.
        ValueError: If the loaders give different orders.
    """
    preprocessor = _preprocessor(cfg)
    orders = {
        key: _dataset_order(cfg[key]['dataset'], key)
        for key in LOADERS
        if cfg.get(key)
    }
    if not orders:
        raise UnknownPreprocessing(
            f'the config has no {LOADERS[0]}, whose pipeline would tell in '
            'which order colours come'
        )
    order = _one_order(orders)
    if turning_flag(preprocessor):
        order = _OTHER_ORDER[order]
    return Preprocessing(
        order,
        preprocessor.get('mean') or (0.0,),
        preprocessor.get('std') or (1.0,),
    )


def known_preprocessing(cfg: Mapping[str, Any]) -> Preprocessing | None:
    """As :func:`preprocessing_of`; None, with a warning, if not known.

    For where that is no reason to stop: all may be as it should.

    Raises:
        ValueError: If the loaders give different orders.
    """
    try:
        return preprocessing_of(cfg)
    except UnknownPreprocessing as error:
        print_log(
            'Nobody stores or compares what colours the network sees: '
            f'{error}',
            logger='current',
            level=logging.WARNING,
        )
        return None


def check_config_preprocessing(
    cfg: Mapping[str, Any], checkpoint: dict[str, Any], path: object
) -> None:
    """Insist that a config shows weights what they were trained on.

    Nothing is compared, with a warning where it is the config's fault, if
    either side does not say.

    Args:
        cfg (Mapping[str, Any]): That loads the weights.
        checkpoint (dict[str, Any]): From :func:`read_checkpoint`.
        path (object): Of the checkpoint, for the message.

    Raises:
        ValueError: If they differ.
    """
    stored = stored_preprocessing(checkpoint)
    own = None if stored is None else known_preprocessing(cfg)
    if stored is not None and own is not None:
        check_preprocessing(stored, own, checkpoint=path)


def _preprocessor(cfg: Mapping[str, Any]) -> Mapping[str, Any]:
    model = cfg.get('model') or {}
    found = model.get('data_preprocessor') or cfg.get('data_preprocessor')
    found = found or {}
    # Without a type the model chooses; mmpretrain's and mmdet's are known.
    name = _name(found) if 'type' in found else 'ClsDataPreprocessor'
    if name not in _PREPROCESSORS:
        raise UnknownPreprocessing(
            f'data_preprocessor.type: what {name} does to colours is not '
            f'known; known are {", ".join(sorted(_PREPROCESSORS))}'
        )
    return found


def _dataset_order(dataset: Mapping[str, Any], path: str) -> str:
    """Order in which a data set, or what it wraps, gives its colours."""
    path = f'{path}.dataset'
    order: str | None
    if 'dataset' in dataset:
        order = _dataset_order(dataset['dataset'], path)
    elif 'datasets' in dataset:
        order = _one_order(
            {
                f'{path}.{index}': _dataset_order(part, f'{path}.{index}')
                for index, part in enumerate(dataset['datasets'])
            }
        )
    else:
        order = 'rgb' if _name(dataset) in _RGB_DATASETS else None
    order = _pipeline_order(dataset.get('pipeline') or (), order, path)
    if order is None:
        raise UnknownPreprocessing(
            f'{path}: whether {_name(dataset)} gives RGB or BGR is not known; '
            'known are pipelines that begin with LoadImageFromFile, and '
            f'{", ".join(sorted(_RGB_DATASETS))}'
        )
    return order


def _pipeline_order(
    steps: Sequence[Any], order: str | None, path: str
) -> str | None:
    """Order after some steps that began with ``order``."""
    for index, step in enumerate(steps):
        place = f'{path}.pipeline.{index}'
        if isinstance(step, Sequence):  # a pipeline of its own
            order = _pipeline_order(step, order, place)
            continue
        name = _name(step)
        if name.startswith('LoadImage'):
            order = _loader_order(step, place)
        elif name == 'Normalize':
            raise UnknownPreprocessing(
                f'{place}: Normalize in a pipeline hides what the network '
                'sees; give mean and std to data_preprocessor instead'
            )
        elif order is not None and step.get(_TURNING.get(name, '')):
            order = _OTHER_ORDER[order]
        nested = step.get('transforms') or ()
        order = _nested_order(nested, order, place)
    return order


def _nested_order(
    transforms: Sequence[Any], order: str | None, path: str
) -> str | None:
    """Order after a step that holds steps, or several pipelines."""
    if not transforms or not isinstance(transforms[0], Sequence):
        return _pipeline_order(transforms, order, path)
    orders = {
        f'{path}.transforms.{index}': _pipeline_order(view, order, path)
        for index, view in enumerate(transforms)
    }
    return _one_order(orders)


def _loader_order(step: Mapping[str, Any], path: str) -> str:
    color_type = step.get('color_type', 'color')
    if not color_type.startswith('color'):
        raise UnknownPreprocessing(
            f'{path}.color_type: in which order {color_type!r} gives colours '
            "is not known; take 'color'"
        )
    return 'bgr'


def _one_order(orders: Mapping[str, Any]) -> Any:
    """The order that all share.

    Raises:
        ValueError: If they differ.
    """
    if len(set(orders.values())) > 1:
        shown = ', '.join(f'{k} {str(v).upper()}' for k, v in orders.items())
        raise ValueError(
            f'one network would see colours in different orders: {shown}; '
            'give all pipelines the same to_rgb'
        )
    return next(iter(orders.values()))


def _name(node: Mapping[str, Any]) -> str:
    """Name of the type of a dict, without scope or package."""
    kind = node.get('type', '')
    name = getattr(kind, '__name__', kind).rpartition('.')[2]
    return name.rpartition('/')[2]  # torchvision/Normalize
