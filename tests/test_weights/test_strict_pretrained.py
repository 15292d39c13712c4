"""A backbone gets every weight of a file, or the reason why not."""

import copy

import pytest
import torch
from backbones import images, make_resnet, randomize, save_run
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from mmpretrain.models import ResNet
from torch import nn

from mmisl.config_check import ConfigError, check_config
from mmisl.models import AlexNetBN
from mmisl.weights import StrictPretrained, check_loaded


@pytest.fixture
def run(tmp_path):
    return str(save_run(make_resnet(18), tmp_path / 'run.pth'))


def built(run, **kwargs):
    init = dict(type='mmisl.StrictPretrained', checkpoint=run)
    model = MODELS.build(
        dict(type='mmpretrain.ResNet', depth=18, init_cfg=init, **kwargs)
    )
    model.init_weights()
    return model


def assert_is(model, original):
    state = original.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_init__nothing_is_set_to_zero_afterwards(run):
    # mmpretrain's default; its own 'Pretrained' is the only one it spares.
    model = built(run, zero_init_residual=True)
    assert_is(model, make_resnet(18))
    assert model.layer1[0].bn2.weight.abs().min() > 0.4


def test_init__among_other_initializers(run):
    strict = dict(type='mmisl.StrictPretrained', checkpoint=run)
    kaiming = dict(type='Kaiming', layer='Conv2d')
    model = ResNet(18, init_cfg=[kaiming, strict])
    model.init_weights()
    assert_is(model, make_resnet(18))


class Part(BaseModule):
    """With an initialization of its own."""

    def __init__(self):
        super().__init__(dict(type='Constant', val=3, layer='Linear'))
        self.layer = nn.Linear(2, 3)


class Whole(BaseModule):
    """A backbone that has such a part."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.part = Part()


def test_init__parts_with_an_initialization_of_their_own(tmp_path):
    source = Whole()
    run = str(save_run(source, tmp_path / 'run.pth'))
    model = Whole(dict(type='mmisl.StrictPretrained', checkpoint=run))
    model.init_weights()
    assert_is(model, source)


def test_init__mmisl_backbone(tmp_path):
    source = randomize(AlexNetBN('small', channels=(3, 4, 5, 6, 7)))
    run = str(save_run(source, tmp_path / 'run.pth'))
    model = AlexNetBN(
        'small',
        channels=(3, 4, 5, 6, 7),
        init_cfg=dict(type='mmisl.StrictPretrained', checkpoint=run),
    )
    model.init_weights()
    assert_is(model, source)


def test_init__as_features(run):
    model = built(run)
    model.eval()
    with torch.no_grad():
        expected = make_resnet(18)(images())[-1]
        torch.testing.assert_close(model(images())[-1], expected)


def three_stages():
    return ResNet(
        18,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    )


def test_leave_out__what_the_module_has_no_place_for(run):
    model = three_stages()
    match = (
        'ResNet cannot take its weights from .*run.pth: the checkpoint has, '
        'unknown to the model, layer4.0.bn1.bias, .* and 25 more. Build the '
        'backbone that it was trained as, or name keys in leave_out or keep'
    )
    with pytest.raises(ValueError, match=match):
        StrictPretrained(run)(model)
    StrictPretrained(run, leave_out=['layer4.'])(model)
    assert_is(model, make_resnet(18))


def test_keep__what_the_checkpoint_does_not_have(run):
    model = make_shared_head()
    stages = ['conv1.', 'bn1.', 'layer1.', 'layer2.', 'layer3.']
    with pytest.raises(ValueError, match='misses norm.bias, norm.num_batches'):
        StrictPretrained(run, stages)(model)
    before = copy.deepcopy(model.norm.state_dict())
    StrictPretrained(run, stages, keep=['norm.'])(model)
    for key, value in model.layer4.state_dict().items():
        expected = make_resnet(18).layer4.state_dict()[key]
        assert torch.equal(value, expected), key
    for key, value in model.norm.state_dict().items():
        assert torch.equal(value, before[key]), key


def make_shared_head():
    """The last stage with one more normalisation, as in a C4 detector."""
    head = nn.Module()
    head.layer4 = copy.deepcopy(ResNet(18).layer4)
    head.norm = nn.BatchNorm2d(512)
    return head


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (
            dict(leave_out=['layer5.']),
            "leave_out names 'layer5.', but no key begins with it; the first",
        ),
        (dict(keep=['nrm.']), "keep names 'nrm.', but no key begins with it"),
    ],
)
def test_call__name_that_fits_no_key(run, kwargs, match):
    with pytest.raises(ValueError, match=match):
        StrictPretrained(run, **kwargs)(ResNet(18))


def test_call__other_shape(run):
    model = ResNet(18)
    model.layer1[0].conv1 = nn.Conv2d(64, 64, 1, bias=False)
    match = (
        r'the checkpoint has layer1.0.conv1.weight of shape \(64, 64, 3, 3\), '
        r'the module of \(64, 64, 1, 1\). Build'
    )
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=match):
        StrictPretrained(run)(model)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_call__missing_file():
    with pytest.raises(FileNotFoundError, match='gone.pth does not exist'):
        StrictPretrained('gone.pth')(ResNet(18))


def test_check_loaded__weights_that_were_initialized_anew(run):
    model = built(run)
    initializer = StrictPretrained(run)
    check_loaded(model, initializer)
    nn.init.zeros_(model.layer3[1].bn2.weight)
    match = 'ResNet.layer3.1.bn2.weight is not what .*run.pth holds: something'
    with pytest.raises(RuntimeError, match=match):
        check_loaded(model, initializer)


@pytest.mark.parametrize('scope', ['mmisl', 'mmpretrain'])
def test_config_check__knows_its_arguments(scope):
    init = dict(type='mmisl.StrictPretrained', checkpoint='a.pth')
    backbone = dict(type='mmpretrain.ResNet', depth=18, init_cfg=init)
    cfg = Config(dict(default_scope=scope, model=dict(
        type='mmpretrain.ImageClassifier', backbone=backbone)))  # fmt: skip
    check_config(cfg, required=('model',))
    init['strict'] = True
    cfg = Config(dict(default_scope=scope, model=dict(
        type='mmpretrain.ImageClassifier', backbone=backbone)))  # fmt: skip
    match = 'model.backbone.init_cfg.strict: StrictPretrained has no such arg'
    with pytest.raises(ConfigError, match=match):
        check_config(cfg, required=('model',))
