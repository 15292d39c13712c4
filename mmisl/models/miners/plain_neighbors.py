"""The control beside every mined graph: plain nearest neighbours."""

from __future__ import annotations

from mmisl.structures import NeighborGraph

from .edge_selection import Candidates, select_edges, trim
from .knn_miner import KNNMiner
from .rows import Rows

# Nearest rows proposed per sample, in units of the mean degree asked for:
# more would be needed only by samples of twice the degree.
_DEPTH = 2
_MIN_DEPTH = 10


def plain_neighbors(rows: Rows, num_edges: int) -> Candidates:
    """The most similar pairs, as :class:`KNNMiner` would mine them.

    Args:
        rows (Rows): (N, D) float, norm 1.
        num_edges (int): Undirected edges wanted.

    Returns:
        Candidates: ``src < dst``, their score the cosine, best first, the
        same on all ranks; fewer than ``num_edges`` where samples have too
        few others.
    """
    graph = NeighborGraph(len(rows)).to(rows.device)
    degree = 2 * num_edges / len(rows)
    miner = KNNMiner(max(_MIN_DEPTH, int(_DEPTH * degree) + 1))
    candidates, _ = miner.propose([], rows, graph, seed=0)
    # Half an edge more, so that no rounding takes one away.
    quota = degree + 1 / len(rows)
    candidates = trim(candidates, graph, quota)
    return select_edges(candidates.gather(), graph, quota)
