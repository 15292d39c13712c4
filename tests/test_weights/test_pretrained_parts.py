"""Parts of a model get one checkpoint's weights, and keep them."""

import pytest
import torch
from backbones import make_resnet, save_run
from mmengine.model import BaseModule
from mmpretrain.models import ResNet
from torch import nn

from mmisl.weights import PretrainedParts, StrictPretrained
from mmisl.weights.checkpoints import part_state, read_checkpoint


@pytest.fixture
def run(tmp_path):
    return str(save_run(make_resnet(18), tmp_path / 'run.pth'))


class Head(BaseModule):
    """Initialises all its convolutions, as mmdet's shared heads do."""

    def __init__(self):
        super().__init__(
            [
                dict(type='Constant', layer='Conv2d', val=3),
                dict(type='Constant', layer='BatchNorm2d', val=5),
            ]
        )
        self.layer4 = ResNet(18).layer4
        self.norm = nn.BatchNorm2d(512)


class Detector(BaseModule):
    """A ResNet that is parted between backbone and head."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.backbone = ResNet(
            18,
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
        )
        self.head = Head()
        self.extra = nn.Linear(2, 2)


PARTS = {
    'backbone': dict(leave_out=['layer4.']),
    'head.layer4': dict(prefix='backbone.layer4.'),
}


def init_cfg(run, parts=PARTS):
    return dict(type='mmisl.PretrainedParts', checkpoint=run, parts=parts)


def test_init__parts_are_loaded_and_the_rest_is_initialised(run):
    model = Detector(init_cfg(run))
    model.init_weights()
    state = model.backbone.state_dict()
    state |= model.head.layer4.state_dict(prefix='layer4.')
    expected = make_resnet(18).state_dict()
    assert set(state) == set(expected)
    for key, value in expected.items():
        assert torch.equal(state[key], value), key
    # The head's own initialisation reached what no part names.
    assert (model.head.norm.weight == 5).all()


def test_init__once_only(run):
    model = Detector(init_cfg(run))
    model.init_weights()
    with torch.no_grad():
        model.head.norm.weight.fill_(7)
    model.init_weights()
    assert (model.head.norm.weight == 7).all()
    key = 'layer1.0.conv1.weight'
    assert torch.equal(
        model.backbone.state_dict()[key], make_resnet(18).state_dict()[key]
    )


def test_no_init_cfg__is_random(run):
    model = Detector()
    model.init_weights()
    assert (model.head.layer4[0].conv1.weight == 3).all()


def test_parts__must_not_be_empty(run):
    with pytest.raises(ValueError, match='parts is empty; name the modules'):
        PretrainedParts(run, {})


def test_parts__a_name_that_is_none(run):
    model = Detector(init_cfg(run, {'head.layer5': {}}))
    match = "'head.layer5', but Detector has no such module; it consists of "
    with pytest.raises(ValueError, match=match + 'backbone, head, extra'):
        model.init_weights()


def test_parts__nothing_in_the_checkpoint(run):
    parts = {'head.layer4': dict(prefix='backbone.layer5.')}
    model = Detector(init_cfg(run, parts))
    match = "holds nothing below 'backbone.layer5.', which ResLayer would"
    with pytest.raises(ValueError, match=match):
        model.init_weights()


def test_parts__what_does_not_fit(run):
    model = Detector(init_cfg(run, {'backbone': {}}))
    with pytest.raises(ValueError, match='unknown to the model, layer4'):
        model.init_weights()


def test_prefix__of_a_neck(run):
    layer = nn.Linear(5, 6, bias=False)
    StrictPretrained(run, prefix='neck.projection.')(layer)
    assert (layer.weight == 0).all()


def test_part_state__of_a_converted_file(tmp_path):
    path = tmp_path / 'converted.pth'
    torch.save(dict(state_dict=make_resnet(18).state_dict()), path)
    checkpoint = read_checkpoint(path)
    assert set(part_state(checkpoint)) == set(make_resnet(18).state_dict())
    stage = part_state(checkpoint, 'backbone.layer4.')
    assert set(stage) == set(make_resnet(18).layer4.state_dict())
    assert part_state(checkpoint, 'neck.fc6.') == {}
