"""Methods begin alike: the seed decides the encoder, not the method."""

import importlib
import random

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmpretrain.models import ResNet_CIFAR
from tiny_run import ROOT, make_config, write_data

from mmisl.models.initial_draws import initial_draws
from mmisl.registry import MODELS, RUNNERS

TINY = 'tiny_methods.'
# Necks of these are those of NPID.
SAME_NECK = [
    'isl',
    'isl_knn',
    'isl_entropy',
    'local_aggregation',
    'mocov1',
    'npid_nce',
]
OTHER_NECK = ['deepcluster', 'moco', 'moco_isl', 'supervised', 'probes']
MINERS = {
    'isl_knn': dict(type='KNNMiner', topk=2),
    'isl_entropy': dict(type='EntropyMiner'),
}


class Started(Exception):
    """Training is about to begin."""


class StopAtStartHook(Hook):
    """Goes no further than the weights that training begins from."""

    def before_train(self, runner):
        """Stop."""
        raise Started


def overrides_of(method):
    """What a tiny run of a method sets, by dotted key."""
    if method == 'probes':
        npid = importlib.import_module(f'{TINY}npid').OVERRIDES
        probes = dict(
            _delete_=True,
            type='LinearProbes',
            backbone=npid['model']['backbone'],
            num_classes=3,
            image_size=16,
        )
        return {**npid, 'model': probes}
    if method not in MINERS:
        return importlib.import_module(TINY + method).OVERRIDES
    isl = importlib.import_module(f'{TINY}isl').OVERRIDES
    return {**isl, 'model.miner': dict(_delete_=True, **MINERS[method])}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


def first_weights(method, seed, data, work_dir, **overrides):
    """State dict at the beginning of training, as the runner has it."""
    cfg = make_config(
        data,
        work_dir,
        {**overrides_of(method), 'randomness.seed': seed, **overrides},
    )
    runner = RUNNERS.build(cfg)
    runner.register_hook(StopAtStartHook(), 'LOWEST')
    with pytest.raises(Started):
        runner.train()
    return runner.model.state_dict()


def assert_same_part(state, expected, part):
    keys = [key for key in expected if key.startswith(f'{part}.')]
    assert keys == [key for key in state if key.startswith(f'{part}.')]
    assert keys
    for key in keys:
        assert torch.equal(state[key], expected[key]), key


@pytest.fixture(scope='module')
def npid(data, tmp_path_factory):
    return first_weights('npid', 3, data, tmp_path_factory.mktemp('npid'))


@pytest.mark.parametrize('method', [*SAME_NECK, *OTHER_NECK])
def test_first_weights__are_those_of_npid(method, npid, data, tmp_path):
    state = first_weights(method, 3, data, tmp_path)
    assert_same_part(state, npid, 'backbone')
    if method in SAME_NECK:
        assert_same_part(state, npid, 'neck')


def test_first_weights__another_seed_another_encoder(npid, data, tmp_path):
    state = first_weights('npid', 4, data, tmp_path)
    for key in ('backbone.conv1.weight', 'neck.projection.weight'):
        assert not torch.equal(state[key], npid[key]), key


def test_first_weights__mmengines_runner_and_nhwc(npid, data, tmp_path):
    state = first_weights(
        'isl',
        3,
        data,
        tmp_path,
        runner_type='Runner',
        **{'model.channels_last': True},
    )
    assert_same_part(state, npid, 'backbone')
    assert_same_part(state, npid, 'neck')


def test_load_from__weights_of_a_checkpoint_stay(npid, data, tmp_path):
    state = {key: value + 1 for key, value in npid.items()}
    torch.save(dict(state_dict=state, meta={}), tmp_path / 'start.pth')
    loaded = first_weights(
        'npid', 3, data, tmp_path, load_from=str(tmp_path / 'start.pth')
    )
    assert_same_part(loaded, state, 'backbone')
    assert_same_part(loaded, state, 'neck')


def test_init_weights__whatever_was_drawn_since_the_seed_was_set():
    cfg = Config.fromfile(ROOT / 'configs/demo.py').model
    states = []
    for num_draws in (0, 5):
        torch.manual_seed(11)
        with DefaultScope.overwrite_default_scope('mmisl'):
            model = MODELS.build(cfg)
        torch.rand(num_draws)
        model.init_weights()
        states.append(model.state_dict())
    assert_same_part(states[1], states[0], 'backbone')


def test_initial_draws__are_those_of_the_seed_and_leave_no_trace():
    module = ResNet_CIFAR(depth=18, stem_channels=4, base_channels=4)
    drawn = []
    for seed in (2, 2, 2**64 - 1):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        plain = torch.rand(3)
        torch.manual_seed(seed)
        with initial_draws(module):
            own = torch.rand(3)
            # Those of the process: two streams, not one drawn twice.
            assert not torch.equal(own, plain)
        assert torch.initial_seed() == seed
        assert torch.equal(torch.rand(3), plain)
        drawn.append(own)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_initial_draws__put_back_after_an_error():
    layer = torch.nn.Linear(2, 2)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(KeyError), initial_draws(layer):
        torch.rand(1)
        raise KeyError
    assert torch.equal(torch.rand(3), expected)
