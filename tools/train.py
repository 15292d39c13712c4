"""Train a model.

Usage:
    python tools/train.py CONFIG [--work-dir DIR] [--resume [PATH]] [--amp]

A run that was cut short goes on with --resume; without it a work dir that
holds checkpoints is refused.

On several GPUs: tools/dist_train.sh CONFIG GPUS.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import torch
from common import (
    ConfigError,
    add_run_arguments,
    check_checkpoint,
    load_config,
    make_parser,
    prepare_run,
    run_tool,
)
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.registry import RUNNERS

from mmisl.config_check import TRAINING_KEYS
from mmisl.runs import find_checkpoint


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = make_parser(__doc__)
    add_run_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='go on from this checkpoint; without PATH, or with auto, from '
        'the\nlast one in the work dir, if there is one',
    )
    parser.add_argument(
        '--amp', action='store_true', help='train in mixed precision'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by batch size / '
        'auto_scale_lr.base_batch_size',
    )
    parser.add_argument(
        '--wandb',
        nargs='?',
        const='mmisl',
        metavar='PROJECT',
        help='log to Weights & Biases too (default project: mmisl)',
    )
    return parser.parse_args()


def train(args: argparse.Namespace) -> None:
    """Train as the command line says."""
    cfg = load_config(args)
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        enable_auto_scale_lr(cfg)
    if args.wandb is not None:
        enable_wandb(cfg, args.wandb)
    prepare_run(cfg, args, required=TRAINING_KEYS)
    if args.resume is None and not cfg.get('resume'):
        check_unused(Path(cfg.work_dir))
    set_resume(cfg, args.resume)
    RUNNERS.build(cfg).train()


def enable_amp(cfg: Config) -> None:
    """Choose an optimizer wrapper of mixed precision.

    Raises:
        ConfigError: If the config has an optimizer wrapper of another kind.
    """
    wrapper = cfg.get('optim_wrapper') or {}
    given = wrapper.get('type', 'OptimWrapper')
    if given not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ConfigError(
            f'optim_wrapper.type: {given!r} does not go with --amp; allowed: '
            'OptimWrapper, AmpOptimWrapper'
        )
    if torch.cuda.is_available():
        wrapper['type'] = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
        return
    wrapper['type'] = 'CPUAmpOptimWrapper'
    for key in ('loss_scale', 'dtype'):  # of GPUs
        wrapper.pop(key, None)


def enable_auto_scale_lr(cfg: Config) -> None:
    """Let mmengine scale the learning rate.

    Raises:
        ConfigError: If the config does not say for which batch size its
            learning rate is meant.
    """
    auto_scale_lr = cfg.get('auto_scale_lr') or {}
    if 'base_batch_size' not in auto_scale_lr:
        raise ConfigError(
            'auto_scale_lr.base_batch_size: missing, but --auto-scale-lr '
            'needs the global batch size that the learning rate is meant for'
        )
    auto_scale_lr['enable'] = True


def enable_wandb(cfg: Config, project: str) -> None:
    """Let the visualizer write to Weights & Biases as well.

    Raises:
        ConfigError: If its package is missing.
    """
    if importlib.util.find_spec('wandb') is None:
        raise ConfigError(
            '--wandb needs the package wandb, which is not installed: '
            f'{sys.executable} -m pip install wandb'
        )
    backend = dict(
        type='mmisl.WandbBackend', init_kwargs=dict(project=project)
    )
    if cfg.get('visualizer') is None:
        cfg.visualizer = dict(type='Visualizer')
    given = cfg.visualizer.get('vis_backends') or []
    cfg.visualizer.vis_backends = [*given, backend]


def check_unused(work_dir: Path) -> None:
    """Refuse to begin over a run, which would lose its checkpoints.

    Raises:
        ConfigError: If the work dir holds checkpoints of a run.
    """
    names = ('last_checkpoint', 'epoch_*.pth', 'iter_*.pth')
    found = [path for name in names for path in sorted(work_dir.glob(name))]
    if found:
        raise ConfigError(
            f'the work dir {work_dir} holds checkpoints of a run '
            f'({found[-1].name}); go on with --resume, name another folder '
            'with --work-dir, or remove this one'
        )


def set_resume(cfg: Config, resume: str | None) -> None:
    """Choose the checkpoint to go on from.

    Args:
        cfg (Config): Changed in place; knows its work dir.
        resume (str, optional): A path, ``'auto'``, or None to do what the
            config says.

    Raises:
        FileNotFoundError: If the path does not exist.
        ValueError: If the checkpoint is not whole.
    """
    if resume is None and cfg.get('resume') and not cfg.get('load_from'):
        resume = 'auto'
    if resume is None:
        return
    if resume == 'auto':
        checkpoint = find_checkpoint(Path(cfg.work_dir))
    else:
        checkpoint = Path(check_checkpoint(resume))
    cfg.resume = checkpoint is not None
    if checkpoint is not None:
        cfg.load_from = str(checkpoint)
        text = f'Resuming from {checkpoint}'
    else:
        text = f'Nothing to resume in {cfg.work_dir}: starting anew'
    if is_main_process():
        print(text, flush=True)


if __name__ == '__main__':
    run_tool(train, parse_args())
