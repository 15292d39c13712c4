"""Optimizer settings as a method's own schedule has moved them.

mmengine ends a schedule that names no end with its run. So the schedules that
a first round was trained with, a shorter run, end before those of a method
that goes on from it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from common import ConfigError
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from .budget import schedule_of

# What a schedule that ends later may have moved.
_MOVED = ('end', 'last_step', '_last_value')


def settings_after(
    cfg: Config, model: nn.Module, *, epoch: int, iteration: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Parameter groups and schedulers of a run after some epochs.

    Args:
        cfg (Config): Of the run.
        model (nn.Module): Its model.
        epoch (int): Encoder epochs that are finished, at least 1.
        iteration (int): Their iterations.

    Returns:
        tuple[list[dict], list[dict]]: Of the optimizer's state dict, and the
        state dict of every scheduler.
    """
    epoch_length = iteration // epoch
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    schedulers = [
        PARAM_SCHEDULERS.build(
            {**ends_of(settings, cfg), **copy.deepcopy(settings)},
            default_args=dict(optimizer=wrapper, epoch_length=epoch_length),
        )
        for settings in schedulers_of(cfg)
    ]
    with warnings.catch_warnings():
        # The optimizer takes no step beside them.
        warnings.simplefilter('ignore', UserWarning)
        for _ in range(epoch):
            for scheduler in schedulers:
                for _ in range(1 if scheduler.by_epoch else epoch_length):
                    scheduler.step()
    groups = wrapper.state_dict()['param_groups']
    return groups, [scheduler.state_dict() for scheduler in schedulers]


def schedulers_of(cfg: Config) -> list[dict[str, Any]]:
    """Configs of all schedulers; none where nothing is scheduled."""
    given = cfg.get('param_scheduler') or []
    return [given] if isinstance(given, dict) else list(given)


def ends_of(settings: Mapping[str, Any], cfg: Config) -> dict[str, int]:
    """When a scheduler that counts epochs ends, if it does not say so."""
    if 'end' in settings or not settings.get('by_epoch', True):
        return {}
    return dict(end=schedule_of(cfg).total_epochs)


def end_overrides(cfg: Config) -> dict[str, int]:
    """What lets the schedules of a shorter run end where those of this do.

    Returns:
        dict[str, int]: Overrides of the config.
    """
    is_one = isinstance(cfg.get('param_scheduler'), dict)
    return {
        'param_scheduler.end' if is_one else f'param_scheduler.{i}.end': end
        for i, settings in enumerate(schedulers_of(cfg))
        for end in ends_of(settings, cfg).values()
    }


def check_same(
    given: Sequence[Mapping[str, Any]],
    own: Sequence[Mapping[str, Any]],
    origin: object,
) -> None:
    """Refuse a first round that was trained with another schedule.

    Args:
        given (Sequence[Mapping]): State dicts of its schedulers.
        own (Sequence[Mapping]): Of those of the run that is to go on.
        origin (object): What to call the former.

    Raises:
        ConfigError: Naming what differs.
    """
    if len(given) != len(own):
        raise ConfigError(
            f'{origin} has {len(given)} param_scheduler, but {len(own)} are '
            'to go on; train a first round with the same'
        )
    for theirs, mine in zip(given, own):
        for key, value in mine.items():
            if key not in _MOVED and theirs.get(key) != value:
                raise ConfigError(
                    f'{origin} was trained with {key} {theirs.get(key)} in '
                    f'its param_scheduler, where the method has {value}; '
                    'train a first round with the same schedule, its end '
                    'included'
                )
