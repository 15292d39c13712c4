"""Measures the edges that runs have kept in their mining snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from positives.images import SmallImages

from mmisl.evaluation import PixelDistances, edge_numbers
from mmisl.report.data_folders import search_places
from mmisl.report.run_images import read_images
from mmisl.structures import MiningSnapshot, ScoredEdges, list_snapshots

# Numbers of a round by those of edge_numbers; counts are what runs log.
_NUMBERS = ('purity', 'max_degree', 'coverage')


class EdgeMeter:
    """Numbers of edges between the images that methods train on.

    Args:
        cfg (Config): Of a method.
        work_dir (Path): Of its runs, from where paths in it may start.

    Attributes:
        num_images (int): N.
    """

    def __init__(self, cfg: Config, work_dir: Path) -> None:
        images = read_images(Config(cfg.to_dict()), search_places(work_dir))
        self.num_images = len(images)
        self._labels = images.labels
        self._distances = PixelDistances(SmallImages(images))

    def complete(
        self, rounds: Sequence[dict[str, Any]], folder: Path
    ) -> list[dict[str, Any]]:
        """Add what the snapshots of a run tell to what it has logged.

        Args:
            rounds (Sequence[dict]): Of its minings, with their ``round``.
            folder (Path): The work dir of the run.

        Returns:
            list[dict]: The same; where there is a snapshot with ``purity``,
            ``max_degree``, ``coverage`` and ``pixel_distance``, the mean
            root mean square distance of the images that edges join, in
            [0, 1], and with ``control_purity`` and
            ``control_pixel_distance`` of as many plain nearest neighbours.

        Raises:
            ValueError: If a snapshot is over another number of images.
        """
        snapshots = {
            snapshot.round: snapshot
            for snapshot in map(MiningSnapshot.load, list_snapshots(folder))
        }
        return [
            {**entry, **self._of_snapshot(snapshots[entry['round']], folder)}
            if entry['round'] in snapshots
            else entry
            for entry in rounds
        ]

    def _of_snapshot(
        self, snapshot: MiningSnapshot, folder: Path
    ) -> dict[str, float]:
        num_samples = snapshot.edges.num_samples
        if num_samples != self.num_images:
            raise ValueError(
                f'{folder} has mined {num_samples} images, but its config '
                f'names {self.num_images}; put back the images that it was '
                'trained on'
            )
        found = self.measure(snapshot.edges)
        if snapshot.control is not None:
            control = self.measure(snapshot.control)
            for name in ('purity', 'pixel_distance'):
                if name in control:
                    found[f'control_{name}'] = control[name]
        return found

    def measure(self, edges: ScoredEdges) -> dict[str, float]:
        """Purity, largest degree, coverage and mean distance in pixels.

        Args:
            edges (ScoredEdges): Over the N images.
        """
        numbers = edge_numbers(edges, self._labels)
        found = {name: numbers[name] for name in _NUMBERS if name in numbers}
        if len(edges):
            found['pixel_distance'] = self._distances.mean_between(
                edges.src, edges.dst
            )
        return found
