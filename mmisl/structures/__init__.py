from .cluster_assignments import ClusterAssignments
from .mining_snapshot import (
    MiningSnapshot,
    list_snapshots,
    snapshot_path,
    snapshot_round,
)
from .neighbor_graph import NeighborGraph
from .scored_edges import ScoredEdges

__all__ = [
    'ClusterAssignments',
    'MiningSnapshot',
    'NeighborGraph',
    'ScoredEdges',
    'list_snapshots',
    'snapshot_path',
    'snapshot_round',
]
