"""The random stream that the first weights of a model are drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

_PURPOSE = b'initial weights'


@contextmanager
def initial_draws(module: nn.Module) -> Iterator[None]:
    """Draw weights from a stream of their own, which the seed alone decides.

    What was drawn since the seed was set, such as the weights that a GAN is
    built with, moves nothing here: models that draw the same tensors first
    get the same values in them. So methods that share a backbone begin from
    the same one under the same seed, and differ in what they do with it.

    The seed is the one given to ``torch.manual_seed`` last, as mmengine does
    with ``randomness.seed``; two models under one seed get equal weights.
    Afterwards torch's generators stand where they stood before. CPU and GPU
    draw other numbers from a seed.

    Args:
        module (nn.Module): Whose weights are drawn, on the host or on CUDA.
    """
    seed = _derived_seed(torch.initial_seed())
    devices = {p.device.index for p in module.parameters() if p.is_cuda}
    with torch.random.fork_rng(sorted(devices)):
        # torch.manual_seed would reseed GPUs that are not put back, too.
        torch.default_generator.manual_seed(seed)
        for index in devices:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield


def _derived_seed(seed: int) -> int:
    """Another seed than the process's, whose numbers are in use already."""
    sequence = np.random.SeedSequence((seed, *_PURPOSE))
    return int(sequence.generate_state(1, np.uint64)[0])
