"""Draw images of a training set next to their augmented views.

Usage:
    python tools/browse_dataset.py CONFIG OUT.png [--num 8] [--views 8]

One row for each image: the original, then the views of epochs 0, 1, 2, ...,
as training with the config's seed will see them, also where they are made on
the device.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from common import load_config, make_parser, run_tool
from mmengine.config import Config
from PIL import Image

from mmisl.apis import TrainingViews
from mmisl.datasets import build_train_dataset

CELL = 128
GAP = 4


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read ``argv``, or the command line if that is None."""
    parser = make_parser(__doc__)
    parser.add_argument('out', type=Path, help='picture to write, .png')
    parser.add_argument('--num', type=int, default=8, help='images (rows)')
    parser.add_argument('--views', type=int, default=8, help='views of each')
    return parser.parse_args(argv)


def browse(cfg: Config, out: Path, *, num: int, views: int) -> None:
    """Write the picture.

    Args:
        cfg (Config): Its ``train_dataloader`` has an ``InstanceDataset``.
        out (Path): Picture to write; its folder is made.
        num (int): Rows: images, spread evenly over the set.
        views (int): Columns after the original; twice as many where the
            a training makes two views at once.

    Raises:
        KeyError: If the config has no ``train_dataloader.dataset``.
        TypeError: If that is no ``InstanceDataset``.
        ValueError: If ``out`` is no ``.png``, if ``num`` or ``views`` is
            not positive, or if ``num`` exceeds the number of images.
    """
    if out.suffix != '.png':
        raise ValueError(f'OUT ({out}) must end with .png')
    if views < 1:
        raise ValueError(f'--views ({views}) must be at least 1')
    dataset = build_train_dataset(cfg)
    if not 1 <= num <= dataset.num_instances:
        raise ValueError(
            f'--num ({num}) must be in [1, {dataset.num_instances}], the '
            'number of images'
        )
    chosen = np.linspace(0, dataset.num_instances - 1, num).astype(int)
    seed = cfg.get('randomness', {}).get('seed', 0)
    drawn = TrainingViews(dataset, cfg, seed)
    rows = [
        [drawn.original(i).convert('RGB'), *drawn.draw(i, views)]
        for i in map(int, chosen)
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    paste(rows).save(out)
    print(f'{num} images, {views} views each: {out}')


def paste(rows: list[list[Image.Image]]) -> Image.Image:
    """Grid of square cells, the first column set apart."""
    step = CELL + GAP
    size = (step * len(rows[0]) + 2 * GAP, step * len(rows) + GAP)
    sheet = Image.new('RGB', size, 'white')
    for top, row in enumerate(rows):
        for left, img in enumerate(row):
            img.thumbnail((CELL, CELL))
            # thumbnail() shrinks only; small images become whole blocks.
            scale = max(1, CELL // max(img.size))
            img = img.resize(
                (img.width * scale, img.height * scale),
                Image.Resampling.NEAREST,
            )
            offset = GAP if left == 0 else 2 * GAP
            sheet.paste(img, (left * step + offset, top * step + GAP))
    return sheet


def main(args: argparse.Namespace) -> None:
    """Run, as the command line says."""
    browse(load_config(args), args.out, num=args.num, views=args.views)


if __name__ == '__main__':
    run_tool(main, parse_args())
