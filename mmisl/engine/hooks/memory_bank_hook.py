"""When the memory bank is written."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmisl.registry import HOOKS

from ..unwrapping import unwrap_model


@HOOKS.register_module()
class MemoryBankHook(Hook):
    """Writes the model's memory bank, if any, after each optimizer step.

    Under gradient accumulation all micro-batches wait for that step, so the
    bank they are compared with is that of the one large batch they stand for.
    """

    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        """Let as many batches wait as the optimizer accumulates."""
        memory = unwrap_model(runner.model).memory
        if memory is not None:
            memory.max_deferred = runner.optim_wrapper._accumulative_counts

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Write what waits, if the optimizer has stepped."""
        memory = unwrap_model(runner.model).memory
        if memory is not None and runner.optim_wrapper.should_update():
            memory.apply_update()
