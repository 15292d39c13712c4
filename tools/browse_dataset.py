"""Draw images of a training set next to their augmented views.

Usage:
    python tools/browse_dataset.py CONFIG OUT.png [--num 8] [--views 8]

One row for each image: the original, then the views of epochs 0, 1, 2, ...,
as training with the config's seed will see them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from common import OptionsAction
from mmengine.config import Config
from PIL import Image

from mmisl.datasets import (
    InstanceDataset,
    InstanceSampler,
    build_train_dataset,
    draw_items,
    load_original,
)

CELL = 128
GAP = 4


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read ``argv``, or the command line if that is None."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('config', help='config with a train_dataloader')
    parser.add_argument('out', type=Path, help='picture to write, .png')
    parser.add_argument('--num', type=int, default=8, help='images (rows)')
    parser.add_argument('--views', type=int, default=8, help='views of each')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    return parser.parse_args(argv)


def browse(cfg: Config, out: Path, *, num: int, views: int) -> None:
    """Write the picture.

    Args:
        cfg (Config): Its ``train_dataloader`` has an ``InstanceDataset``.
        out (Path): Picture to write; its folder is made.
        num (int): Rows: images, spread evenly over the set.
        views (int): Columns after the original; twice as many where the
            pipeline makes two views at once.

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
    sampler = InstanceSampler(
        dataset, seed=cfg.get('randomness', {}).get('seed', 0)
    )
    if not 1 <= num <= dataset.num_instances:
        raise ValueError(
            f'--num ({num}) must be in [1, {dataset.num_instances}], the '
            'number of images'
        )
    chosen = np.linspace(0, dataset.num_instances - 1, num).astype(int)
    rows = [draw_row(dataset, sampler, int(i), views) for i in chosen]
    out.parent.mkdir(parents=True, exist_ok=True)
    paste(rows).save(out)
    print(f'{num} images, {views} views each: {out}')


def draw_row(
    dataset: InstanceDataset,
    sampler: InstanceSampler,
    sample_idx: int,
    views: int,
) -> list[Image.Image]:
    """The original and the views of one image."""
    row = [load_original(dataset.get_info(sample_idx)).convert('RGB')]
    for item in draw_items(dataset, sampler, sample_idx, views):
        pixels = item['inputs'].permute(1, 2, 0).numpy()
        row.append(Image.fromarray(pixels))
    return row


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


def main(argv: list[str] | None = None) -> None:
    """Run, and answer a slip with one line."""
    args = parse_args(argv)
    try:
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(args.cfg_options)
        browse(cfg, args.out, num=args.num, views=args.views)
    # A config can fail in any way; who runs a tool wants a sentence.
    except Exception as error:
        text = ' '.join(str(error).strip('\'"').split())
        sys.exit(f'error: {text}')


if __name__ == '__main__':
    main()
