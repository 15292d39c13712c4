"""Losses reach the log without waiting for the device."""

from __future__ import annotations

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from mmisl.registry import HOOKS


@HOOKS.register_module()
class DeferredLossHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, reading losses only when they are shown.

    The original reads every loss of every iteration, and each read waits
    until the device has finished the step. Here they stay on the device and
    are read together, once per interval of ``LoggerHook`` and at the end of
    an epoch. The history that is logged and saved is the same.
    """

    def __init__(self) -> None:
        self.interval = 1
        self._waiting: list[dict[str, Tensor]] = []

    def before_train(self, runner: Runner) -> None:
        """Read as often as losses are logged."""
        super().before_train(runner)
        self.interval = min(
            (h.interval for h in runner.hooks if isinstance(h, LoggerHook)),
            default=1,
        )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: object = None,
        outputs: dict[str, Tensor] | None = None,
    ) -> None:
        """Keep the losses; read all that wait where they are shown next."""
        if outputs is not None:
            self._waiting.append({k: v.detach() for k, v in outputs.items()})
        if self.every_n_inner_iters(
            batch_idx, self.interval
        ) or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self._read(runner)

    def _read(self, runner: Runner) -> None:
        """One transfer for everything that waits."""
        names = [(key, out) for out in self._waiting for key in out]
        self._waiting = []
        if not names:
            return
        values = torch.stack([out[key].double() for key, out in names])
        for (key, _), value in zip(names, values.tolist(), strict=True):
            runner.message_hub.update_scalar(f'train/{key}', value)
