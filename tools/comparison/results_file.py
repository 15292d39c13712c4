"""All numbers of a comparison as one file, which results are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from saved_results import results_file

from mmisl.apis import build_loader, loader_config

from .budget import Budget, knn_settings
from .edge_meter import EdgeMeter
from .runs import digest_in
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
        dict[str, Any]: A file of results with its ``budget``.
    """
    cfg = next(iter(configs.values()))
    budget = Budget.of(cfg)
    meter = EdgeMeter(cfg, work_dir)
    _, test_images = build_loader(loader_config(cfg, 'val'))
    views = {path.stem: num_views(c) for path, c in configs.items()}
    return results_file(
        'methods',
        title=title,
        command=command,
        budget=dict(
            images=meter.num_images,
            test_images=test_images.num_instances,
            epochs=budget.epochs,
            batch_size=budget.batch_size,
            knn=knn_settings(cfg),
        ),
        runs=[_run(result, views, meter, work_dir) for result in results],
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
    return {
        **result,
        'config_sha256': digest_in(folder),
        'views': views[name],
        'rounds': meter.complete(result['rounds'], folder),
    }
