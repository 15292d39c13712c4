"""Goes on with one method where the first round of another has ended.

Before it has mined anything ISL is instance discrimination, and so is Local
Aggregation while it warms up; MoCo with mined positives is MoCo. Under one
seed these methods train the same weights, bit by bit, until their first
mining.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch
from common import ConfigError
from files import replace_text
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import set_random_seed

from mmisl.engine.loops import RoundSchedule, RoundState
from mmisl.registry import MODELS
from mmisl.weights import read_checkpoint

from .budget import schedule_of
from .schedules import check_same, settings_after

# What the first round leaves as it was built; all else must be handed on.
UNTOUCHED = ('miner.', 'graph.', 'clusters.')
# Of the other method's run and folder, and of no use here.
OF_ANOTHER_RUN = ('cfg', 'experiment_name', 'best_ckpt', 'best_score')


def branch(cfg: Config, origin: Path, folder: Path, *, seed: int) -> Path:
    """Write the checkpoint from which a method goes on after a first round.

    Args:
        cfg (Config): Of the method, without ``optim_wrapper.paramwise_cfg``.
        origin (Path): Checkpoint of a method with the same first round,
            written at the end of an epoch of it.
        folder (Path): The method's work dir, which it will resume in.
        seed (int): Of the run.

    Returns:
        Path: The checkpoint, also named by ``last_checkpoint``.

    Raises:
        ConfigError: If the checkpoint is of another seed or not of the first
            round, was trained with another schedule, or lacks what the method
            has trained by then.
    """
    checkpoint = read_checkpoint(origin)
    meta, hub = checkpoint['meta'], checkpoint['message_hub']
    schedule, epoch = schedule_of(cfg), meta['epoch']
    if meta['seed'] != seed:
        raise ConfigError(
            f'{origin} was trained with seed {meta["seed"]}, but seed {seed} '
            'is to go on from it; name a first round of that seed'
        )
    if not 1 <= epoch <= schedule.first_epochs:
        raise ConfigError(
            f'{origin} stands after epoch {epoch}, but the first round of '
            f'{cfg.filename} has {schedule.first_epochs} epochs; branch from '
            'a checkpoint of an epoch in it'
        )
    model = build_model(cfg, checkpoint, seed)
    state = _model_state(cfg, model, checkpoint['state_dict'], origin)
    groups, schedulers = settings_after(
        cfg, model, epoch=epoch, iteration=meta['iter']
    )
    # Nothing is written of schedulers where there are none.
    check_same(checkpoint.get('param_schedulers', []), schedulers, origin)
    target = folder.resolve() / f'epoch_{epoch}.pth'
    for key in [key for key in hub['resumed_keys'] if _is_foreign(key)]:
        for part in hub.values():
            part.pop(key, None)
    hub['runtime_info'].update(
        round_state=state_after(schedule, epoch).as_dict(),
        keep_ckpt_ids=[epoch],
        last_ckpt=str(target),
    )
    branched = {
        **checkpoint,
        'meta': {**meta, 'cfg': cfg.pretty_text},
        'state_dict': state,
        # It counts the parameters of a model in their order, in which those
        # of a miner are the last and never moved.
        'optimizer': {**checkpoint['optimizer'], 'param_groups': groups},
    }
    if schedulers:
        branched['param_schedulers'] = schedulers
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f'{target.name}.partial')
    torch.save(branched, partial)
    os.replace(partial, target)
    replace_text(folder / 'last_checkpoint', str(target))
    return target


def build_model(
    cfg: Config, checkpoint: dict[str, Any], seed: int
) -> torch.nn.Module:
    """A method's model as its own run would have built it.

    Args:
        cfg (Config): Of the method.
        checkpoint (dict): Of another method on the same images; its memory
            bank, if it has one, says how many there are.
        seed (int): Of the run.
    """
    set_random_seed(seed)
    model = MODELS.build(cfg.model)
    bank = checkpoint['state_dict'].get('memory.bank')
    if bank is not None:
        model.set_num_samples(len(bank))
    logger = MMLogger.get_current_instance()
    level = logger.level
    # Two lines for every weight.
    logger.setLevel(logging.WARNING)
    model.init_weights()
    logger.setLevel(level)
    return model


def state_after(schedule: RoundSchedule, num_epochs: int) -> RoundState:
    """What a run does next when it has finished some epochs.

    Args:
        schedule (RoundSchedule): Of the run.
        num_epochs (int): Encoder epochs, in [1, those of the run].
    """
    state = schedule.first_state()
    while True:
        num_epochs -= state.stage == 'encoder'
        state = state.advance(schedule)
        if num_epochs == 0:
            return state


def _is_foreign(key: str) -> bool:
    """Whether a message is of the other method's run alone."""
    # Each method has losses of its own; others would be logged for good.
    return key in OF_ANOTHER_RUN or 'loss' in key


def _model_state(
    cfg: Config,
    model: torch.nn.Module,
    given: dict[str, torch.Tensor],
    origin: Path,
) -> dict[str, torch.Tensor]:
    """What has been trained, and the rest as it was built."""
    built = model.state_dict()
    lacking = [
        key
        for key in built
        if key not in given and not key.startswith(UNTOUCHED)
    ]
    if lacking:
        raise ConfigError(
            f'{origin} lacks {lacking[0]}, which {cfg.filename} has trained '
            'by then; branch from a method with the same first round that '
            'has it too'
        )
    return {
        # A graph and clusters are empty in both.
        key: value if key.startswith(UNTOUCHED) else given[key]
        for key, value in built.items()
    }
