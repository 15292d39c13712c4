"""All that can be found out of one run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from mmengine.config import Config

from mmisl.config_check import check_overrides
from mmisl.runs import RunRecord, read_run

from .data_folders import search_places
from .features import bank_of, clusters_of, encode_images
from .gallery import Round, read_rounds
from .run_images import RunImages, read_images
from .selection import Selection
from .views import draw_views

T = TypeVar('T')


@dataclass
class CollectedRun:
    """A run, as far as it can be read.

    Attributes:
        record: What its folder tells.
        config: That it was trained with, or that was named in its place, with
            the overrides of the command line; None where there is none.
        images: That it was trained on; None where they are not at hand.
        rounds: What it has mined.
        warnings: What is missing, and how to get it, a line each.
    """

    record: RunRecord
    config: Config | None = None
    images: RunImages | None = None
    rounds: list[Round] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def num_images(self) -> int:
        """N; 0 where nothing tells."""
        if self.images is not None:
            return len(self.images)
        return len(self.rounds[0].neighbors) if self.rounds else 0

    @property
    def data_key(self) -> str:
        """The same for runs over the same images."""
        if self.images is not None:
            return self.images.key
        return str(self.record.work_dir.resolve())

    @property
    def seed(self) -> int:
        """Of the run."""
        told = self.record.info.get('seed')
        if told is None and self.config is not None:
            told = (self.config.get('randomness') or {}).get('seed')
        return int(told or 0)

    @property
    def places(self) -> list[Path]:
        """Where relative paths of the run may start."""
        return search_places(self.record.work_dir)

    def warn(self, text: str) -> None:
        """Note something that is missing; the same line only once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def attempt(self, what: str, function: Callable[[], T]) -> T | None:
        """The value of a function, or None and a warning that it failed.

        A config is a program and a data set can be anything, so any error
        is expected: the rest of the report is worth having.
        """
        try:
            return function()
        except Exception as error:
            text = ' '.join(str(error).split()) or type(error).__name__
            self.warn(f'{what}: {text}')
            return None

    def features(self, selection: Selection | None) -> np.ndarray | None:
        """(M, D) features of the shown images, from bank or network."""
        checkpoint = self.record.checkpoint
        if checkpoint is None:
            self.warn(
                'no map: the run has left no whole checkpoint; go on with '
                '--resume until it writes one'
            )
            return None
        features = self.attempt('no map', lambda: bank_of(checkpoint))
        config = self.config
        if features is None and config is not None and self.images:
            features = self.attempt(
                'no map',
                lambda: encode_images(config, checkpoint, self.places),
            )
        if features is None:
            return None
        if self.num_images not in (0, len(features)):
            self.warn(
                f'no map: {checkpoint} is of {len(features)} images, but '
                f'the data set has {self.num_images}'
            )
            return None
        return features if selection is None else features[selection.rows]

    def clusters(self, selection: Selection | None) -> np.ndarray | None:
        """(M,) int32, cluster of every shown image; None without clusters."""
        checkpoint = self.record.checkpoint
        if checkpoint is None:
            return None
        found = self.attempt('no clusters', lambda: clusters_of(checkpoint))
        if found is None or self.num_images not in (0, len(found)):
            return None
        return found if selection is None else found[selection.rows]

    def views(
        self, num_images: int, num_views: int, selection: Selection | None
    ) -> list[dict[str, Any]]:
        """Augmented views; see :func:`draw_views`. Empty without images."""
        images, config = self.images, self.config
        if images is None or config is None or num_views < 1:
            return []
        drawn = self.attempt(
            'no augmented views',
            lambda: draw_views(
                images.dataset,
                config,
                num_images=num_images,
                num_views=num_views,
                seed=self.seed,
                rows=None if selection is None else selection.rows,
            ),
        )
        return drawn or []


def collect_run(
    work_dir: str | Path,
    *,
    max_neighbors: int,
    config: Config | None = None,
    overrides: dict[str, Any] | None = None,
) -> CollectedRun:
    """Read a run; what is missing becomes a warning.

    Args:
        work_dir (str | Path): Of the run.
        max_neighbors (int): Most similar neighbours of each image.
        config (Config, optional): To take in place of the run's.
        overrides (dict, optional): Settings that replace those of the
            config, by dotted key.

    Raises:
        ConfigError: If an override names no setting.
        FileNotFoundError, ValueError: If this is no work dir.
    """
    record = read_run(work_dir)
    run = CollectedRun(record)
    chosen = record.config if config is None else config
    if chosen is None:
        run.warn(
            'no images: the run has left no config that can be read; name '
            'it with --config'
        )
    else:
        # Deep: paths in it are made absolute.
        run.config = copy.deepcopy(chosen)
        check_overrides(run.config, overrides or {})
        run.config.merge_from_dict(overrides or {})
        run.images = run.attempt(
            'no images', lambda: read_images(run.config, run.places)
        )
    run.rounds = read_rounds(
        record.snapshots,
        num_neighbors=max_neighbors,
        num_images=None if run.images is None else len(run.images),
        labels=None if run.images is None else run.images.labels,
        warn=run.warn,
    )
    _warn_of_mining(run)
    return run


def _warn_of_mining(run: CollectedRun) -> None:
    """Say why there is nothing to look at, where there could be."""
    record = run.record
    if record.snapshots:
        return
    train_cfg = (record.config or {}).get('train_cfg') or {}
    if any('mining/round' in scalars for scalars in record.scalars):
        run.warn(
            'no mined neighbours: the run left no snapshots in '
            f"{record.work_dir}/mining; add dict(type='MiningSnapshotHook') "
            'to custom_hooks and train again'
        )
    elif train_cfg.get('max_rounds', 1) > 1:
        run.warn(
            'no mined neighbours: the run stopped before its first mining '
            'ended; go on with --resume'
        )
