"""Proposals of a trained RPN: of a Faster R-CNN, or an RPN alone.

The images are those of the list SPLIT.txt beside the list of the config's
test_dataloader, under its test pipeline.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import add_options_argument, check_checkpoint, load_config
from mmengine.registry import init_default_scope

from mmisl.detection import check_proposals, write_proposals

from .outputs import add_limit, check_out, show_numbers
from .rpn_images import build_loader, image_keys
from .rpn_network import load_network, propose

HELP = 'take the proposals of an RPN that was trained by mmdet'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this source of proposals."""
    parser.add_argument('config', help='config of a detector with an RPN')
    parser.add_argument('checkpoint', help='checkpoint of that detector')
    parser.add_argument('split', help='such as trainval or test')
    parser.add_argument('out', type=Path, help='file to write, .pkl')
    add_limit(parser)
    add_options_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Write the proposals of an RPN for a split."""
    check_out(args.out)
    cfg = load_config(args)
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    checkpoint = check_checkpoint(args.checkpoint)
    loader = build_loader(cfg, args.split)
    network = load_network(cfg, checkpoint, args.max_proposals)
    proposals = dict(propose(network, loader))
    check_proposals(proposals, image_keys(loader), args.out)
    write_proposals(args.out, proposals)
    show_numbers(proposals, args.out)
