"""Test a checkpoint: kNN accuracy from the bank and from features anew.

Usage:
    python tools/test.py CONFIG CHECKPOINT [--out METRICS.json]

On several GPUs: tools/dist_test.sh CONFIG CHECKPOINT GPUS.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import (
    add_run_arguments,
    check_checkpoint,
    load_config,
    make_parser,
    prepare_run,
    run_tool,
)
from files import write_json
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
    return parser.parse_args()


def test(args: argparse.Namespace) -> None:
    """Test as the command line says."""
    cfg = load_config(args)
    cfg.load_from = check_checkpoint(args.checkpoint)
    cfg.resume = False
    prepare_run(cfg, args, required=TESTING)
    metrics = RUNNERS.build(cfg).test()
    if not is_main_process():
        return
    for name, value in metrics.items():
        print(f'{name}: {value:.2f}')
    if args.out is not None:
        write_json(args.out, metrics)


if __name__ == '__main__':
    run_tool(test, parse_args())
