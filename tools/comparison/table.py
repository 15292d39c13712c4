"""One table of all scores, in Markdown."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import faiss
import mmengine
import mmpretrain
import numpy as np
import torch
from drawing.blocks import marks, replace_block
from drawing.cells import cell, values_of
from files import replace_text
from mmengine.config import Config

from mmisl import __version__

from .budget import Budget, knn_settings

# Of the marks that the table stands between.
LABEL = 'compare_methods'


def describe_results(
    results: list[dict[str, Any]], configs: dict[Path, Config], *, command: str
) -> str:
    """The table, what it shows, and what made it.

    Args:
        results (list[dict]): One a method and seed, in the order of the rows.
        configs (dict[Path, Config]): Of the methods, with one budget.
        command (str): That was given.

    Returns:
        str: Markdown.
    """
    cfg = next(iter(configs.values()))
    budget = Budget.of(cfg)
    views = {path.stem: num_views(c) for path, c in configs.items()}
    commits = sorted({c for r in results for c in r.get('commit', '').split()})
    return (
        f'{make_table(results, views)}\nMean and standard deviation over the '
        f'seeds, in percent. {budget.epochs} epochs, batches of '
        f'{budget.batch_size}, the same network for all. Views: how often an '
        'image is encoded for a step; what the augmentation is, each config '
        f'says. kNN: k = {knn_settings(cfg)["k"]}, on features of the neck '
        '(a projection, where the method has one) and on pooled ones of the '
        'backbone. Linear: logistic regression on the latter, its '
        'penalty chosen on a part of the training images, or of a small set '
        'on five in turn (*: stopped before '
        'it had converged). Purity: share of '
        "mined edges that join one class, or of samples of their cluster's "
        'most frequent class, after the last mining. NMI: of clusters with '
        'classes. Minutes are of a machine that may have been shared.\n\n'
        f'```\n{command}\n```\n\n'
        f'{time.strftime("%Y-%m-%d")}, mmisl {__version__} '
        f'({", ".join(commits) or "nothing trained"}), torch '
        f'{torch.__version__}, mmengine {mmengine.__version__}, mmpretrain '
        f'{mmpretrain.__version__}, faiss {faiss.__version__}, numpy '
        f'{np.__version__}, Python {sys.version.split()[0]}, '
        f'{os.cpu_count()} cores, '
        f'{"CUDA" if torch.cuda.is_available() else "no GPU"}.\n'
    )


def make_table(results: list[dict[str, Any]], views: dict[str, int]) -> str:
    """One row a method, mean and spread over its seeds."""
    rows = [
        '| method | seeds | views | kNN, neck | kNN, backbone | linear | '
        'purity | NMI | minutes |',
        '|---|---|---|---|---|---|---|---|---|',
    ]
    for name in dict.fromkeys(result['name'] for result in results):
        own = [result for result in results if result['name'] == name]

        def text(key: str, scale: float = 1, own: list = own) -> str:
            return cell(values_of(own, key, scale=scale))

        cells = [
            f'`{name}`' if name in views else name,
            str(len(own)),
            str(views.get(name, '-')),
            text('knn'),
            text('knn_backbone'),
            text('linear')
            + ('' if all(r.get('converged', True) for r in own) else '*'),
            text('purity', 100),
            text('nmi', 100),
            text('seconds', 1 / 60),
        ]
        rows.append(f'| {" | ".join(cells)} |')
    return '\n'.join(rows) + '\n'


def num_views(cfg: Config) -> int:
    """How many augmented views are made of an image for a step.

    On the device, where an ``AugmentingPreprocessor`` makes them, or by the
    training pipeline.
    """
    preprocessor = cfg.get('data_preprocessor') or {}
    if preprocessor.get('type', '').endswith('AugmentingPreprocessor'):
        return preprocessor.get('num_views', 1)
    dataset = cfg.train_dataloader.dataset
    while 'pipeline' not in dataset:
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    for step in dataset['pipeline']:
        if step['type'].endswith('MultiView'):
            counts = step['num_views']
            return counts if isinstance(counts, int) else sum(counts)
    return 1


def write_block(path: Path, text: str) -> None:
    """Put the table between two marks of a file, which may have more text.

    Raises:
        ConfigError: If the file is there but has not the marks once each, in
            order.
    """
    page = path.read_text() if path.is_file() else ''.join(marks(LABEL))
    replace_text(path, replace_block(page, LABEL, text, where=str(path)))
