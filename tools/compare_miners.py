"""Compare miners on one set of frozen features: which finds what.

Usage:
    python tools/compare_miners.py CONFIG CHECKPOINT
        [--miner NAME:KEY=VALUE,KEY=VALUE ...] [--plan FILE.json]
        [--only PATTERN ...]
        [--quotas 0.5 2] [--seeds 0 1 2] [--views 8] [--cache FILE.npz]
        [--save results/NAME.json] [--title TITLE]

Every training image is encoded in some augmented views by the network of the
checkpoint. Each miner then starts from an empty graph, once for every quota
and seed, with these views and the checkpoint's memory bank. A miner is that
of the config with some settings changed; one that names a type replaces it,
and views=N gives it the first N of the views alone. Purity is by the labels,
which no miner sees, and stands beside that of as many plain nearest
neighbours. Seeds are those of the miners: the features are the same for all.

With --save every finished run is kept, and the same command, or one with more
miners, quotas or seeds, goes on where it stopped.
"""

from __future__ import annotations

import argparse
import copy
import logging
import shlex
from pathlib import Path
from typing import Any

from common import (
    ConfigError,
    check_checkpoint,
    check_config,
    describe,
    load_config,
    make_parser,
    run_tool,
)
from miner_comparison.features import (
    features_key,
    frozen_features,
    read_memory,
)
from miner_comparison.mining import Bench, Mining
from miner_comparison.record import Record
from miner_comparison.table import print_table
from miner_comparison.variants import (
    Variant,
    make_variants,
    read_variants,
)
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from positives.images import SmallImages
from rich.console import Console
from torch import Tensor, from_numpy

from mmisl.evaluation import PixelDistances
from mmisl.report.run_images import RunImages, read_images


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint of a run that mines')
    parser.add_argument(
        '--miner',
        nargs='+',
        action='extend',
        default=[],
        metavar='NAME:KEY=VALUE,...',
        help='miners, and what each changes in model.miner of the config,\n'
        'such as "kNN:type=KNNMiner,max_degree=20" "long:training.lr=2e-4";\n'
        'NAME alone changes nothing (default: the miner of the config)',
    )
    parser.add_argument(
        '--plan',
        type=Path,
        help='JSON file of miners: {"variants": {NAME: {KEY: VALUE}}}',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='PATTERN',
        help='of the miners those with such names, in this order, as in\n'
        '--only "kNN*" "views 1"',
    )
    parser.add_argument(
        '--quotas',
        nargs='+',
        type=float,
        default=[0.5, 2.0],
        help='mean neighbours of an image, one mining each (default: 0.5 2)',
    )
    parser.add_argument(
        '--seeds',
        nargs='+',
        type=int,
        default=[0, 1, 2],
        help='seeds of the miners (default: 0 1 2)',
    )
    parser.add_argument(
        '--views',
        type=int,
        default=8,
        help='augmented views of an image (default: 8)',
    )
    parser.add_argument(
        '--cache',
        type=Path,
        help='file that keeps the features, .npz, so that they are computed\n'
        'once',
    )
    parser.add_argument(
        '--save',
        type=Path,
        help='JSON file of results, to write or go on with',
    )
    parser.add_argument('--title', help='of the results')
    return parser.parse_args(argv)


def compare(args: argparse.Namespace) -> None:
    """Mine with every miner, as the command line says.

    Raises:
        ValueError: If an argument is out of range, or a file is of something
            else.
        RuntimeError: If a miner failed; all others are done.
    """
    check_arguments(args)
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    cfg = load_config(args)
    check_config(cfg)
    check_checkpoint(args.checkpoint)
    bank, epoch = read_memory(args.checkpoint)
    variants = make_variants(
        cfg,
        read_variants(args.miner, args.plan, args.only),
        feat_dim=bank.shape[1],
        num_views=args.views,
    )
    features = dict(
        config=args.config,
        checkpoint=Path(args.checkpoint).name,
        epoch=epoch,
        images=len(bank),
        views=args.views,
        key=features_key(cfg, args.checkpoint),
    )
    record = Record(
        args.save,
        title=args.title,
        default_title=f'Miners on the features of {Path(args.config).stem}',
        command=command_line(args),
        features=features,
    )
    missing = missing_minings(args, variants, record)
    failed = []
    if missing:
        check_inputs(missing, bank)
        bench = set_up(args, cfg, bank, record)
        failed = mine_all(bench, missing, record)
    show(args, variants, record)
    if failed:
        raise RuntimeError(
            f'{len(failed)} of {len(missing)} minings failed, the others are '
            f'done: {"; ".join(failed)}'
        )


def missing_minings(
    args: argparse.Namespace, variants: list[Variant], record: Record
) -> list[Mining]:
    """What is not finished yet, the first seed of all miners first.

    Raises:
        ValueError: If a finished one is of another miner of that name.
    """
    minings = [
        Mining(
            variant,
            [q for q in args.quotas if record.find(variant, q, seed) is None],
            seed,
        )
        for seed in args.seeds
        for variant in variants
    ]
    return [mining for mining in minings if mining.quotas]


def check_inputs(minings: list[Mining], bank: Tensor) -> None:
    """Let miners look for their files before anything is encoded.

    Raises:
        ConfigError: If one misses a file, or has one of other images.
    """
    variants = {mining.variant.name: mining.variant for mining in minings}
    for name, variant in variants.items():
        try:
            variant.build(bank.shape[1]).check_inputs(len(bank))
        except (ValueError, OSError) as error:
            raise ConfigError(f'{name}: {describe(error)}') from error


def mine_all(bench: Bench, minings: list[Mining], record: Record) -> list[str]:
    """Mine, say what was found, and keep it at once.

    Returns:
        list[str]: A line for every one that failed.
    """
    failed = []
    for mining in minings:
        name, seed = mining.variant.name, mining.seed
        try:
            for quota, numbers in bench.mine(mining):
                record.add(mining.variant, quota, seed, numbers)
                line = progress_line(name, quota, seed, numbers)
                print(line, flush=True)
        except (ValueError, RuntimeError, OSError) as error:
            failed.append(f'{name}, seed {seed}: {describe(error)}')
            print(failed[-1], flush=True)
    return failed


def show(
    args: argparse.Namespace, variants: list[Variant], record: Record
) -> None:
    """Print what is finished of what was asked for, a table a quota."""
    console = Console()
    for quota in args.quotas:
        runs = [
            run
            for variant in variants
            for seed in args.seeds
            if (run := record.find(variant, quota, seed)) is not None
        ]
        if runs:
            print_table(console, quota, runs)


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse numbers that nothing can be mined with; drop repeated ones.

    Raises:
        ValueError: If one is out of range.
    """
    if args.views < 1:
        raise ValueError(f'--views must be >= 1, got {args.views}')
    if min(args.quotas) <= 0:
        raise ValueError(f'--quotas must be > 0, got {min(args.quotas):g}')
    if min(args.seeds) < 0:
        raise ValueError(f'--seeds must be >= 0, got {min(args.seeds)}')
    args.quotas = list(dict.fromkeys(args.quotas))
    args.seeds = list(dict.fromkeys(args.seeds))


def set_up(
    args: argparse.Namespace,
    cfg: Config,
    bank: Tensor,
    record: Record,
) -> Bench:
    """Find the images and encode them, unless a file has their features.

    Raises:
        ValueError: If they are not those that the checkpoint was trained on.
    """
    images = read_images(copy.deepcopy(cfg), [Path.cwd()])
    check_images(images, len(bank), args.checkpoint)
    features = frozen_features(
        cfg,
        args.checkpoint,
        key=record.key,
        num_views=args.views,
        cache=args.cache,
    )
    record.describe_features(knn=features.knn)
    device = get_device()
    mining = cfg.train_cfg.get('mining') or {}
    labels = images.labels
    return Bench(
        views=[view.to(device) for view in features.views],
        bank=None if mining.get('refresh_bank') else bank.to(device),
        labels=None if labels is None else from_numpy(labels).long(),
        pixels=PixelDistances(SmallImages(images)),
    )


def check_images(images: RunImages, num_rows: int, checkpoint: str) -> None:
    """Insist on an image for every row of the bank.

    Raises:
        ValueError: If there are more of the ones or of the others.
    """
    if len(images) != num_rows:
        raise ValueError(
            f'the bank of {checkpoint} has {num_rows:,} rows, but '
            f'train_dataloader of the config {len(images):,} images; give '
            'the config and the images that it was trained with'
        )


def progress_line(
    name: str, quota: float, seed: int, numbers: dict[str, Any]
) -> str:
    """What a finished mining found, in one line."""
    purity = ''
    if 'purity' in numbers:
        purity = f', purity {100 * numbers["purity"]:.1f} %'
    return (
        f'{name}, quota {quota:g}, seed {seed}: {numbers["edges"]} of '
        f'{numbers["requested"]} edges{purity}, {numbers["seconds"]:.1f} CPU s'
    )


def command_line(args: argparse.Namespace) -> str:
    """The command that makes these results."""
    words = ['python', 'tools/compare_miners.py', args.config, args.checkpoint]
    if args.miner:
        words += ['--miner', *args.miner]
    for option in (
        'plan',
        'only',
        'quotas',
        'seeds',
        'views',
        'cache',
        'save',
        'title',
    ):
        value = getattr(args, option)
        if isinstance(value, list):
            words += [f'--{option}', *map(str, value)]
        elif value is not None:
            words += [f'--{option}', str(value)]
    if args.cfg_options:
        pairs = [f'{k}={v}' for k, v in args.cfg_options.items()]
        words += ['--cfg-options', *pairs]
    return shlex.join(words)


if __name__ == '__main__':
    run_tool(compare, parse_args())
