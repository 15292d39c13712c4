from .neighbor_graph import NeighborGraph

__all__ = ['NeighborGraph']
