"""Stops a run whose images are not what its weights were trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import Runner
from torch import nn

from mmisl.registry import HOOKS
from mmisl.weights import (
    PretrainedParts,
    StrictPretrained,
    check_loaded,
    check_preprocessing,
    preprocessing_of,
    read_checkpoint,
    required_preprocessing,
)

from ..unwrapping import unwrap_model


@HOOKS.register_module()
class PreprocessingCheckHook(Hook):
    """Compares colours, mean and std of a run with those of its weights.

    Before training it looks up every checkpoint that a
    :class:`mmisl.StrictPretrained` or :class:`mmisl.PretrainedParts` loaded,
    and ``load_from``; each has to say what it was trained on, and the data
    preprocessor and pipelines of the run have to show the same. It also
    insists that what was loaded is still there, unless ``load_from`` or a
    resume has replaced it. A run that begins with random weights says so by
    ``model.init_cfg = None``. Works with any runner of mmengine, so with
    mmdet and mmpretrain:
    ``custom_hooks=[dict(type='mmisl.PreprocessingCheckHook')]``.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare.

        Raises:
            RuntimeError: If loaded weights were initialised anew.
            ValueError: If there is nothing to compare, or it differs.
        """
        own = preprocessing_of(runner.cfg)
        found = list(_initialized(unwrap_model(runner.model)))
        paths = [initializer.checkpoint for _, initializer in found]
        load_from = None if runner._resume else runner._load_from
        paths += [] if load_from is None else [load_from]
        if not paths and not runner._resume:
            if runner.cfg.model.get('init_cfg', '') is None:
                runner.logger.info('The model begins with random weights')
                return
            raise ValueError(
                'PreprocessingCheckHook has nothing to compare with: no '
                "backbone has init_cfg=dict(type='mmisl.StrictPretrained', "
                'checkpoint=...), and load_from is None; for random weights '
                'set model.init_cfg=None'
            )
        for path in dict.fromkeys(paths):
            checkpoint = read_checkpoint(Path(path))
            stored = required_preprocessing(checkpoint, path)
            check_preprocessing(stored, own, checkpoint=path)
            runner.logger.info(
                f'{path} was trained on what it will see: {own}'
            )
        if not runner._has_loaded:
            for module, initializer in found:
                check_loaded(module, initializer)


def _initialized(
    model: nn.Module,
) -> Iterator[tuple[nn.Module, StrictPretrained]]:
    """Modules that were given their weights, with what gave them."""
    for module in model.modules():
        cfgs = getattr(module, 'init_cfg', None) or ()
        for cfg in (cfgs,) if isinstance(cfgs, dict) else cfgs:
            kind = cfg['type']
            if isinstance(kind, str):
                kind = WEIGHT_INITIALIZERS.get(kind)
            if kind is StrictPretrained:
                yield module, WEIGHT_INITIALIZERS.build(cfg)
            elif kind is PretrainedParts:
                yield from WEIGHT_INITIALIZERS.build(cfg).parts_of(module)
