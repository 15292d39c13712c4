from .curves import draw_curves
from .neighbor_grid import draw_neighbor_grid, nearest_neighbors
from .number_curves import NumberCurve, draw_number_curves
from .plain_text import clean, missing_characters, plain_text
from .positives_figure import (
    RoundPositives,
    RunPositives,
    draw_positives,
)
from .saving import save_figure
from .wandb_backend import WandbBackend

__all__ = [
    'NumberCurve',
    'RoundPositives',
    'RunPositives',
    'WandbBackend',
    'clean',
    'draw_curves',
    'draw_neighbor_grid',
    'draw_number_curves',
    'draw_positives',
    'missing_characters',
    'nearest_neighbors',
    'plain_text',
    'save_figure',
]
