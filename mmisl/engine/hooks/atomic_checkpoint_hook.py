"""Checkpoints that are whole, safe to load and never lost."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from contextlib import nullcontext
from math import inf
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from torch import Tensor, nn

from mmisl.registry import HOOKS
from mmisl.weights import (
    META_KEY,
    check_config_preprocessing,
    key_mismatch,
    known_preprocessing,
    read_checkpoint,
    state_mismatch,
)

from ..unwrapping import unwrap_model


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's checkpoint hook, made safe.

    - A checkpoint is written beside its name and renamed when it is whole;
      older ones are removed after that. A kill or a full disk at any moment
      leaves the previous checkpoint, and ``last_checkpoint`` points to it.
    - It says, under ``meta``, in which order, mean and std its weights saw
      colours; loading compares that with the config, also where a backbone
      alone is taken from it.
    - It holds tensors and plain values only, so ``torch.load`` reads it with
      ``weights_only=True``.
    - NaN and infinite weights are refused, so a run that diverged does not
      replace a good checkpoint.
    - Loading is strict: a key that is missing or left over, or a value of
      another shape, is an error, not a warning, and ``--resume`` insists on
      the optimizer's state.
    - It is also written after each mining stage, unless ``after_mining`` is
      off, as where samples are clustered in every epoch: such a stage is then
      done once more by a run that resumes.

    Args:
        interval (int): Encoder epochs between checkpoints, or iterations
            where ``by_epoch`` is False. Defaults to 1.
        max_keep_ckpts (int): Checkpoints kept besides the best.
            Defaults to 2.
        save_best (str, optional): Metric whose best checkpoint is kept, such
            as ``'knn/bank_top1'``.
        rule (str): ``'greater'`` or ``'less'``: which value of it is better.
            Defaults to ``'greater'``.
        strict (bool): Whether loading is strict. Defaults to True.
        after_mining (bool): Whether to save after each mining stage as well.
            Defaults to True.
        by_epoch (bool): False for a run that counts iterations, as that of a
            detector. Defaults to True.
    """

    def __init__(
        self,
        interval: int = 1,
        max_keep_ckpts: int = 2,
        *,
        save_best: str | None = None,
        rule: str = 'greater',
        strict: bool = True,
        after_mining: bool = True,
        by_epoch: bool = True,
    ) -> None:
        super().__init__(
            interval=interval,
            by_epoch=by_epoch,
            max_keep_ckpts=max_keep_ckpts,
            save_best=save_best,
            rule=rule if save_best else None,
        )
        self.strict = strict
        self.saves_after_mining = after_mining

    def before_train(self, runner: Runner) -> None:
        """Write to the work directory; know what an earlier part kept.

        Raises:
            ValueError: If the run shows a backbone other colours than its
                checkpoint was trained on, or saves by iterations though it
                can only go on from whole epochs.
        """
        if not self.by_epoch and _has_rounds(runner):
            raise ValueError(
                'default_hooks.checkpoint.by_epoch is False, but '
                f'{type(runner.train_loop).__name__} goes on from whole '
                'epochs only; leave by_epoch out, and count interval in '
                'epochs'
            )
        self.out_dir = runner.work_dir
        kept = runner.message_hub.runtime_info.get('keep_ckpt_ids', [])
        self.keep_ckpt_ids = deque(kept)
        self.preprocessing = known_preprocessing(runner.cfg)
        # A model of another toolbox, such as a detector, has none.
        start = getattr(unwrap_model(runner.model), 'checkpoint', None)
        if start is not None:
            check_config_preprocessing(
                runner.cfg, read_checkpoint(start), start
            )
        runner.logger.info(f'Checkpoints are written to {self.out_dir}.')

    def after_mining(self, runner: Runner, summary) -> None:
        """Save what was mined, under the name of its epoch."""
        if not self.saves_after_mining:
            return
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        self._save_checkpoint_with_step(runner, runner.epoch, meta)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse weights that are not finite; keep plain values only."""
        meta = checkpoint['meta']
        # The runner counts on between a step and the validation behind it.
        step = (
            f'epoch {meta["epoch"]}'
            if self.by_epoch
            else f'iteration {meta["iter"]}'
        )
        for name, value in checkpoint['state_dict'].items():
            if value.is_floating_point() and not value.isfinite().all():
                raise RuntimeError(
                    f'{name} holds NaN or infinity after '
                    f'{step}, so no checkpoint was written and '
                    'the earlier ones are untouched; resume from them with a '
                    'lower learning rate, or without --amp'
                )
        if self.preprocessing is not None:
            meta[META_KEY] = self.preprocessing.to_meta()
        hub = checkpoint['message_hub']
        hub['log_scalars'] = {
            key: _pack_history(buffer)
            for key, buffer in hub['log_scalars'].items()
        }
        hub['runtime_info'] = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in hub['runtime_info'].items()
        }

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Insist that the checkpoint fits before anything is loaded."""
        hub = checkpoint.get('message_hub')
        if hub is not None:
            hub['log_scalars'] = {
                key: _unpack_history(packed)
                for key, packed in hub['log_scalars'].items()
            }
        if runner._resume and 'optimizer' not in checkpoint:
            raise ValueError(
                'the checkpoint holds no optimizer state, so the run cannot '
                'be resumed from it; give it as load_from to start from its '
                'weights'
            )
        if self.strict:
            model = unwrap_model(runner.model)
            check_state(model, checkpoint.get('state_dict', checkpoint))
            check_config_preprocessing(
                runner.cfg, checkpoint, 'the checkpoint'
            )

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        name = self.filename_tmpl.format(step)
        expired = []
        if self.max_keep_ckpts > 0:
            earlier = [kept for kept in self.keep_ckpt_ids if kept != step]
            num_expired = max(len(earlier) - self.max_keep_ckpts + 1, 0)
            expired = earlier[:num_expired]
            self.keep_ckpt_ids = deque([*earlier[num_expired:], step])
            runner.message_hub.update_info(
                'keep_ckpt_ids', list(self.keep_ckpt_ids)
            )
        self.last_ckpt = str(Path(self.out_dir, name))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._save(runner, name, meta)
        if is_main_process():
            _replace_text(
                Path(runner.work_dir, 'last_checkpoint'), self.last_ckpt
            )
            for old in expired:
                Path(self.out_dir, self.filename_tmpl.format(old)).unlink(
                    missing_ok=True
                )

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best:
            return
        hub = runner.message_hub
        (key,), (rule,) = self.key_indicators, self.rules
        if key not in metrics:
            raise ValueError(
                f'save_best names {key!r}, but validation reports '
                f'{", ".join(metrics)}'
            )
        worst = -inf if rule == 'greater' else inf
        best = hub.runtime_info.get('best_score', worst)
        if not self.is_better_than[key](metrics[key], best):
            return
        previous = hub.runtime_info.get('best_ckpt')
        step = self.filename_tmpl.format(
            runner.epoch if self.by_epoch else runner.iter
        )
        name = f'best_{key.replace("/", "_")}_{step}'
        hub.update_info('best_score', metrics[key])
        hub.update_info('best_ckpt', str(Path(self.out_dir, name)))
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        self._save(runner, name, meta)
        if is_main_process() and previous and Path(previous).name != name:
            # A run that goes on from another folder leaves the best there.
            Path(self.out_dir, Path(previous).name).unlink(missing_ok=True)
        is_last = self.last_ckpt == str(Path(self.out_dir, step))
        if is_last and not _has_rounds(runner):
            # mmengine's loops do not validate again where they are resumed,
            # so what they are resumed from must know of the best.
            self._save(runner, step, meta)

    def _save(self, runner: Runner, name: str, meta: dict) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            RuntimeError: If the file cannot be written.
        """
        partial = Path(self.out_dir, f'{name}.partial')
        try:
            # A bank that is split over the ranks is saved whole.
            memory = getattr(unwrap_model(runner.model), 'memory', None)
            with nullcontext() if memory is None else memory.collected():
                runner.save_checkpoint(
                    self.out_dir, partial.name, meta=dict(meta)
                )
            if is_main_process():
                _sync(partial)
                os.replace(partial, Path(self.out_dir, name))
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RuntimeError(
                f'cannot write the checkpoint {Path(self.out_dir, name)}: '
                f'{error.strerror or error}; earlier checkpoints are '
                'untouched. Make room there, then go on with --resume'
            ) from error


def _has_rounds(runner: Runner) -> bool:
    """Whether the loop is one of rounds, which validates after a resume."""
    return hasattr(runner.train_loop, 'schedule')


def check_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Insist that a state dict fits a model, in keys and shapes.

    Buffers whose size is data, such as those of a memory bank, are left to
    the modules that have them: see ``sized_by_data`` there.

    Raises:
        ValueError: Naming up to five keys on each side that do not match, or
            the first entry of another shape.
    """
    expected = model.state_dict()
    sized = tuple(
        f'{name}.'
        for name, module in model.named_modules()
        if getattr(module, 'sized_by_data', False)
    )
    complaint = key_mismatch(set(expected), set(state)) or state_mismatch(
        *(
            {key: v for key, v in values.items() if not key.startswith(sized)}
            for values in (expected, state)
        )
    )
    if complaint:
        raise ValueError(
            f'the checkpoint {complaint}. Use the config it was trained with, '
            'or set default_hooks.checkpoint.strict=False to load what fits '
            'of a run on the same images'
        )


def _pack_history(buffer: HistoryBuffer) -> dict:
    values, counts = buffer.data
    return dict(
        values=torch.as_tensor(np.asarray(values, dtype=np.float64)),
        counts=torch.as_tensor(np.asarray(counts, dtype=np.int64)),
    )


def _unpack_history(packed: dict | HistoryBuffer) -> HistoryBuffer:
    if isinstance(packed, HistoryBuffer):  # of a plain CheckpointHook
        return packed
    return HistoryBuffer(packed['values'].tolist(), packed['counts'].tolist())


def _sync(path: Path) -> None:
    with open(path, 'rb') as file:
        os.fsync(file.fileno())


def _replace_text(path: Path, text: str) -> None:
    partial = path.with_name(f'{path.name}.partial')
    partial.write_text(text)
    _sync(partial)
    os.replace(partial, path)
