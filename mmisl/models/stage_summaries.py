"""What the stages between two rounds tell of themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class StageSummary:
    """What one stage did.

    Attributes:
        seconds: Wall time of the stage.
    """

    seconds: float

    def as_scalars(self) -> dict[str, float]:
        """Numbers to be logged, by name."""
        return asdict(self)


@dataclass(frozen=True)
class MiningSummary(StageSummary):
    """What one mining stage did.

    Attributes:
        num_candidates: Directed pairs proposed.
        num_requested: New undirected edges the quota asked for.
        num_accepted: New undirected edges inserted.
        observations: Further numbers of the miner, to be logged by name.
    """

    num_candidates: int
    num_requested: int
    num_accepted: int
    observations: dict[str, float]

    def as_scalars(self) -> dict[str, float]:
        """See :class:`StageSummary`; ``observations`` by their own names."""
        return dict(
            candidates=self.num_candidates,
            edges_requested=self.num_requested,
            edges_accepted=self.num_accepted,
            seconds=self.seconds,
            **self.observations,
        )


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
