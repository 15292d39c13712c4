"""What the stages between two rounds tell of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .miners import Candidates, Rows


@dataclass(frozen=True)
class StageSummary:
    """What one stage did.

    Attributes:
        seconds: Wall time of the stage.
        rows: (N, D) float, norm 1, by which the positives are described and
            compared with plain neighbours: those of the bank, also where a
            miner looks at views; of a method without a bank, those that were
            clustered. Sharded where the bank is, or the views are.
    """

    seconds: float
    rows: Rows

    def as_scalars(self) -> dict[str, float]:
        """Numbers to be logged, by name."""
        return dict(seconds=self.seconds)


@dataclass(frozen=True)
class MiningSummary(StageSummary):
    """What one mining stage did.

    Attributes:
        num_candidates: Directed pairs proposed.
        num_requested: New undirected edges the quota asked for.
        num_accepted: New undirected edges inserted.
        num_refused: Edges within the quota that the gate kept out.
        replication: How often single views find the new edges again, in
            [0, 1], mean over them, or over the refused ones where there are
            no others; None without any edge, or with a single view.
        accepted: These edges, with the miner's score.
        observations: Further numbers of the miner, to be logged by name.
    """

    num_candidates: int
    num_requested: int
    num_accepted: int
    num_refused: int
    replication: float | None
    accepted: Candidates
    observations: dict[str, float]

    def as_scalars(self) -> dict[str, float]:
        """See :class:`StageSummary`; ``observations`` by their own names."""
        scalars = dict(
            candidates=self.num_candidates,
            edges_requested=self.num_requested,
            edges_accepted=self.num_accepted,
            edges_refused=self.num_refused,
            **super().as_scalars(),
            **self.observations,
        )
        if self.replication is not None:
            scalars['replication'] = self.replication
        return scalars


@dataclass(frozen=True)
class ClusteringSummary(StageSummary):
    """What one clustering stage did.

    Attributes:
        inertia: Mean squared distance of a sample to its centroid, mean over
            the clusterings.
        num_empty: Clusters without a sample, over all clusterings.
    """

    inertia: float
    num_empty: int

    def as_scalars(self) -> dict[str, float]:
        """See :class:`StageSummary`."""
        return dict(
            inertia=self.inertia,
            num_empty=self.num_empty,
            **super().as_scalars(),
        )
