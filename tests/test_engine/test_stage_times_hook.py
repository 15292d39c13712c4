"""Seconds of stages, by a clock that the test turns."""

import json
from pathlib import Path

import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from tiny_run import make_config, train, write_data

from mmisl.engine.hooks import stage_times_hook

# What each stage is made to take.
SECONDS = dict(encoder=5.0, validation=3.0, extraction=2.0, mining=11.0)


class Clock:
    """Stands still but for what a stage is said to take."""

    now = 0.0

    def perf_counter(self):
        return self.now


CLOCK = Clock()


@HOOKS.register_module()
class TurnHook(Hook):
    """Turns the clock in the middle of every stage."""

    priority = 'NORMAL'

    def after_train_iter(self, runner, batch_idx, **unused):
        if batch_idx == 0:
            CLOCK.now += SECONDS['encoder']

    def before_val_epoch(self, runner):
        CLOCK.now += SECONDS['validation']

    def before_mining(self, runner):
        self.is_mining = True

    def after_extraction(self, runner):
        CLOCK.now += SECONDS['extraction']

    def after_mining(self, runner, summary):
        CLOCK.now += SECONDS['mining']

    def before_train_epoch(self, runner):
        CLOCK.now += 100.0  # between stages: of none


@pytest.fixture(scope='module')
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    data = write_data(tmp_path_factory.mktemp('data'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_times_hook, 'time', CLOCK)
        runner = train(
            make_config(
                data,
                folder,
                {
                    'train_cfg.max_rounds': 2,
                    'custom_hooks': [
                        dict(type='MemoryBankHook'),
                        dict(type='KNNGalleryHook'),
                        dict(type='StageTimesHook'),
                        dict(type='TurnHook'),
                    ],
                },
            )
        )
    path = Path(runner.log_dir, 'vis_data', 'scalars.json')
    lines = path.read_text().splitlines()
    return [r for line in lines if 'stage/round' in (r := json.loads(line))]


def test_stage_times__a_record_for_every_stage(records):
    found = [
        (key.removeprefix('stage/').removesuffix('_seconds'), value)
        + (record['stage/round'], record['step'])
        for record in records
        for key, value in record.items()
        if key.endswith('_seconds')
    ]
    encoder, validation, extraction, mining = SECONDS.items()
    # Two rounds of two epochs, validated after every second one.
    assert found == [
        (*encoder, 0, 1),
        (*encoder, 0, 2),
        (*validation, 0, 2),
        (*extraction, 0, 2),
        (*mining, 0, 2),
        (*encoder, 1, 3),
        (*encoder, 1, 4),
        (*validation, 1, 4),
    ]
