from .cluster_assignments import ClusterAssignments
from .neighbor_graph import NeighborGraph

__all__ = ['ClusterAssignments', 'NeighborGraph']
