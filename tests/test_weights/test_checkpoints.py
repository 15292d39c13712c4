"""Weights are loaded all or none."""

import pickle

import pytest
import torch
from torch import nn

from mmisl.weights import (
    encoder_state,
    load_backbone,
    load_encoder,
    read_checkpoint,
)


class Encoder(nn.Module):
    """Two parts of a checkpoint, and one that is no encoder."""

    def __init__(self, width=3):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(3))
        self.neck = nn.Linear(3, 4)
        self.head = nn.Linear(4, 1)


@pytest.fixture
def saved(tmp_path):
    model = Encoder()
    path = tmp_path / 'run.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=3)), path)
    return model, path


def test_load_encoder__loads_its_parts_and_no_other(saved):
    source, path = saved
    model = Encoder()
    head = model.head.weight.clone()
    assert load_encoder(model, path)['meta'] == dict(epoch=3)
    for part in ('backbone', 'neck'):
        given, expected = getattr(model, part), getattr(source, part)
        for key, value in expected.state_dict().items():
            assert torch.equal(given.state_dict()[key], value), key
    assert torch.equal(model.head.weight, head)
    assert not torch.equal(model.head.weight, source.head.weight)


def test_load_backbone__keys_lose_their_prefix(saved):
    source, path = saved
    backbone = Encoder().backbone
    load_backbone(backbone, path)
    assert torch.equal(backbone[0].weight, source.backbone[0].weight)


def test_load__keys_differ(saved, tmp_path):
    source, _ = saved
    state = source.state_dict()
    state['backbone.extra'] = state.pop('backbone.1.running_var')
    torch.save(dict(state_dict=state), tmp_path / 'other.pth')
    model = Encoder()
    before = model.backbone[0].weight.clone()
    for load, target, prefix in (
        (load_encoder, model, 'backbone.'),
        (load_backbone, model.backbone, ''),
    ):
        with pytest.raises(ValueError) as caught:
            load(target, tmp_path / 'other.pth')
        assert (
            f'other.pth misses {prefix}1.running_var; it has, unknown to the '
            f'model, {prefix}extra. Use the config'
        ) in str(caught.value)
    assert torch.equal(model.backbone[0].weight, before)


def test_load__shapes_differ(saved):
    other = Encoder(width=5)
    before = other.backbone[0].weight.clone()
    with pytest.raises(
        ValueError,
        match=r'has 0.weight of shape \(3, 2\), the model of \(5, 2\)',
    ):
        load_backbone(other.backbone, saved[1])
    assert torch.equal(other.backbone[0].weight, before)


def test_read_checkpoint__bare_state_dict_of_the_old_format(tmp_path):
    state = Encoder().state_dict()
    path = tmp_path / 'old.pth'
    torch.save(state, path, _use_new_zipfile_serialization=False)
    loaded = read_checkpoint(path)
    assert set(loaded) == {'state_dict'}
    neck = encoder_state(loaded, ('neck.',))
    assert set(neck) == {'neck.weight', 'neck.bias'}
    assert torch.equal(neck['neck.bias'], state['neck.bias'])


def test_read_checkpoint__missing(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.pth does not exist'):
        read_checkpoint(tmp_path / 'gone.pth')


def test_read_checkpoint__no_checkpoint(saved, tmp_path):
    whole = saved[1].read_bytes()
    for name, content in dict(
        short=whole[: len(whole) // 2],
        empty=b'',
        text=b'no checkpoint',
        memo=b'hello there, no checkpoint',
        code=pickle.dumps(print),
    ).items():
        path = tmp_path / f'{name}.pth'
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f'{name}.pth is no whole check'):
            read_checkpoint(path)
    path = tmp_path / 'list.pth'
    torch.save([torch.ones(2)], path)
    with pytest.raises(ValueError, match='list.pth holds no state dict'):
        read_checkpoint(path)
