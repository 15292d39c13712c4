"""Linear evaluation on the transfer sets: a row of the supplement's Table 2.

The convention of SimCLR and BYOL: what the backbone gives, pooled, of images
of 224 pixels; logistic regression whose penalty, one of 45, is chosen on the
validation part, fitted again to training and validation part; top-1 or the
mean over classes, as each set has it; Caltech-101 is a mean over 5 splits.

Sets that are not there are named and get no number. With --out, whole sets
that were scored before with the same backbone are not scored again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from common import (
    add_launcher_arguments,
    add_options_argument,
    load_config,
)
from files import write_json
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.model import BaseModel
from rich.console import Console
from torch import Tensor

from mmisl.datasets import TRANSFER_SETS
from mmisl.evaluation import TRANSFER_GRID, linear_probe
from mmisl.progress import track

from .inputs import check_unchanged, encode_set, joined, load_network
from .report import Report

HELP = 'linear probes on the six transfer sets of the supplement, and SVHN'
# In the order of the supplement.
SETS = (
    'cifar10',
    'cifar100',
    'aircraft',
    'flowers102',
    'food101',
    'caltech101',
)
MORE_SETS = ('svhn',)
NO_NUMBER = '-'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this evaluation."""
    parser.add_argument('config', help='config of the pretraining run')
    parser.add_argument('checkpoint', help='checkpoint of that run')
    parser.add_argument(
        '--sets',
        nargs='+',
        choices=SETS + MORE_SETS,
        default=SETS + MORE_SETS,
        metavar='NAME',
        help=f'of {", ".join(SETS + MORE_SETS)} (default: all)',
    )
    parser.add_argument(
        '--data',
        type=Path,
        help='folder with one folder of the name of each set\n'
        '(default: data, where tools/prepare_data.py puts them)',
    )
    add_options_argument(parser)
    add_launcher_arguments(parser)


def evaluate(args: argparse.Namespace) -> Report:
    """Score as the command line says."""
    cfg = load_config(args)
    roots = {name: data_root(name, args.data) for name in args.sets}
    model, source = load_network(cfg, args, 'backbone')
    results = earlier_results(args.out, source['backbone_sha256'])
    for name in track(args.sets, 'image sets'):
        if not roots[name].is_dir() or name in results:
            continue
        results[name] = score_set(model, name, roots[name])
        if args.out is not None and is_main_process():
            # What a run has scored is not lost when the next set fails.
            write_json(
                args.out,
                make_report(results, args, source).as_dict('transfer'),
            )
    check_unchanged(model, source)
    if not results:
        raise FileNotFoundError(
            f'none of {", ".join(map(str, roots.values()))} exists; make '
            'one: python tools/prepare_data.py NAME --from ARCHIVE_OR_FOLDER'
        )
    if is_main_process():
        console = Console(soft_wrap=True)
        console.print(row(results), markup=False)
        for line in missing_lines(results, roots):
            console.print(line, markup=False)
    return make_report(results, args, source)


def data_root(name: str, folder: Path | None) -> Path:
    """Folder of a set."""
    if folder is not None:
        return folder / name
    return Path(TRANSFER_SETS[name].data_root)


def earlier_results(out: Path | None, sha256: str) -> dict[str, Any]:
    """Results that a file has of the same backbone, by set.

    Those of a part of a set are left out: more of it may be there by now.
    """
    if out is None or not out.is_file():
        return {}
    try:
        report = json.loads(out.read_text())
        same = report['source']['backbone_sha256'] == sha256
        sets = report['details']['sets'] if same else {}
        return {k: result for k, result in sets.items() if result['is_whole']}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f'--out {out} exists and holds no scores of this command; name '
            'another file'
        ) from None


def score_set(model: BaseModel, name: str, root: Path) -> dict[str, Any]:
    """Score of one set, a mean over its splits, in percent."""
    definition = TRANSFER_SETS[name]
    scores, chosen, sizes = [], [], {}
    # Splits part the same images, each of which is encoded once.
    known: dict[str, Tensor] | None = {} if definition.num_splits > 1 else None
    for split in range(definition.num_splits):
        parts = encode_set(
            model,
            name,
            'backbone',
            data_root=str(root),
            split=split,
            known=known,
        )
        sizes = {part: len(parts[part].labels) for part in parts}
        train = joined(parts['train'], parts['val'])
        rows = torch.arange(len(train.labels)) >= sizes['train']
        result = linear_probe(
            train.feats.to(get_device()),
            train.labels,
            parts['test'].feats,
            parts['test'].labels,
            seed=split,
            grid=TRANSFER_GRID,
            val_rows=rows,
            metric=definition.metric,
            rescale=False,
        )
        scores.append(getattr(result, definition.metric))
        chosen.append(result.inverse_penalty)
    return dict(
        metric=definition.metric,
        score=statistics.mean(scores),
        scores=scores,
        inverse_penalties=chosen,
        sizes=sizes,
        is_whole=sizes == dict(definition.sizes),
    )


def make_report(
    results: dict[str, Any], args: argparse.Namespace, source: dict[str, str]
) -> Report:
    """What is known so far."""
    return Report(
        {
            f'{name} {result["metric"]}': result['score']
            for name, result in results.items()
        },
        split='test',
        num_images={k: r['sizes']['test'] for k, r in results.items()},
        seed=0,
        source=source,
        details=dict(
            sets=results,
            missing=[name for name in args.sets if name not in results],
        ),
    )


def row(results: dict[str, Any]) -> str:
    """The supplement's row, as Markdown."""
    titles = ' | '.join(TRANSFER_SETS[name].title for name in SETS)
    cells = []
    for name in SETS:
        result = results.get(name)
        if result is None:
            cells.append(NO_NUMBER)
            continue
        star = '' if result['is_whole'] else '*'
        cells.append(f'{result["score"]:.1f}{star}')
    return '\n'.join(
        (
            f'| {titles} |',
            '|' + '---|' * len(SETS),
            f'| {" | ".join(cells)} |',
        )
    )


def missing_lines(
    results: dict[str, Any], roots: dict[str, Path]
) -> list[str]:
    """One line for each set without a number, or with one of a part of it."""
    lines = []
    for name, root in roots.items():
        title = TRANSFER_SETS[name].title
        if name not in results:
            lines.append(
                f'{title}: not measured, {root} does not exist; '
                f'python tools/prepare_data.py {name} --from ARCHIVE'
            )
        elif not results[name]['is_whole']:
            sizes = results[name]['sizes']
            lines.append(
                f'{title}*: not the whole set, '
                f'{sizes["train"]} + {sizes["val"]} images for training and '
                f'{sizes["test"]} for the test; not comparable'
            )
    return lines
