"""A backbone of others becomes one of mmisl, bit by bit."""

import pytest
import torch
import torchvision
from backbones import images, make_resnet, randomize, save_run
from mmengine.config import Config
from mmpretrain.models import ResNet
from tiny_run import ROOT
from torch import nn

from mmisl.weights import (
    IMAGENET,
    SOURCES,
    Preprocessing,
    guess_source,
    load_backbone,
    read_checkpoint,
    take_backbone,
    write_backbone,
)


@pytest.fixture
def resnet():
    return randomize(torchvision.models.resnet18(num_classes=5))


class MoCoModel(nn.Module):
    """As ``moco/builder.py`` composes it from torchvision's ResNet."""

    def __init__(self, mlp):
        super().__init__()
        self.encoder_q = randomize(torchvision.models.resnet18(num_classes=6))
        self.encoder_k = torchvision.models.resnet18(num_classes=6)
        self.register_buffer('queue', torch.randn(6, 11))
        self.register_buffer('queue_ptr', torch.zeros(1, dtype=torch.long))
        if mlp:
            for encoder in (self.encoder_q, self.encoder_k):
                encoder.fc = nn.Sequential(
                    nn.Linear(512, 512), nn.ReLU(), encoder.fc
                )


def moco_checkpoint(mlp=True):
    """As ``main_moco.py`` saves it, out of DistributedDataParallel."""
    model = nn.ModuleDict(dict(module=MoCoModel(mlp)))
    state = model.state_dict()
    return model.module.encoder_q, dict(
        epoch=200, arch='resnet18', state_dict=state, optimizer={}
    )


def saved(content, folder):
    torch.save(content, folder / 'theirs.pth')
    return read_checkpoint(folder / 'theirs.pth')


@torch.no_grad()
def assert_becomes_ours(taken, folder, expected):
    """``expected`` is what their model computes of the images."""
    path = folder / 'ours.pth'
    write_backbone(taken, path, target='mmisl', meta=dict())
    backbone = ResNet(18)
    load_backbone(backbone, path)  # strict
    backbone.eval()
    got = backbone(images())[-1].mean((2, 3))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    return path


@torch.no_grad()
def features(model):
    model.fc = nn.Identity()
    return model.eval()(images())


@pytest.mark.parametrize('source', ['auto', 'torchvision', 'timm'])
def test_torchvision__in_and_out_again(tmp_path, resnet, source):
    state = resnet.state_dict()
    taken = take_backbone(saved(state, tmp_path), source)
    assert taken.dropped == dict(fc=2)
    assert taken.preprocessing == IMAGENET
    assert taken.filled == 0
    path = assert_becomes_ours(taken, tmp_path, features(resnet))

    again = take_backbone(read_checkpoint(path))
    assert again.source == 'mmisl' and not again.dropped
    out = tmp_path / 'out.pth'
    write_backbone(again, out, target='torchvision', meta=dict())
    back = torch.load(out, weights_only=True)['state_dict']
    assert list(back) == [key for key in state if not key.startswith('fc.')]
    assert all(torch.equal(back[key], state[key]) for key in back)
    # What was converted for another toolbox is known again.
    assert take_backbone(read_checkpoint(out)).source == 'mmisl'


def test_torchvision__files_without_counters(tmp_path, resnet):
    """Files of torchvision's first years lack them; its own BN adds 0."""
    state = {
        key: value
        for key, value in resnet.state_dict().items()
        if not key.endswith('num_batches_tracked')
    }
    taken = take_backbone(saved(state, tmp_path))
    assert taken.filled == 20
    fresh = torchvision.models.resnet18(num_classes=5)
    fresh.load_state_dict(state)
    key = 'bn1.num_batches_tracked'
    assert torch.equal(taken.state[key], fresh.state_dict()[key])
    assert_becomes_ours(taken, tmp_path, features(fresh))


def test_timm__in(tmp_path):
    timm = pytest.importorskip('timm')
    model = randomize(timm.create_model('resnet18', num_classes=3))
    taken = take_backbone(saved(model.state_dict(), tmp_path), 'timm')
    model.reset_classifier(0)
    with torch.no_grad():
        expected = model.eval()(images())
    assert_becomes_ours(taken, tmp_path, expected)


@pytest.mark.parametrize('source', ['auto', 'moco'])
@pytest.mark.parametrize('mlp', [True, False])
def test_moco__the_query_encoder(tmp_path, source, mlp):
    query, content = moco_checkpoint(mlp)
    taken = take_backbone(saved(content, tmp_path), source)
    assert taken.source == 'moco'
    assert taken.dropped == {
        'module.encoder_q.fc': 4 if mlp else 2,
        'module.encoder_k': 124 if mlp else 122,
        'module.queue': 1,
        'module.queue_ptr': 1,
    }
    assert_becomes_ours(taken, tmp_path, features(query))


@pytest.mark.parametrize('source', ['auto', 'mmpretrain', 'mmselfsup'])
def test_openmmlab__neck_head_and_key_encoder_are_left_out(tmp_path, source):
    backbone = make_resnet(18)
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    others = dict.fromkeys(
        ['neck.0.weight', 'encoder_k.module.0.conv1.weight', 'queue'],
        torch.zeros(2, 3),
    )
    content = dict(meta=dict(epoch=1), state_dict=state | others)
    taken = take_backbone(saved(content, tmp_path), source)
    assert taken.dropped == dict(neck=1, encoder_k=1, queue=1)
    with torch.no_grad():
        expected = backbone(images())[-1].mean((2, 3))
    assert_becomes_ours(taken, tmp_path, expected)


def test_mmselfsup__first_moco_has_its_backbone_twice(tmp_path):
    state = make_resnet(18).state_dict()
    content = {f'backbone.{k}': v for k, v in state.items()}
    content |= {f'encoder_q.0.{k}': v for k, v in state.items()}
    taken = take_backbone(saved(content, tmp_path))
    assert taken.source == 'mmselfsup'
    assert taken.dropped == dict(encoder_q=len(state))


def test_mmisl__stored_preprocessing_goes_first(tmp_path):
    own = Preprocessing('bgr', (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    path = save_run(make_resnet(18), tmp_path / 'run.pth', own)
    taken = take_backbone(read_checkpoint(path))
    assert (taken.source, taken.preprocessing) == ('mmisl', own)
    assert taken.dropped == dict(neck=1, memory=1, graph=1)
    path = save_run(make_resnet(18), tmp_path / 'run.pth', None)
    assert take_backbone(read_checkpoint(path)).preprocessing is None


@pytest.mark.parametrize('other', ['warmup_head', 'probes'])
def test_mmisl__heads_of_some_methods_are_left_out(tmp_path, other):
    """Local Aggregation's warm-up, and a linear probe at every stage."""
    path = save_run(make_resnet(18), tmp_path / 'run.pth', None)
    content = torch.load(path, weights_only=True)
    content['state_dict'][f'{other}.value'] = torch.zeros(1)
    taken = take_backbone(saved(content, tmp_path))
    assert taken.dropped == {'neck': 1, 'memory': 1, 'graph': 1, other: 1}


def test_sources__know_the_parts_of_every_config():
    """Top-level parts of all pretraining models but the backbone."""
    parts = set()
    for path in sorted((ROOT / 'configs').glob('*.py')):
        model = Config.fromfile(path).model
        parts |= {k for k, v in model.items() if isinstance(v, dict)}
    assert {'warmup_head', 'miner', 'memory'} < parts
    others = set(SOURCES['mmisl'].others)
    assert parts - {'backbone', 'data_preprocessor'} <= others


def test_guess_source__mmisl_without_preprocessing(tmp_path):
    path = save_run(make_resnet(18), tmp_path / 'run.pth', None)
    assert guess_source(read_checkpoint(path)) == 'mmisl'


def test_take_backbone__key_that_nobody_knows(tmp_path):
    _, content = moco_checkpoint()
    content['state_dict']['module.extra.weight'] = torch.zeros(2)
    match = (
        'a checkpoint of moco has a backbone below .module.encoder_q.., and '
        'may have module.encoder_q.fc, .*; this one also has module.extra.wei'
    )
    with pytest.raises(ValueError, match=match):
        take_backbone(saved(content, tmp_path))


def test_take_backbone__wrong_source(tmp_path, resnet):
    match = (
        'no backbone found: as a checkpoint of mmpretrain it would have keys '
        "that begin with 'backbone.', but the first is conv1.weight; name wh"
    )
    with pytest.raises(ValueError, match=match):
        take_backbone(saved(resnet.state_dict(), tmp_path), 'mmpretrain')


def test_take_backbone__no_resnet(tmp_path):
    state = torchvision.models.alexnet(num_classes=2).state_dict()
    match = (
        'from torchvision come resnet18, .*; this is another network '
        r'\(its first key is features.0.weight\)'
    )
    with pytest.raises(ValueError, match=match):
        take_backbone(saved(state, tmp_path))


def test_take_backbone__resnet_with_a_key_too_few(tmp_path, resnet):
    state = resnet.state_dict()
    del state['layer3.0.conv1.weight']
    match = (
        'the backbone is no plain resnet18: it misses layer3.0.conv1.weight'
    )
    with pytest.raises(ValueError, match=match):
        take_backbone(saved(state, tmp_path))
