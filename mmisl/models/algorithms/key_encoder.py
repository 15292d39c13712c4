"""The encoder of the keys, which follows that of the queries."""

from __future__ import annotations

import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn


class KeyEncoder(ExponentialMovingAverage):
    """mmengine's moving average, whose running statistics are its own.

    It begins as a copy of the query encoder when it is first used, so it
    also fits weights that were loaded without one.

    # Deviates from mmengine's average, which copies the buffers of the query
    # encoder in every step: the statistics of the keys' BN are of the keys,
    # as in MoCo's code (``moco/builder.py``,
    # ``_momentum_update_key_encoder``, moves parameters only).

    Args:
        model (nn.Module): The query encoder; the state dict has its keys
            below ``module``, and ``steps``.
        momentum (float): Weight of the new in (0, 1).

    Raises:
        ValueError: If the momentum is out of range.
    """

    def __init__(self, model: nn.Module, momentum: float) -> None:
        if not 0 < momentum < 1:
            raise ValueError(
                'momentum is the weight of the query encoder and must lie in '
                f'(0, 1), got {momentum}; MoCo takes 0.001'
            )
        super().__init__(model, momentum)
        self._num_steps: int | None = None

    @property
    def num_steps(self) -> int:
        """Steps so far; the device is asked once, then the host counts."""
        if self._num_steps is None:
            self._num_steps = int(self.steps)
        return self._num_steps

    @torch.no_grad()
    def begin(self, model: nn.Module) -> None:
        """Copy the query encoder, unless a step was made already."""
        if self.num_steps == 0:
            for own, other in (
                (self.module.parameters(), model.parameters()),
                (self.module.buffers(), model.buffers()),
            ):
                for copy, original in zip(own, other):
                    copy.copy_(original)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move a step towards the query encoder; the first step copies it.

        Args:
            model (nn.Module): The query encoder.
        """
        self.begin(model)
        for average, current in zip(
            self.module.parameters(), model.parameters()
        ):
            self.avg_func(average, current, self.num_steps)
        self._num_steps = self.num_steps + 1
        self.steps += 1

    def _load_from_state_dict(self, *args) -> None:
        self._num_steps = None
        super()._load_from_state_dict(*args)
