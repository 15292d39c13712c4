"""AP50 of a finished training, by both of VOC's rules."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import ConfigError
from comparison.runs import ROOT
from mmengine.config import Config

from mmisl.runs import read_scalars

from .runs import CellRun, length_of

# Prefix of each VOCMetric, and the rule that it must have.
METRICS = dict(voc07='11points', area='area')
# Of one threshold mAP is AP50, which VOCMetric rounds to a tenth of a point.
_KEYS = {name: f'{name}/mAP' for name in METRICS}
_THRESHOLD = 0.5
_NEEDED = ', '.join(
    f"dict(type='VOCMetric', metric='mAP', eval_mode={mode!r}, "
    f'prefix={name!r})'
    for name, mode in METRICS.items()
)


def check_metrics(cfg: Config, path: str) -> None:
    """Insist that a config measures what the table shows.

    Raises:
        ConfigError: If validation or test lack a metric.
    """
    for key in ('val_evaluator', 'test_evaluator'):
        evaluators = cfg.get(key) or []
        if isinstance(evaluators, Mapping):
            evaluators = [evaluators]
        found = {
            e.get('prefix'): e.get('eval_mode', '11points')
            for e in evaluators
            if e.get('iou_thrs', _THRESHOLD) in (_THRESHOLD, [_THRESHOLD])
            and e.get('metric', 'mAP') in ('mAP', ['mAP'])
        }
        if not METRICS.items() <= found.items():
            raise ConfigError(
                f'{path}: {key} must have mAP at IoU {_THRESHOLD} by both '
                f'rules, [{_NEEDED}]; got {evaluators}'
            )


def scores_of(run: CellRun, cfg: Config) -> dict[str, float]:
    """AP50 of the last checkpoint in percent, by name of the metric.

    It is what the validation after the last step has logged; where a kill
    came between that step and the validation, tools/test.py makes up for it.

    Raises:
        RuntimeError: If the checkpoint cannot be tested.
    """
    logged = _logged(run.folder, length_of(cfg))
    found = logged or _tested(run)
    return {name: 100 * found[key] for name, key in _KEYS.items()}


def _logged(folder: Path, step: int) -> dict[str, Any] | None:
    found = None
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for record in read_scalars(path):
            is_last = record.get('step') == step
            if is_last and set(_KEYS.values()) <= record.keys():
                found = record
    return found


def _tested(run: CellRun) -> dict[str, Any]:
    out = run.folder / 'metrics.json'
    command = [
        sys.executable,
        str(ROOT / 'tools' / 'test.py'),
        str(run.config),
        str(run.checkpoint),
        '--work-dir',
        str(run.folder),
        '--out',
        str(out),
    ]
    if run.options:
        pairs = [f'{key}={value}' for key, value in run.options.items()]
        command += ['--cfg-options', *pairs]
    with open(run.log, 'a') as log:
        status = subprocess.run(
            command, stdout=log, stderr=subprocess.STDOUT
        ).returncode
    if status:
        raise RuntimeError(f'{run.checkpoint} cannot be tested; see {run.log}')
    return json.loads(out.read_text())
