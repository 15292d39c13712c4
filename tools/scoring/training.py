"""Evaluations that train on labels: a run of their own, from a pretraining's.

It trains on the training images under the test transforms, without
augmentation, and is tested once, at its end.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from common import (
    ConfigError,
    add_options_argument,
    add_run_arguments,
    check_checkpoint,
    load_config,
    prepare_run,
)
from mmengine.config import Config
from mmengine.dist import get_world_size, init_dist, is_distributed
from mmengine.registry import RUNNERS
from train import set_resume

from mmisl.datasets.prepared import describe_config_subset
from mmisl.engine.unwrapping import unwrap_model
from mmisl.weights import turning_flag

from .inputs import UNTRAINED
from .labelled_data import Data
from .report import Report
from .run_record import claim_folder, run_settings

# What a run takes over from the pretraining; all else is its own.
INHERITED = (
    'custom_imports',
    'default_hooks',
    'default_scope',
    'env_cfg',
    'log_level',
    'log_processor',
    'runner_type',
    'visualizer',
)
REQUIRED = ('model', 'train_dataloader', 'train_cfg', 'test_dataloader')
BASE_BATCH_SIZE = 256


def add_training_arguments(
    parser: argparse.ArgumentParser, *, epochs: int, lr: float, batch_size: int
) -> None:
    """Arguments of an evaluation that trains.

    Args:
        parser (argparse.ArgumentParser): Of a subcommand.
        epochs (int): Default of ``--epochs``.
        lr (float): Default of ``--lr``.
        batch_size (int): Default of ``--batch-size``.
    """
    parser.add_argument('config', help='config file of the pretraining')
    parser.add_argument(
        'checkpoint',
        help=f'checkpoint file of it, or {UNTRAINED!r}: weights as --seed\n'
        'initialises them',
    )
    parser.add_argument(
        '--epochs',
        type=int,
        default=epochs,
        help=f'passes over the training images (default: {epochs})',
    )
    parser.add_argument(
        '--lr',
        type=float,
        default=lr,
        help='first learning rate, as for 256 images a step; scaled by\n'
        f'--batch-size / 256, falls on a cosine (default: {lr})',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        default=batch_size,
        help=f'images a step, over all processes (default: {batch_size})',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of everything random (default: 0)',
    )
    parser.add_argument(
        '--resume',
        action='store_true',
        help='go on from the last checkpoint in the work dir, which must be\n'
        'of this very command',
    )
    add_options_argument(parser)
    add_run_arguments(parser)


def read_pretraining(args: argparse.Namespace) -> Config:
    """Config of the pretraining, its checkpoint looked at.

    Raises:
        ConfigError: If a number of the command line is out of range, the
            config cannot be read, or has no backbone.
    """
    for name in ('epochs', 'batch_size', 'lr'):
        if not getattr(args, name) > 0:
            raise ConfigError(
                f'--{name.replace("_", "-")} ({getattr(args, name)}) must be '
                'greater than 0'
            )
    if args.seed < 0:
        raise ConfigError(f'--seed ({args.seed}) must be at least 0')
    cfg = load_config(args)
    if args.checkpoint != UNTRAINED:
        check_checkpoint(args.checkpoint)
    if 'backbone' not in (cfg.get('model') or {}):
        raise ConfigError(
            f'model.backbone: missing in {args.config}; give the config of a '
            'pretraining'
        )
    if args.work_dir is None:
        # Not the folder of a training: demo_layers.py is a config as well.
        stem = Path(args.config).stem
        args.work_dir = f'work_dirs/evaluate/{stem}_{args.method}'
    return cfg


def train_and_test(
    args: argparse.Namespace,
    pretraining: Config,
    data: Data,
    *,
    model_config: dict,
    evaluator: dict,
    hooks: list[dict],
    optimizer: dict | None = None,
) -> tuple[Report, Any]:
    """Train a model on the labels, test it, and report.

    Args:
        args (argparse.Namespace): Of :func:`add_training_arguments`.
        pretraining (Config): Of :func:`read_pretraining`.
        data (Data): Of :func:`read_data`.
        model_config (dict): To train, of a type that takes its backbone from
            a ``checkpoint``.
        evaluator (dict): Metric of the test.
        hooks (list[dict]): Besides those of every run.
        optimizer (dict, optional): Arguments of SGD besides learning rate and
            momentum.

    Returns:
        tuple[Report, Any]: It, and the model that was trained.
    """
    cfg = _run_config(pretraining)
    is_trained = args.checkpoint != UNTRAINED
    preprocessor = dict(
        pretraining.model.get('data_preprocessor')
        or pretraining.get('data_preprocessor')
        or {}
    )
    lr = args.lr * args.batch_size / BASE_BATCH_SIZE
    cfg.merge_from_dict(
        dict(
            model=dict(
                model_config,
                checkpoint=args.checkpoint if is_trained else None,
            ),
            experiment_name=f'{Path(args.config).stem}_{args.method}',
            data_preprocessor=_plain_preprocessor(preprocessor),
            train_dataloader=data.train,
            test_dataloader=data.test,
            train_cfg=dict(
                type='RoundBasedTrainLoop',
                max_rounds=1,
                encoder=dict(max_epochs=args.epochs, val_interval=0),
            ),
            test_cfg=dict(type='TestLoop'),
            test_evaluator=evaluator,
            optim_wrapper=dict(
                type='OptimWrapper',
                constructor='TrainableParamsConstructor',
                optimizer=dict(
                    type='SGD', lr=lr, momentum=0.9, **(optimizer or {})
                ),
            ),
            param_scheduler=[
                dict(type='CosineAnnealingLR', T_max=args.epochs)
            ],
            custom_hooks=hooks,
            randomness=dict(seed=args.seed),
        )
    )
    prepare_run(cfg, args, required=REQUIRED)
    if args.launcher != 'none' and not is_distributed():
        init_dist(args.launcher, **cfg.env_cfg.dist_cfg)
    # Only now one process is the main one.
    claim_folder(
        Path(args.work_dir),
        run_settings(args, pretraining),
        resume=args.resume,
    )
    cfg.train_dataloader.batch_size = _local_batch_size(args.batch_size)
    set_resume(cfg, 'auto' if args.resume else None)
    runner: Any = RUNNERS.build(cfg)
    runner.train()
    metrics = runner.test()
    model = unwrap_model(runner.model)
    source = dict(
        config=args.config,
        checkpoint=args.checkpoint,
        work_dir=cfg.work_dir,
    )
    subset = describe_config_subset(
        data.train['dataset'], data.test['dataset']
    )
    if subset is not None:
        source['subset'] = subset
    report = Report(
        {name.rpartition('/')[2]: metrics[name] for name in metrics},
        split='test',
        num_images=dict(train=data.num_train, test=data.num_test),
        seed=args.seed,
        source=source,
        details=dict(
            num_classes=data.num_classes,
            epochs=args.epochs,
            batch_size=args.batch_size,
            lr=lr,
        ),
    )
    return report, model


def _run_config(pretraining: Config) -> Config:
    kept = {key: pretraining.get(key) for key in INHERITED}
    cfg = Config({key: kept[key] for key in kept if kept[key] is not None})
    cfg = cfg.copy()
    hooks = cfg.setdefault('default_hooks', {})
    # The pretraining's may name a metric that is not computed here.
    hooks['checkpoint'] = dict(
        type='AtomicCheckpointHook', interval=1, max_keep_ckpts=1
    )
    return cfg


def _plain_preprocessor(preprocessor: dict) -> dict:
    """Colours and statistics of a preprocessor, without what it augments."""
    return dict(
        type='mmpretrain.ClsDataPreprocessor',
        mean=preprocessor.get('mean'),
        std=preprocessor.get('std'),
        to_rgb=turning_flag(preprocessor) is not None,
    )


def _local_batch_size(batch_size: int) -> int:
    """Share of a process.

    Raises:
        ConfigError: If it is no whole number.
    """
    world_size = get_world_size()
    if batch_size % world_size:
        raise ConfigError(
            f'--batch-size ({batch_size}) must be a multiple of the '
            f'{world_size} processes'
        )
    return batch_size // world_size
