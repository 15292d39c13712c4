"""A training loop that looks for what makes the host wait for the GPU."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from measuring_loop import SYNC_MESSAGE, MeasuringLoop

from mmisl.registry import LOOPS

_WARMUP = 3
# Neither the first nor the last of an interval: there losses are read.
_BATCH_IDX = 1
_NO_PLACE = (
    str(Path(torch.__file__).parent),
    warnings.__file__,
    __file__,
)


@LOOPS.register_module()
class WaitingLoop(MeasuringLoop):
    """Takes a few steps, part by part, and notes where the host waits.

    Without a GPU the same steps are taken and nothing can be noted.

    Attributes:
        waits (dict[str, list[str]]): Part of a step -> places that waited.
        refused (str): Where a whole iteration with its hooks was stopped in
            which torch allows no wait; empty if nowhere.
    """

    def run(self) -> torch.nn.Module:
        """Warm up, then watch."""
        self._prepare()
        batches = self._endless()
        for _ in range(_WARMUP):
            self.run_iter(_BATCH_IDX, next(batches)[1])
        self.waits = {
            name: _places(part) for name, part in self._parts(batches).items()
        }
        waiting = [next(batches)[1] for _ in range(_WARMUP)]
        self.refused = ''
        try:
            with _sync_mode('error'):
                for batch in waiting:
                    self.run_iter(_BATCH_IDX, batch)
        except RuntimeError as error:
            if SYNC_MESSAGE not in str(error):
                raise
            frames = traceback.extract_tb(error.__traceback__)
            self.refused = _innermost(frames)
        return self.runner.model

    def _parts(
        self, batches: Iterator[tuple[int, dict]]
    ) -> dict[str, Callable[[], None]]:
        """Parts of one step, to be called in this order."""
        model, wrapper = self.runner.model, self.runner.optim_wrapper
        held: dict = {}

        def load() -> None:
            held['batch'] = next(batches)[1]

        def augment() -> None:
            held['data'] = model.data_preprocessor(held['batch'], True)

        def forward() -> None:
            with wrapper.optim_context(model):
                losses = model(**held['data'], mode='loss')
            held['loss'] = model.parse_losses(losses)[0]

        def iteration() -> None:
            self.run_iter(_BATCH_IDX, next(batches)[1])

        return {
            'loader': load,
            'augmentation': augment,
            'forward': forward,
            'backward': lambda: wrapper.backward(held['loss']),
            'optimizer step': wrapper.step,
            'zero grad': wrapper.zero_grad,
            'bank update': model.memory.apply_update,
            'iteration with hooks': iteration,
        }


def _places(function: Callable[[], None]) -> list[str]:
    """Where ``function`` waits, as torch's debug mode sees it."""
    places = []

    def note(message: Warning | str, *args: object, **kwargs: object) -> None:
        if SYNC_MESSAGE in str(message):
            places.append(_innermost(traceback.extract_stack()))

    with warnings.catch_warnings():
        warnings.simplefilter('always')
        warnings.showwarning = note
        with _sync_mode('warn'):
            function()
    return places


@contextmanager
def _sync_mode(mode: str) -> Iterator[None]:
    if not torch.cuda.is_available():
        yield
        return
    torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


def _innermost(frames: traceback.StackSummary) -> str:
    """The innermost place outside torch, as file:line function."""
    own = [f for f in frames if not f.filename.startswith(_NO_PLACE)]
    frame = (own or list(frames))[-1]
    return f'{Path(frame.filename).name}:{frame.lineno} {frame.name}'
