"""What compared methods must have in common."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import ConfigError, check_config, check_overrides
from mmengine.config import Config

from mmisl.engine.loops import RoundSchedule

# Of a value that is shown whole in an error; a list of indices is not.
_LINE_CHARS = 240


@dataclass(frozen=True)
class Budget:
    """What all compared methods must have in common.

    Attributes:
        images: Data set and its options, but for the transforms and for
            where the images are kept.
        epochs: Encoder epochs.
        batch_size: Images of an iteration.
        backbone: Its config, but for ``norm_cfg``: MoCo on one device needs
            statistics of parts of the batch, over the same weights.
        knn: Voters and temperature of the kNN score.
    """

    images: str
    epochs: int
    batch_size: int
    backbone: str
    knn: str

    @classmethod
    def of(cls, cfg: Config) -> Budget:
        """Read it from a config."""
        dataset = cfg.train_dataloader.dataset.to_dict()
        backbone = cfg.model.backbone.to_dict()
        backbone.pop('norm_cfg', None)
        return cls(
            images=as_text(images_of(dataset)),
            epochs=schedule_of(cfg).total_epochs,
            batch_size=cfg.train_dataloader.batch_size,
            backbone=as_text(backbone),
            knn=as_text(knn_settings(cfg)),
        )


def read_configs(
    paths: list[Path], options: dict[str, Any]
) -> dict[Path, Config]:
    """Read and check all configs before anything is trained.

    Raises:
        ConfigError: If a config has a slip, if two have the same name, or if
            their budgets differ.
    """
    configs = {}
    for path in paths:
        if not path.is_file():
            raise ConfigError(f'config {path} does not exist')
        cfg = Config.fromfile(path)
        check_overrides(cfg, options)
        cfg.merge_from_dict(options)
        check_config(cfg)
        configs[path] = cfg
    names = [path.stem for path in configs]
    if len(set(names)) < len(paths):
        raise ConfigError(
            f'configs must have different names, got {", ".join(names)}'
        )
    first, *others = configs
    expected = Budget.of(configs[first])
    for path in others:
        budget = Budget.of(configs[path])
        for field, value in vars(expected).items():
            own = getattr(budget, field)
            if own != value:
                raise ConfigError(
                    f'{path} and {first} differ in {field}: '
                    f'{" and ".join(where_they_differ(str(own), str(value)))}'
                    '; methods are compared with one budget'
                )
    return configs


def knn_settings(cfg: Config) -> dict[str, Any]:
    """``k`` and ``temperature`` of the config's ``KNNMetric``.

    Raises:
        ConfigError: If it has none.
    """
    evaluators = cfg.get('val_evaluator') or []
    if isinstance(evaluators, dict):
        evaluators = [evaluators]
    for evaluator in evaluators:
        if short_type(evaluator) == 'KNNMetric':
            return dict(
                k=evaluator.get('k', 200),
                temperature=evaluator.get('temperature', 0.1),
            )
    raise ConfigError(
        'val_evaluator: has no KNNMetric, whose k and temperature methods '
        "are scored with; add dict(type='KNNMetric')"
    )


def schedule_of(cfg: Config) -> RoundSchedule:
    """Rounds and epochs of a config."""
    encoder = dict(cfg.train_cfg.encoder)
    encoder.pop('restart_lr', None)
    encoder = {'first_epochs': encoder['max_epochs'], **encoder}
    encoder.setdefault('val_interval', 1)
    return RoundSchedule(max_rounds=cfg.train_cfg.max_rounds, **encoder)


def images_of(node: Any) -> Any:
    """Which images a data set's config names, whatever is done to them.

    Transforms are left out, and a set that keeps its images on the device is
    the set that reads them.
    """
    if isinstance(node, dict):
        if 'type' in node and short_type(node) == 'ResidentDataset':
            node = dict(type='InstanceDataset', dataset=node['dataset'])
        return {
            key: images_of(value)
            for key, value in node.items()
            if key != 'pipeline'
        }
    if isinstance(node, list):
        return [images_of(item) for item in node]
    return node


def short_type(node: dict[str, Any]) -> str:
    """What a config names with ``type``, without a scope."""
    return node['type'].rpartition('.')[2]


def where_they_differ(*texts: str) -> list[str]:
    """Texts for one line: of long ones, what stands about the difference."""
    if max(map(len, texts)) <= _LINE_CHARS:
        return [*texts]
    begin = max(0, len(os.path.commonprefix(texts)) - _LINE_CHARS // 2)
    end = begin + _LINE_CHARS
    return [
        f'{"..." if begin else ""}{text[begin:end]}'
        f'{"..." if end < len(text) else ""}'
        for text in texts
    ]


def as_text(value: Any) -> str:
    """One text for one value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, default=str)
