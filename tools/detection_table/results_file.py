"""All numbers of a table as one file, which results are drawn from."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope
from saved_results import results_file

from .published import published
from .runs import CellRun, length_of
from .scores import METRICS

_RESULT_KEYS = (*METRICS, 'seconds', 'commit')


def detection_document(
    runs: Sequence[CellRun],
    configs: Mapping[str, Config],
    *,
    title: str,
    command: str,
) -> dict[str, Any]:
    """What ``--save`` writes.

    Args:
        runs (Sequence[CellRun]): The finished ones, at least one.
        configs (Mapping[str, Config]): By the name of the cell.
        title (str): Names the table.
        command (str): That makes the numbers.

    Returns:
        dict[str, Any]: A file of results with its ``detector``.
    """
    names = dict.fromkeys(run.name for run in runs)
    return results_file(
        'detectors',
        title=title,
        command=command,
        detector=_in_common(_facts(configs[name]) for name in names),
        runs=[_run(run) for run in runs],
    )


def _facts(cfg: Config) -> dict[str, Any]:
    """What a detector was trained and tested on, and how long."""
    steps = 'iterations' if cfg.train_cfg.get('max_iters') else 'epochs'
    return dict(
        images=_num_images(cfg.train_dataloader.dataset),
        test_images=_num_images(cfg.val_dataloader.dataset),
        batch_size=cfg.train_dataloader.batch_size,
        **{steps: length_of(cfg)},
    )


def _num_images(dataset: Config) -> int:
    # Needs the compiled ops that reading the configs has looked for.
    import mmdet.datasets  # noqa: F401
    from mmdet.registry import DATASETS

    import mmisl.detection  # noqa: F401

    with DefaultScope.overwrite_default_scope('mmdet'):
        return len(DATASETS.build(copy.deepcopy(dataset)))


def _in_common(facts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Those that all detectors agree on."""
    first, *others = facts
    return {
        key: value
        for key, value in first.items()
        if all(other.get(key) == value for other in others)
    }


def _run(run: CellRun) -> dict[str, Any]:
    result = json.loads(run.result.read_text())
    cell = run.cell
    return dict(
        name=run.name,
        seed=run.seed,
        config=cell.config,
        checkpoint=cell.checkpoint,
        **{key: result[key] for key in _RESULT_KEYS},
        config_sha256=result['settings']['config sha256'],
        checkpoint_sha256=result['settings']['checkpoint sha256'],
        supplement=published(cell.published) if cell.published else None,
    )
