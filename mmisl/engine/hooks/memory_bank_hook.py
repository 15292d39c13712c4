"""When the memory bank is written."""

from __future__ import annotations

from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from mmisl.registry import HOOKS

from ..unwrapping import unwrap_model
from .atomic_checkpoint_hook import AtomicCheckpointHook


@HOOKS.register_module()
class MemoryBankHook(Hook):
    """Writes the model's memory bank, if any, after each optimizer step.

    Under gradient accumulation all micro-batches wait for that step, so the
    bank they are compared with is that of the one large batch they stand for.

    Raises:
        ValueError: Before training, if checkpoints would be written without
            the rows of a sharded bank.
    """

    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        """Let as many batches wait as the optimizer accumulates."""
        memory = unwrap_model(runner.model).memory
        if memory is None:
            return
        if memory.is_split:
            _check_checkpoint_hooks(runner.hooks)
        memory.max_deferred = runner.optim_wrapper._accumulative_counts

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Write what waits, if the optimizer has stepped."""
        memory = unwrap_model(runner.model).memory
        if memory is not None and runner.optim_wrapper.should_update():
            memory.apply_update()


def _check_checkpoint_hooks(hooks: list[Hook]) -> None:
    """Refuse a hook that saves a split bank without its rows.

    Only :class:`AtomicCheckpointHook` collects them from the ranks. mmengine
    adds its own hook where ``default_hooks`` has no ``checkpoint``.
    """
    for hook in hooks:
        plain = isinstance(hook, CheckpointHook)
        if plain and not isinstance(hook, AtomicCheckpointHook):
            raise ValueError(
                f'default_hooks.checkpoint is {type(hook).__name__}, whose '
                'checkpoints would lack the rows of the sharded memory bank; '
                "use dict(type='mmisl.AtomicCheckpointHook'), or set "
                'model.memory.sharded=False'
            )
