"""Bars of training, validation and test."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmisl.progress import Bar
from mmisl.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """Draws how far training, validation and test are.

    The bar of the training counts iterations over all rounds, so its time
    left is that of the whole run; the speed it is reckoned from includes the
    validations and minings of the last ten minutes. Drawn on the main process
    of a terminal only; see :mod:`mmisl.progress`. Works with any runner of
    mmengine: ``custom_hooks=[dict(type='mmisl.ProgressHook')]``.
    """

    # Opened before other hooks begin their own work, closed after it.
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._bars: dict[str, Bar] = {}

    def before_train(self, runner: Runner) -> None:
        """Begin where a resumed run goes on."""
        self._bars['train'] = Bar(
            'training', runner.max_iters, completed=runner.iter
        )

    def before_train_epoch(self, runner: Runner) -> None:
        """Name the epoch, and the round where there are several."""
        if runner.max_epochs == 1:  # as where iterations are counted
            return
        text = f'epoch {runner.epoch + 1}/{runner.max_epochs}'
        schedule = getattr(runner.train_loop, 'schedule', None)
        if schedule is not None and schedule.max_rounds > 1:
            # Rounds count from 0, here as in the log.
            text += f', round {runner.train_loop.state.round}'
        self._bars['train'].update(description=text)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Count the iteration."""
        self._bars['train'].advance()

    def after_train(self, runner: Runner) -> None:
        """Leave the terminal as it was."""
        self._bars.pop('train').close()

    def before_val_epoch(self, runner: Runner) -> None:
        """Count from 0."""
        self._bars['val'] = Bar('validation', len(runner.val_dataloader))

    def after_val_iter(self, *args: Any, **kwargs: Any) -> None:
        """Count the batch."""
        self._bars['val'].advance()

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Take the bar away."""
        self._bars.pop('val').close()

    def before_test_epoch(self, runner: Runner) -> None:
        """Count from 0."""
        self._bars['test'] = Bar('test', len(runner.test_dataloader))

    def after_test_iter(self, *args: Any, **kwargs: Any) -> None:
        """Count the batch."""
        self._bars['test'].advance()

    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Take the bar away."""
        self._bars.pop('test').close()
