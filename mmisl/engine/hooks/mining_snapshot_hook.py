"""What was mined, kept as files of the run."""

from __future__ import annotations

import logging
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmisl.registry import HOOKS
from mmisl.structures import (
    MiningSnapshot,
    ScoredEdges,
    list_snapshots,
    snapshot_path,
    snapshot_round,
)

from ..positives import graph_edges, member_edges, nearest_edges, plain_edges
from ..unwrapping import unwrap_model


@HOOKS.register_module()
class MiningSnapshotHook(Hook):
    """Writes the positives of every round to ``WORK_DIR/mining``.

    One :class:`MiningSnapshot` after each mining or clustering stage, whole
    or not at all, before the checkpoint of that stage. A stage that was cut
    short and starts anew after a resume writes the same file again. Snapshots
    of rounds that this run has yet to mine, left by an earlier run in the
    same folder, are moved to ``WORK_DIR/mining/before_TIMESTAMP`` and so can
    not be taken for its own.

    A method that clusters has far more positives than anybody looks at; of
    them the ``num_neighbors`` most similar of every sample are kept.

    Args:
        interval (int): Every so many rounds. Local Aggregation and
            DeepCluster cluster before every epoch: at 1.28 M images that is
            some 100 MB each time. Defaults to 1.
        num_neighbors (int): Of every sample, where samples are clustered.
            Defaults to 10.
        control (bool): Whether plain nearest neighbours, in the same number,
            are kept beside the positives, which costs a search of all rows
            for all rows. They are those of the bank, also where the miner
            looks at views; of a method without a bank, those of the features
            that were clustered. Defaults to True.

    Raises:
        ValueError: If ``interval`` or ``num_neighbors`` is smaller than 1.
    """

    def __init__(
        self,
        interval: int = 1,
        num_neighbors: int = 10,
        *,
        control: bool = True,
    ) -> None:
        for name, value in (
            ('interval', interval),
            ('num_neighbors', num_neighbors),
        ):
            if value < 1:
                raise ValueError(f'{name} must be >= 1, got {value}')
        self.interval = interval
        self.num_neighbors = num_neighbors
        self.control = control

    def before_train(self, runner: Runner) -> None:
        """Put aside what is of another run."""
        if not is_main_process():
            return
        state = getattr(runner.train_loop, 'state', None)
        if state is None:
            return  # a loop without rounds
        stale = [
            path
            for path in list_snapshots(runner.work_dir)
            if snapshot_round(path) >= state.round
        ]
        if not stale:
            return
        folder = stale[0].parent / f'before_{runner.timestamp}'
        folder.mkdir()
        for path in stale:
            path.rename(folder / path.name)
        print_log(
            f'{len(stale)} mining snapshots of rounds that are yet to be '
            f'mined were moved to {folder}',
            logger='current',
        )

    def after_mining(self, runner: Runner, summary) -> None:
        """Write the snapshot of the round that has ended."""
        round_idx = runner.train_loop.state.round - 1
        if round_idx % self.interval:
            return
        model = unwrap_model(runner.model)
        edges, control = self._positives(runner, model, summary, round_idx)
        if is_main_process():
            miner = getattr(model, 'miner', None)
            snapshot = MiningSnapshot(
                round=round_idx,
                epoch=runner.epoch,
                method=type(model).__name__,
                miner='' if miner is None else type(miner).__name__,
                edges=edges,
                control=control,
            )
            _save(snapshot, snapshot_path(runner.work_dir, round_idx))

    def _positives(
        self, runner: Runner, model, summary, round_idx: int
    ) -> tuple[ScoredEdges, ScoredEdges | None]:
        """Positives and control; all ranks search, one writes."""
        rows = summary.rows
        if model.graph is None:
            edges = member_edges(
                rows,
                model.clusters.assignments,
                self.num_neighbors,
                round_idx=round_idx,
            )
            if not self.control:
                return edges, None
            return edges, nearest_edges(
                rows, self.num_neighbors, round_idx=round_idx
            )
        edges = graph_edges(
            model.graph,
            rows,
            summary.accepted,
            round_idx=round_idx,
            earlier=_earlier_snapshot(Path(runner.work_dir), round_idx),
        )
        if not self.control:
            return edges, None
        return edges, plain_edges(
            rows, model.plain_neighbors(rows, len(edges))
        )


def _save(snapshot: MiningSnapshot, path: Path) -> None:
    """Write it; a full disk costs the snapshot and not the run."""
    try:
        snapshot.save(path)
    except OSError as error:
        print_log(
            f'{path} could not be written ({error}): this round will be '
            'missing in pictures and reports',
            logger='current',
            level=logging.WARNING,
        )


def _earlier_snapshot(work_dir: Path, round_idx: int) -> MiningSnapshot | None:
    """The last snapshot before a round, where it is at hand."""
    if not is_main_process():
        return None
    earlier = [
        path
        for path in list_snapshots(work_dir)
        if snapshot_round(path) < round_idx
    ]
    if not earlier:
        return None
    try:
        return MiningSnapshot.load(earlier[-1])
    except ValueError as error:
        # A picture less is no reason to end a run.
        print_log(
            f'scores of earlier rounds are unknown: {error}',
            logger='current',
            level=logging.WARNING,
        )
        return None
