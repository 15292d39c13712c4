"""Where a run in rounds stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class RoundSchedule:
    """The plan of a run.

    Attributes:
        max_rounds: Rounds, each of encoder epochs; all but the last end with
            mining.
        max_epochs: Encoder epochs of a round.
        first_epochs: Encoder epochs of round 0. Neighbours mined from
            features that are still poor cost accuracy, so it may be longer;
            0 mines before anything is trained, as DeepCluster does.
        val_interval: Encoder epochs, counted over all rounds, between
            validations; 0 means only at the end of the run.
    """

    max_rounds: int
    max_epochs: int
    first_epochs: int
    val_interval: int

    def __post_init__(self) -> None:
        for name in ('max_rounds', 'max_epochs'):
            if getattr(self, name) < 1:
                raise ValueError(
                    f'{name} must be >= 1, got {getattr(self, name)}'
                )
        if self.first_epochs < (self.max_rounds == 1):
            raise ValueError(
                'first_epochs must be >= 0, and >= 1 where max_rounds is 1, '
                f'got {self.first_epochs}'
            )
        if self.val_interval < 0:
            raise ValueError(
                'val_interval must be >= 0 (0 validates at the end only), '
                f'got {self.val_interval}'
            )

    @property
    def total_epochs(self) -> int:
        """Encoder epochs over all rounds."""
        return self.first_epochs + (self.max_rounds - 1) * self.max_epochs

    def first_state(self) -> RoundState:
        """Where a run begins."""
        return RoundState(stage='encoder' if self.first_epochs else 'mining')

    def epochs_of(self, round_idx: int) -> int:
        """Encoder epochs of one round."""
        return self.first_epochs if round_idx == 0 else self.max_epochs

    def is_finished(self, state: RoundState) -> bool:
        """Whether nothing is left to run: no mining after the last round.

        Nothing would train on edges mined then. A finished run that is
        resumed with more rounds goes on with the mining it left out.
        """
        return state.stage == 'mining' and state.round + 1 >= self.max_rounds

    def first_epoch_of(self, round_idx: int) -> int:
        """Encoder epochs before a round, over all rounds."""
        if round_idx == 0:
            return 0
        return self.first_epochs + (round_idx - 1) * self.max_epochs


@dataclass(frozen=True)
class RoundState:
    """What to run NEXT. Saved with every checkpoint.

    The order is ``encoder`` epochs with a ``validation`` after some of them,
    then ``mining``, then the next round.

    Attributes:
        round: From 0.
        stage: ``'encoder'``, ``'validation'`` or ``'mining'``.
        epoch: Encoder epochs of this round that are finished.
    """

    round: int = 0
    stage: str = 'encoder'
    epoch: int = 0

    def advance(self, schedule: RoundSchedule) -> RoundState:
        """The state after the present stage (one epoch of it) has run."""
        if self.stage == 'encoder':
            state = replace(self, epoch=self.epoch + 1)
            if state._validates(schedule):
                return replace(state, stage='validation')
            return state._after_epoch(schedule)
        if self.stage == 'validation':
            return self._after_epoch(schedule)
        return RoundState(self.round + 1, 'encoder', 0)

    def as_dict(self) -> dict[str, int | str]:
        """Plain values, for a checkpoint."""
        return asdict(self)

    def _validates(self, schedule: RoundSchedule) -> bool:
        total = schedule.first_epoch_of(self.round) + self.epoch
        due = schedule.val_interval and total % schedule.val_interval == 0
        return bool(due) or total == schedule.total_epochs

    def _after_epoch(self, schedule: RoundSchedule) -> RoundState:
        if self.epoch < schedule.epochs_of(self.round):
            return replace(self, stage='encoder')
        return replace(self, stage='mining')
