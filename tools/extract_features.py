"""Write the features of images to a file.

Usage:
    python tools/extract_features.py CONFIG CHECKPOINT OUT.npz
        [--split train|val] [--stage neck|backbone] [--data-root FOLDER]
        [--set NAME]

OUT.npz holds `features` (M, D) float32, `sample_idx` (M,) int64, `labels`
(M,) int64, -1 where there are none, or (M, K) where images have several, and
`paths` (M,), empty for images that are in no file of their own.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from common import (
    ConfigError,
    add_launcher_arguments,
    load_config,
    make_parser,
    run_tool,
)
from mmengine.config import Config
from mmengine.dist import is_main_process
from scoring.inputs import UNTRAINED, load_network

from mmisl.apis import (
    STAGES,
    build_loader,
    loader_config,
    set_loader_configs,
)
from mmisl.datasets import (
    TRANSFER_SETS,
    InstanceDataset,
    transfer_labels,
)
from mmisl.engine import extract_features


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = make_parser(__doc__)
    parser.add_argument(
        'checkpoint',
        help=f'checkpoint file, or {UNTRAINED!r}: weights as a seed\n'
        'initialises them',
    )
    parser.add_argument('out', type=Path, help='file to write, .npz')
    parser.add_argument(
        '--split',
        choices=('train', 'val', 'test'),
        default='train',
        help='images of gallery_dataloader (train) or of val_dataloader;\n'
        'test is for --set (default: train)',
    )
    parser.add_argument(
        '--set',
        choices=tuple(TRANSFER_SETS),
        dest='image_set',
        help='images of this set instead, which tools/prepare_data.py has\n'
        'prepared',
    )
    parser.add_argument(
        '--stage',
        choices=tuple(STAGES),
        default='neck',
        help='unit-length features of the neck, or what the backbone gives\n'
        'it, pooled (default: neck)',
    )
    parser.add_argument(
        '--data-root',
        type=Path,
        help='folder of images to take instead, however deep they lie;\n'
        'with --set the folder of the set',
    )
    add_launcher_arguments(parser)
    return parser.parse_args()


def extract(args: argparse.Namespace) -> None:
    """Extract as the command line says.

    Raises:
        ValueError: If OUT is no ``.npz``.
    """
    if args.out.suffix != '.npz':
        raise ValueError(f'OUT ({args.out}) must end with .npz')
    cfg = load_config(args)
    model, _ = load_network(cfg, args, args.stage)
    loader, dataset = build_loader(images_wanted(cfg, args))
    features = extract_features(
        model, loader, dataset.num_instances, mode=STAGES[args.stage]
    )
    if is_main_process():
        labels = dataset.labels()
        if args.image_set is not None:
            num_classes = TRANSFER_SETS[args.image_set].num_classes
            labels = transfer_labels(dataset, num_classes)
        write_npz(args.out, features, labels, dataset=dataset)
        print(
            f'{len(features)} features of size {features.shape[1]}: {args.out}'
        )


def images_wanted(cfg: Config, args: argparse.Namespace) -> dict:
    """Config of a loader over the images that the command line names.

    Raises:
        ConfigError: If the config of the network has no such split.
    """
    if args.image_set is not None:
        loaders = set_loader_configs(cfg, args.image_set, args.data_root)
        return loaders[args.split]
    if args.split == 'test':
        raise ConfigError(
            'the test images of a config are its --split val; test goes '
            'with --set'
        )
    return loader_config(cfg, args.split, args.data_root)


def write_npz(
    path: Path,
    features: torch.Tensor,
    labels: torch.Tensor | None,
    *,
    dataset: InstanceDataset,
) -> None:
    """Write features and what is known of their images, or nothing."""
    num_samples = dataset.num_instances
    if labels is None:
        labels = torch.full((num_samples,), -1)
    infos = map(dataset.get_info, range(num_samples))
    paths = [str(info.get('img_path', '')) for info in infos]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    with open(partial, 'wb') as file:
        np.savez(
            file,
            features=features.cpu().numpy(),
            sample_idx=np.arange(num_samples),
            labels=labels.numpy(),
            paths=np.array(paths),
        )
    os.replace(partial, path)


if __name__ == '__main__':
    run_tool(extract, parse_args())
