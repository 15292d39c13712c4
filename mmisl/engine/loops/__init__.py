from .round_loop import RoundBasedTrainLoop
from .round_state import RoundSchedule, RoundState

__all__ = ['RoundBasedTrainLoop', 'RoundSchedule', 'RoundState']
