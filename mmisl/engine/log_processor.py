"""What stands in the logs under which name."""

from __future__ import annotations

from typing import Any

from mmengine.runner import LogProcessor

from mmisl.registry import LOG_PROCESSORS

# Of an iteration, by mmengine's IterTimerHook.
TIMES = ('time', 'data_time')


@LOG_PROCESSORS.register_module()
class StageLogProcessor(LogProcessor):
    """mmengine's, with times of validation apart from those of training.

    mmengine 0.10.12 logs the seconds of an iteration as ``time`` and
    ``data_time`` both in training, counted in iterations, and in validation,
    counted in epochs. In TensorBoard and the like they were one curve that
    runs back and forth. Here the latter are ``val/time`` and
    ``val/data_time``.

    Args:
        **kwargs: Of ``mmengine.runner.LogProcessor``.
    """

    def get_log_after_epoch(
        self,
        runner: Any,
        batch_idx: int,
        mode: str,
        with_non_scalar: bool = False,
    ) -> tuple[dict, str]:
        """Numbers of a validation or test, and the line about them."""
        numbers, text = super().get_log_after_epoch(
            runner, batch_idx, mode, with_non_scalar
        )
        for name in TIMES:
            if name in numbers:
                numbers[f'{mode}/{name}'] = numbers.pop(name)
        return numbers, text
