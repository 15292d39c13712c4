"""All numbers of a comparison as one file, which results are drawn from."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import ConfigError
from mmengine.config import Config

from mmisl.apis import build_loader, loader_config
from mmisl.engine.run_facts import machine, versions

from .budget import Budget, knn_settings
from .edge_meter import EdgeMeter
from .runs import Run
from .scores import PIXELS, UNTRAINED
from .table import num_views


def results_document(
    results: Sequence[Mapping[str, Any]],
    configs: Mapping[Path, Config],
    *,
    title: str,
    command: str,
    work_dir: Path,
) -> dict[str, Any]:
    """What ``--save`` writes.

    Args:
        results (Sequence[Mapping]): One a method and seed.
        configs (Mapping[Path, Config]): Of the methods, with one budget.
        title (str): Names the comparison.
        command (str): That makes the numbers.
        work_dir (Path): Of all runs.

    Returns:
        dict[str, Any]: Plain values: ``kind``, ``title``, ``command``,
        ``date``, ``versions``, ``machine``, ``budget`` and ``runs``.
    """
    cfg = next(iter(configs.values()))
    budget = Budget.of(cfg)
    meter = EdgeMeter(cfg, work_dir)
    _, test_images = build_loader(loader_config(cfg, 'val'))
    views = {path.stem: num_views(c) for path, c in configs.items()}
    return dict(
        kind='methods',
        title=title,
        command=command,
        date=time.strftime('%Y-%m-%d'),
        versions=versions(),
        machine=machine(),
        budget=dict(
            images=meter.num_images,
            test_images=test_images.num_instances,
            epochs=budget.epochs,
            batch_size=budget.batch_size,
            knn=knn_settings(cfg),
        ),
        runs=[_run(result, views, meter, work_dir) for result in results],
    )


def check_save(path: Path, runs: Sequence[Run]) -> None:
    """Refuse to write over runs that would be lost.

    Args:
        path (Path): File to save to, which need not exist.
        runs (Sequence[Run]): All that are wanted.

    Raises:
        ConfigError: If the file is of something else, or has a run that is
            not among the finished ones.
    """
    if not path.is_file():
        return
    try:
        held = json.loads(path.read_text())['runs']
        saved = {(run['name'], run['seed']) for run in held}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f'--save {path} is no file of results; name another file'
        ) from error
    finished = {(run.name, run.seed) for run in runs if run.result.is_file()}
    lost = sorted(
        (name, seed)
        for name, seed in saved - finished
        if name not in (PIXELS, UNTRAINED)
    )
    if lost:
        name, seed = lost[0]
        raise ConfigError(
            f'--save {path} has {len(lost)} runs that this command would '
            f'lose, such as {name} (seed {seed}), which is not finished in '
            'the work dir, or not asked for; name another file'
        )


def _run(
    result: Mapping[str, Any],
    views: Mapping[str, int],
    meter: EdgeMeter,
    work_dir: Path,
) -> dict[str, Any]:
    name = result['name']
    if name not in views:  # a baseline, which nothing was trained for
        return dict(result)
    folder = work_dir / name / f'seed{result["seed"]}'
    rounds = meter.complete(result['rounds'], folder)
    return {**result, 'views': views[name], 'rounds': rounds}
