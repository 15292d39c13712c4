"""A first round that several methods share, trained once.

Before it has mined anything ISL is instance discrimination, and so is Local
Aggregation while it warms up; MoCo with mined positives is MoCo. Under one
seed these methods train the same weights, bit by bit, until their first
mining.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from common import ConfigError
from files import replace_text
from mmengine.config import Config
from mmengine.runner import set_random_seed

from mmisl.engine.loops import RoundSchedule, RoundState
from mmisl.registry import MODELS
from mmisl.weights import read_checkpoint

from .budget import schedule_of

# Model types by what they train before they have mined anything.
ENGINES = dict(
    NPID='NPID',
    ISL='NPID',
    LocalAggregation='NPID',
    MoCo='MoCo',
    MoCoISL='MoCo',
)
# What the first round leaves as it was built; all else must be handed on.
UNTOUCHED = ('miner.', 'graph.', 'clusters.')


def branch(cfg: Config, origin: Path, folder: Path, *, seed: int) -> Path:
    """Write the checkpoint from which a method goes on after a first round.

    Args:
        cfg (Config): Of the method.
        origin (Path): Checkpoint of a method with the same first round,
            written at the end of an epoch of it.
        folder (Path): The method's work dir, which it will resume in.
        seed (int): Of the run.

    Returns:
        Path: The checkpoint, also named by ``last_checkpoint``.

    Raises:
        ConfigError: If the checkpoint lacks what the method has trained by
            then.
    """
    checkpoint = read_checkpoint(origin)
    model = build_model(cfg, checkpoint, seed)
    built, given = model.state_dict(), checkpoint['state_dict']
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
    state = {
        # A graph and clusters are empty in both.
        key: given.get(key, value) if not key.startswith(UNTOUCHED) else value
        for key, value in built.items()
    }
    hub = checkpoint['message_hub']
    epoch = hub['runtime_info']['epoch'] + 1
    hub['runtime_info'].pop('keep_ckpt_ids', None)
    hub['runtime_info'].pop('last_ckpt', None)
    hub['runtime_info']['round_state'] = state_after(
        schedule_of(cfg), epoch
    ).as_dict()
    target = folder / f'epoch_{epoch}.pth'
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f'{target.name}.partial')
    torch.save({**checkpoint, 'state_dict': state}, partial)
    os.replace(partial, target)
    replace_text(folder / 'last_checkpoint', str(target))
    return target


def build_model(cfg: Config, checkpoint: dict[str, Any], seed: int) -> Any:
    """A method's model as its own run would have built it."""
    set_random_seed(seed)
    model = MODELS.build(cfg.model)
    model.set_num_samples(num_samples_of(checkpoint))
    model.init_weights()
    return model


def num_samples_of(checkpoint: dict[str, Any]) -> int:
    """Rows of the bank.

    Raises:
        ConfigError: If there is no bank.
    """
    bank = checkpoint['state_dict'].get('memory.bank')
    if bank is None:
        raise ConfigError(
            'a first round can be shared only from a method with a memory '
            'bank, which says how many images there are'
        )
    return len(bank)


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
