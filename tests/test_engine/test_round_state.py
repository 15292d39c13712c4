from dataclasses import astuple, replace
from itertools import product

import pytest

from mmisl.engine.loops.round_state import RoundSchedule, RoundState

# Rounds 1 to 4, epochs 1 to 5, epochs of round 0 0 to 5, interval 0 to 4.
SCHEDULES = [
    RoundSchedule(*numbers)
    for numbers in product(range(1, 5), range(1, 6), range(6), range(5))
    if numbers[0] > 1 or numbers[2] > 0
]


def plan(schedule):
    """What a run does, by plain loops: (stage, round, epochs finished)."""
    lengths = [schedule.first_epochs]
    lengths += [schedule.max_epochs] * (schedule.max_rounds - 1)
    steps, finished = [], 0
    for round_idx, length in enumerate(lengths):
        for _ in range(length):
            steps.append(('encoder', round_idx, finished))
            finished += 1
            interval = schedule.val_interval
            if finished == sum(lengths) or (
                interval > 0 and finished % interval == 0
            ):
                steps.append(('validation', round_idx, finished))
        if round_idx < len(lengths) - 1:
            steps.append(('mining', round_idx, finished))
    return steps


def walk(schedule, state=None, finished=0):
    """What a loop that asks ``advance`` does, and the states it saves."""
    steps, states = [], []
    state = state or schedule.first_state()
    while not schedule.is_finished(state):
        assert len(steps) < 100, 'the run never ends'
        states.append(state)
        steps.append((state.stage, state.round, finished))
        finished += state.stage == 'encoder'
        state = state.advance(schedule)
    return steps, [*states, state]


def test_advance__runs_the_plan():
    for schedule in SCHEDULES:
        steps, _ = walk(schedule)
        assert steps == plan(schedule)
        stages = [stage for stage, _, _ in steps]
        assert stages.count('encoder') == schedule.total_epochs
        assert stages.count('mining') == schedule.max_rounds - 1
        assert stages[-1] == 'validation'


def test_advance__a_resumed_run_does_the_rest():
    for schedule in SCHEDULES[::3]:
        steps, states = walk(schedule)
        for position, state in enumerate(states[:-1]):
            restored = RoundState(**state.as_dict())
            finished = steps[position][2]
            assert walk(schedule, restored, finished)[0] == steps[position:]


def test_advance__more_rounds_go_on_where_a_run_ended():
    for schedule in SCHEDULES:
        _, states = walk(schedule)
        longer = replace(schedule, max_rounds=schedule.max_rounds + 2)
        rest, _ = walk(longer, states[-1], schedule.total_epochs)
        begin = plan(longer).index(
            ('mining', schedule.max_rounds - 1, schedule.total_epochs)
        )
        assert rest == plan(longer)[begin:]


def test_advance__epoch_counts_inside_the_round():
    for schedule in SCHEDULES:
        steps, states = walk(schedule)
        for (_, round_idx, finished), state in zip(steps, states):
            assert schedule.first_epoch_of(round_idx) + state.epoch == finished
            limit = schedule.epochs_of(round_idx)
            assert state.epoch < limit + (state.stage != 'encoder')


def test_advance__example():
    schedule = RoundSchedule(2, max_epochs=1, first_epochs=2, val_interval=2)
    _, states = walk(schedule)
    assert [astuple(state) for state in states] == [
        (0, 'encoder', 0),
        (0, 'encoder', 1),
        (0, 'validation', 2),
        (0, 'mining', 2),
        (1, 'encoder', 0),
        (1, 'validation', 1),
        (1, 'mining', 1),
    ]


@pytest.mark.parametrize(
    'state, finished',
    [
        (RoundState(0, 'mining', 2), False),
        (RoundState(1, 'encoder', 0), False),
        (RoundState(1, 'validation', 1), False),
        (RoundState(1, 'mining', 1), True),
    ],
)
def test_is_finished__only_before_the_last_mining(state, finished):
    schedule = RoundSchedule(2, max_epochs=1, first_epochs=2, val_interval=2)
    assert schedule.is_finished(state) is finished


def test_as_dict__holds_plain_values():
    assert RoundState(2, 'mining', 5).as_dict() == dict(
        round=2, stage='mining', epoch=5
    )


def test_schedule__epochs_add_up():
    for schedule in SCHEDULES:
        begin = 0
        for round_idx in range(schedule.max_rounds):
            assert schedule.first_epoch_of(round_idx) == begin
            begin += schedule.epochs_of(round_idx)
        assert schedule.total_epochs == begin
        assert schedule.epochs_of(0) == schedule.first_epochs


def test_first_state__without_epochs_a_run_begins_by_mining():
    schedule = RoundSchedule(2, max_epochs=1, first_epochs=0, val_interval=1)
    _, states = walk(schedule)
    assert [astuple(state) for state in states] == [
        (0, 'mining', 0),
        (1, 'encoder', 0),
        (1, 'validation', 1),
        (1, 'mining', 1),
    ]


@pytest.mark.parametrize('name', ['max_rounds', 'max_epochs', 'first_epochs'])
def test_schedule__number_below_one_is_named(name):
    schedule = RoundSchedule(1, max_epochs=1, first_epochs=1, val_interval=0)
    with pytest.raises(ValueError, match=f'{name} must be >= .*, got 0'):
        replace(schedule, **{name: 0})


def test_schedule__negative_interval_is_named():
    with pytest.raises(ValueError, match='val_interval must be >= 0.*got -1'):
        RoundSchedule(1, max_epochs=1, first_epochs=1, val_interval=-1)
