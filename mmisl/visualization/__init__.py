from .curves import draw_curves
from .neighbor_grid import draw_neighbor_grid, nearest_neighbors

__all__ = [
    'draw_curves',
    'draw_neighbor_grid',
    'nearest_neighbors',
]
