"""Judge features by a method of the literature.

Usage:
    python tools/evaluate.py METHOD CONFIG CHECKPOINT [--out SCORES.json]
    python tools/evaluate.py METHOD TRAIN.npz TEST.npz [--out SCORES.json]

METHOD --help tells what else can be said. Files of features are those of
tools/extract_features.py. The JSON names metric, split, number of images,
seed, source and versions.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

from common import run_tool  # isort: skip  (checks the installation first)
from files import write_json
from mmengine.dist import is_main_process
from scoring import (
    clusters,
    finetune,
    knn,
    layers,
    linear,
    retrieval,
    svm,
    transfer,
)

METHODS: dict[str, ModuleType] = dict(
    knn=knn,
    linear=linear,
    layers=layers,
    finetune=finetune,
    svm=svm,
    retrieval=retrieval,
    clusters=clusters,
    transfer=transfer,
)


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    methods = parser.add_subparsers(
        dest='method', metavar='METHOD', required=True
    )
    for name, module in METHODS.items():
        method = methods.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawTextHelpFormatter,
        )
        module.add_arguments(method)
        method.add_argument(
            '--out', type=Path, help='JSON file to write the scores to'
        )
    return parser.parse_args()


def evaluate(args: argparse.Namespace) -> None:
    """Evaluate as the command line says."""
    if args.out is not None and args.out.suffix != '.json':
        raise ValueError(f'--out ({args.out}) must end with .json')
    if args.out is not None:
        # Now, and not when hours of work are to be written there.
        args.out.parent.mkdir(parents=True, exist_ok=True)
    report = METHODS[args.method].evaluate(args)
    if not is_main_process():
        return
    report.show(args.method)
    if args.out is not None:
        write_json(args.out, report.as_dict(args.method))
        print(f'Scores are in {args.out}.')


if __name__ == '__main__':
    run_tool(evaluate, parse_args())
