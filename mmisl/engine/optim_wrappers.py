"""What mmengine's optimizer wrappers lack."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper

from mmisl.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS

from .run_facts import has_bfloat16


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Forward passes in bfloat16 on the CPU.

    ``AmpOptimWrapper`` of mmengine 0.10.12 refuses to work without a GPU.
    bfloat16 has the range of float32, so no loss needs scaling.

    Processors without instructions for it train in float32, which is more
    exact and there also faster, and the log says so: a step in bfloat16 took
    an AVX2 processor 12 times as long as one in float32
    (docs/performance.md).

    Args:
        emulate (bool): Whether to compute in bfloat16 in any case. Defaults
            to False.
        **kwargs: Of mmengine's ``OptimWrapper``.
    """

    def __init__(self, *args: Any, emulate: bool = False, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.in_bfloat16 = emulate or has_bfloat16()
        if not self.in_bfloat16:
            print_log(
                'This processor does not compute in bfloat16, so training is '
                'in float32: its numbers differ from those of processors '
                'that do. optim_wrapper.emulate=True computes in bfloat16 '
                'here too, many times slower',
                logger='current',
                level=logging.WARNING,
            )

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Cast where that is safe, besides what mmengine does."""
        cast = torch.autocast(
            'cpu', dtype=torch.bfloat16, enabled=self.in_bfloat16
        )
        with super().optim_context(model), cast:
            yield


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableParamsConstructor(DefaultOptimWrapperConstructor):
    """Gives the optimizer only the parameters that ask for gradients.

    A miner's networks are trained by the miner. mmengine would list them in
    the encoder's optimizer all the same, and a run that goes on with another
    miner could not load its state.
    """

    def __call__(self, model: torch.nn.Module) -> OptimWrapper:
        """Build the wrapper as the config says, then leave out the rest."""
        wrapper = super().__call__(model)
        groups = wrapper.optimizer.param_groups
        for group in groups:
            group['params'] = [p for p in group['params'] if p.requires_grad]
        groups[:] = [group for group in groups if group['params']]
        return wrapper
