"""Mixed precision without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper

from mmisl.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Forward passes in bfloat16 on the CPU.

    ``AmpOptimWrapper`` of mmengine 0.10.12 refuses to work without a GPU.
    bfloat16 has the range of float32, so no loss needs scaling.
    """

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Cast where that is safe, besides what mmengine does."""
        cast = torch.autocast('cpu', dtype=torch.bfloat16)
        with super().optim_context(model), cast:
            yield
