"""How long each stage of a round took."""

from __future__ import annotations

import time

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmisl.registry import HOOKS


@HOOKS.register_module()
class StageTimesHook(Hook):
    """Logs the wall seconds of every stage of a training when it ends.

    - ``stage/encoder_seconds``: one encoder epoch and the checkpoint behind
      it. An epoch and not a round is the unit, so a run that was stopped and
      resumed lacks the time of one epoch at most.
    - ``stage/validation_seconds``: one validation, with the features of the
      gallery where they are computed anew.
    - ``stage/extraction_seconds``: the encoding of what mining looks at; all
      but 0 where that is the memory bank.
    - ``stage/mining_seconds``: mining or clustering, and what hooks do behind
      it: snapshot, picture and checkpoint.

    Each stands in a record of its own with ``stage/round``, from 0, under the
    number of encoder epochs that are finished. The sum is the time of the run
    but for its start. Times are those of the main process. With a loop of
    mmengine there are epochs and validations only.
    """

    # Behind the hooks that save, so that what they take is counted.
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._is_training = False
        self._round = 0
        self._begin = 0.0

    def before_train(self, runner: Runner) -> None:
        """Whatever is validated from now on is part of a training."""
        self._is_training = True

    def after_train(self, runner: Runner) -> None:
        """A validation on its own is no stage."""
        self._is_training = False

    def before_train_epoch(self, runner: Runner) -> None:
        """An epoch begins."""
        self._start(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """An epoch ends, before the runner counts it."""
        self._stop(runner, 'encoder', runner.epoch + 1)

    def before_val(self, runner: Runner) -> None:
        """A validation begins."""
        if self._is_training:
            self._start(runner)

    def after_val(self, runner: Runner) -> None:
        """A validation ends."""
        if self._is_training:
            self._stop(runner, 'validation', runner.epoch)

    def before_mining(self, runner: Runner) -> None:
        """Encoding begins."""
        self._start(runner)

    def after_extraction(self, runner: Runner) -> None:
        """What mining looks at is encoded, and mining begins."""
        self._stop(runner, 'extraction', runner.epoch)
        self._begin = time.perf_counter()

    def after_mining(self, runner: Runner, summary: object) -> None:
        """Mining ends; the loop stands in the next round already."""
        self._stop(runner, 'mining', runner.epoch)

    def _start(self, runner: Runner) -> None:
        state = getattr(runner.train_loop, 'state', None)
        self._round = 0 if state is None else state.round
        self._begin = time.perf_counter()

    def _stop(self, runner: Runner, stage: str, epoch: int) -> None:
        seconds = time.perf_counter() - self._begin
        runner.visualizer.add_scalars(
            {f'stage/{stage}_seconds': seconds, 'stage/round': self._round},
            step=epoch,
        )
        runner.logger.info(
            f'{stage.capitalize()} of round {self._round}, epoch {epoch}: '
            f'{seconds:.1f} s'
        )
