"""Test a checkpoint with the test set and the metrics of its config.

Usage:
    python tools/test.py CONFIG CHECKPOINT [--out METRICS.json]
    python tools/test.py DETECTOR CHECKPOINT --draw FOLDER [--draw-images 20]

On several GPUs: tools/dist_test.sh CONFIG CHECKPOINT GPUS.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from common import (
    ConfigError,
    add_run_arguments,
    check_checkpoint,
    load_config,
    make_parser,
    prepare_run,
    run_tool,
)
from files import write_json
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.registry import RUNNERS

TESTING = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    add_run_arguments(parser)
    parser.add_argument(
        '--out', type=Path, help='JSON file to write the metrics to'
    )
    parser.add_argument(
        '--draw',
        metavar='FOLDER',
        help='of a detector: folder to draw detections into, beside the truth',
    )
    parser.add_argument(
        '--draw-images',
        type=int,
        default=20,
        metavar='N',
        help='how many images --draw takes, the first ones (default: 20)',
    )
    parser.add_argument(
        '--draw-score',
        type=float,
        default=0.3,
        metavar='SCORE',
        help='--draw leaves out detections below this score (default: 0.3)',
    )
    return parser.parse_args()


def test(args: argparse.Namespace) -> None:
    """Test as the command line says."""
    cfg = load_config(args)
    cfg.load_from = check_checkpoint(args.checkpoint)
    cfg.resume = False
    if args.draw is not None:
        add_pictures(cfg, args)
    prepare_run(cfg, args, required=TESTING)
    metrics = RUNNERS.build(cfg).test()
    if not is_main_process():
        return
    for name, value in metrics.items():
        print(f'{name}: {value:.4f}')
    if args.out is not None:
        write_json(args.out, metrics)


def add_pictures(cfg: Config, args: argparse.Namespace) -> None:
    """Draw detections, as the command line says.

    Raises:
        ConfigError: If the model detects nothing, or there is no drawing as
            many images, or into that folder.
    """
    if 'mmdet' not in cfg.pretty_text:
        raise ConfigError(
            f'--draw is for detectors of mmdet; {args.config} has none'
        )
    if args.draw_images < 1:
        raise ConfigError(
            f'--draw-images ({args.draw_images}) must be at least 1'
        )
    if Path(args.draw).exists() and not Path(args.draw).is_dir():
        raise ConfigError(
            f'--draw ({args.draw}) must be a folder, and is a file'
        )
    # Registers the hook; needs mmdet, so only here.
    importlib.import_module('mmisl.detection')
    hook = dict(
        type='mmisl.DetectionPictureHook',
        folder=args.draw,
        num_images=args.draw_images,
        score_thr=args.draw_score,
    )
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]


if __name__ == '__main__':
    run_tool(test, parse_args())
