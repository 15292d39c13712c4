"""A training loop that measures its parts in turns."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import torch
from measure import time_side_by_side
from mmengine.optim import build_optim_wrapper

from mmisl.engine.loops import RoundBasedTrainLoop
from mmisl.registry import LOOPS

# What torch says in its debug mode. The first switch to that mode warns too,
# in other words.
SYNC_MESSAGE = 'called a synchronizing CUDA operation'


@LOOPS.register_module()
class MeasuringLoop(RoundBasedTrainLoop):
    """Builds what training needs and measures instead of training.

    Args:
        steps (int): Steps of a turn.
        repeats (int): Turns.

    Attributes:
        timings (dict[str, Timing]): Seconds of a turn, by side.
        syncs (dict[str, int] | None): Host synchronisations of a turn, by
            side; None without a GPU.
    """

    def __init__(
        self, runner, dataloader, *, steps: int, repeats: int
    ) -> None:
        super().__init__(
            runner,
            dataloader,
            max_rounds=1,
            encoder=dict(max_epochs=1),
            mining=dict(num_views=1, quota_per_round=1.0),
        )
        self.steps, self.repeats = steps, repeats

    def run(self) -> torch.nn.Module:
        """Measure all sides in turns."""
        self._prepare()
        sides = self._sides()
        self.timings = time_side_by_side(sides, repeats=self.repeats)
        self.syncs = (
            {name: _count_syncs(side) for name, side in sides.items()}
            if torch.cuda.is_available()
            else None
        )
        return self.runner.model

    def _prepare(self) -> None:
        """What comes before the first step; a neighbour for each sample."""
        runner = self.runner
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        runner.model.train()
        num = self.dataloader.dataset.num_instances
        every = torch.arange(num, device=runner.model.memory.bank.device)
        runner.model.graph.add_edges(every, every.flip(0))

    def _sides(self) -> dict[str, Callable[[], None]]:
        """What a turn of each side does."""
        model, wrapper = self.runner.model, self.runner.optim_wrapper
        batches = self._endless()
        data = model.data_preprocessor(next(batches)[1], True)
        backbone = copy.deepcopy(model.backbone)
        own = build_optim_wrapper(backbone, self.runner.cfg.optim_wrapper)
        inputs = data['inputs']
        if model.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)

        def step_backbone() -> None:
            with own.optim_context(backbone):
                loss = backbone(inputs)[-1].float().mean()
            own.update_params(loss)

        def step_isl() -> None:
            with wrapper.optim_context(model):
                losses = model(**data, mode='loss')
            wrapper.update_params(model.parse_losses(losses)[0])
            model.memory.apply_update()

        def step_loop() -> None:
            self.run_iter(*next(batches))

        return {
            '(a) backbone': partial(_repeat, step_backbone, self.steps),
            '(b) ISL step': partial(_repeat, step_isl, self.steps),
            '(c) loop': partial(_repeat, step_loop, self.steps),
        }

    def _endless(self) -> Iterator[tuple[int, dict]]:
        """Batches of one epoch after the other, numbered in their epoch."""
        while True:
            yield from enumerate(self.dataloader)


def _repeat(step: Callable[[], None], times: int) -> None:
    for _ in range(times):
        step()


def _count_syncs(function: Callable[[], None]) -> int:
    """How often CUDA makes the host wait, as torch's debug mode sees it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        torch.cuda.set_sync_debug_mode('warn')
        try:
            function()
        finally:
            torch.cuda.set_sync_debug_mode('default')
    return sum(SYNC_MESSAGE in str(warning.message) for warning in caught)
