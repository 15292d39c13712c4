"""Positives that a miner looks for, whatever the encoder learns by."""

from __future__ import annotations

from mmisl.structures import NeighborGraph

from ..miners import Views, build_miner
from ..stage_summaries import MiningSummary
from .base import EngineContract


class MinedPositives(EngineContract):
    """Part of an algorithm with a bank: a miner and the graph it adds to.

    Stands before the algorithm among the base classes; its constructor, which
    has a bank by then, calls :meth:`_add_miner`.
    """

    mining_views = 'augmented'

    def _add_miner(self, miner: dict) -> None:
        """Build the miner, and a graph without edges.

        Args:
            miner (dict): Of a miner.

        Raises:
            ValueError: If miner and memory disagree on the size of a feature.
        """
        self.miner = build_miner(miner, self.memory.feat_dim)
        self.min_mining_views = self.miner.min_views
        self.graph = NeighborGraph(self.memory.num_samples)

    def check_mining(self, num_samples: int) -> None:
        """See :class:`EngineContract`."""
        self.miner.check_inputs(num_samples)

    def mine(self, views: Views, quota: float, seed: int) -> MiningSummary:
        """Mine new edges from the features of the frozen encoder.

        Args:
            views (Views): V of (N, D) float, norm 1, on the bank's device,
                sharded where the bank is.
            quota (float): Mean neighbours per sample to reach.
            seed (int): Of everything random in this stage.

        Returns:
            MiningSummary: What was proposed and inserted.
        """
        return self.miner.mine(
            views, self.memory.rows, self.graph, quota, seed=seed
        )
