"""Which parts a checkpoint has to have, and on which colours."""

import copy

import pytest
import torch
from tiny_run import make_config, write_data

from mmisl.apis import init_model
from mmisl.weights import META_KEY


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Config, and a checkpoint of its model that says what it saw."""
    root = tmp_path_factory.mktemp('colours')
    cfg = make_config(write_data(root / 'data'), root / 'work')
    colours = dict(channel_order='rgb', mean=[110.0] * 3, std=[60.0] * 3)
    model = init_model(cfg, device='cpu')
    torch.save(
        dict(meta={META_KEY: colours}, state_dict=model.state_dict()),
        root / 'run.pth',
    )
    return cfg, root / 'run.pth'


def test_init_model__same_colours(made):
    init_model(*made, 'cpu')
    assert 'data_preprocessor' not in made[0].model  # the caller's own


@pytest.mark.parametrize(
    'change, cure',
    [
        ({'data_preprocessor.to_rgb': True}, 'turn the channels round to RGB'),
        ({'data_preprocessor.std': [1.0] * 3}, r'set std=\[60.0, 60.0, 60.0'),
    ],
)
def test_init_model__other_colours(made, change, cure):
    cfg = copy.deepcopy(made[0])
    cfg.merge_from_dict(change)
    match = rf'the weights of .*run.pth were trained on RGB, .*{cure}'
    with pytest.raises(ValueError, match=match):
        init_model(cfg, made[1], 'cpu')


def test_init_model__unknown_colours_are_no_error(made):
    cfg = copy.deepcopy(made[0])
    cfg.data_preprocessor.type = 'mmpretrain.TwoNormDataPreprocessor'
    cfg.data_preprocessor.second_mean = [1.0] * 3
    cfg.data_preprocessor.second_std = [1.0] * 3
    init_model(cfg, made[1], 'cpu')


def test_init_model__backbone_alone(made, tmp_path):
    cfg, path = made
    checkpoint = torch.load(path, weights_only=True)
    state = checkpoint['state_dict']
    checkpoint['state_dict'] = {
        key: value for key, value in state.items() if key.startswith('backb')
    }
    torch.save(checkpoint, tmp_path / 'backbone.pth')
    with pytest.raises(ValueError, match=r'misses neck\.projection\.bias'):
        init_model(cfg, tmp_path / 'backbone.pth', 'cpu')
    model = init_model(cfg, tmp_path / 'backbone.pth', 'cpu', stage='backbone')
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, state[f'backbone.{key}']), key


def test_init_model__unknown_stage(made):
    match = "stage must be one of neck, backbone, got 'head'"
    with pytest.raises(ValueError, match=match):
        init_model(*made, 'cpu', stage='head')
