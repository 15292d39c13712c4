from .round_loop import RoundBasedTrainLoop
from .round_state import RoundState

__all__ = ['RoundBasedTrainLoop', 'RoundState']
