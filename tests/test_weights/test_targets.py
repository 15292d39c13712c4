"""A converted backbone gives, in the real library, the same features."""

import pickle
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from backbones import images, make_resnet, randomize, save_run
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import ResNet, ResNet_CIFAR
from torch import nn

from mmisl.models import AlexNetBN
from mmisl.weights import (
    IMAGENET,
    META_KEY,
    TARGETS,
    check_target,
    detectron2_key,
    read_checkpoint,
    stored_preprocessing,
    take_backbone,
    write_backbone,
)

needs_mmdet = pytest.mark.skipif(
    find_spec('mmdet') is None or find_spec('mmcv._ext') is None,
    reason='needs mmdet and the compiled ops of mmcv: make test installs them',
)
DEPTHS = (18, 50)


def convert(backbone, folder, target, **run):
    path = save_run(backbone, Path(folder, 'run.pth'), **run)
    suffix = '.pkl' if target == 'detectron2' else '.pth'
    out = Path(folder, f'{target}{suffix}')
    taken = take_backbone(read_checkpoint(path))
    write_backbone(taken, out, target=target, meta=dict(mmisl='0'))
    return out


def assert_same(got, expected):
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def pooled(depth):
    return make_resnet(depth)(images())[-1].mean((2, 3))


@pytest.mark.parametrize('depth', DEPTHS)
def test_torchvision__same_features(tmp_path, depth):
    out = convert(make_resnet(depth), tmp_path, 'torchvision')
    model = torchvision.models.get_model(f'resnet{depth}')
    model.fc = nn.Identity()
    checkpoint = torch.load(out, weights_only=True)
    model.load_state_dict(checkpoint['state_dict'])  # strict
    with torch.no_grad():
        assert_same(model.eval()(images()), pooled(depth))
    assert checkpoint['meta']['network'] == f'resnet{depth}'
    assert checkpoint['meta'][META_KEY] == IMAGENET.to_meta()


@pytest.mark.parametrize('depth', DEPTHS)
def test_timm__same_features(tmp_path, depth):
    timm = pytest.importorskip('timm')
    out = convert(make_resnet(depth), tmp_path, 'timm')
    model = timm.create_model(
        f'resnet{depth}', num_classes=0, checkpoint_path=str(out)
    )
    with torch.no_grad():
        assert_same(model.eval()(images()), pooled(depth))


@pytest.mark.parametrize(
    'scope', ['mmpretrain', pytest.param('mmdet', marks=needs_mmdet)]
)
@pytest.mark.parametrize('init', ['Pretrained', 'mmisl.StrictPretrained'])
@pytest.mark.parametrize('depth', DEPTHS)
def test_openmmlab__same_features(tmp_path, depth, init, scope):
    out = convert(make_resnet(depth), tmp_path, scope)
    cfg = dict(
        type=f'{scope}.ResNet',
        depth=depth,
        out_indices=(0, 1, 2, 3),
        init_cfg=dict(type=init, checkpoint=str(out)),
    )
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(cfg)
        model.init_weights()
    model.eval()
    with torch.no_grad():
        got = model(images())
        expected = make_resnet(depth)(images())
    assert len(got) == 4
    assert_same(got[-1], expected[-1])


@pytest.mark.parametrize('depth', DEPTHS)
def test_detectron2__same_features(tmp_path, depth):
    pytest.importorskip('detectron2')
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.modeling import build_backbone

    out = convert(make_resnet(depth), tmp_path, 'detectron2')
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.NAME = 'build_resnet_backbone'
    cfg.MODEL.BACKBONE.FREEZE_AT = 0
    cfg.MODEL.RESNETS.DEPTH = depth
    cfg.MODEL.RESNETS.NORM = 'BN'
    cfg.MODEL.RESNETS.STRIDE_IN_1X1 = False
    cfg.MODEL.RESNETS.OUT_FEATURES = ['res5']
    if depth == 18:
        cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    model = build_backbone(cfg)
    DetectionCheckpointer(model).load(str(out))
    with torch.no_grad():
        got = model.eval()(images())['res5'].mean((2, 3))
    assert_same(got, pooled(depth))


@pytest.mark.parametrize('depth', DEPTHS)
def test_detectron2__file_is_of_its_model_zoo(tmp_path, depth):
    backbone = make_resnet(depth)
    out = convert(backbone, tmp_path, 'detectron2')
    content = pickle.loads(out.read_bytes())
    assert content['__author__'] == 'mmisl'
    assert content['matching_heuristics'] is True
    assert content['meta'][META_KEY] == IMAGENET.to_meta()
    arrays, state = content['model'], backbone.state_dict()
    assert len(arrays) == len(state)
    for key, value in state.items():
        array = arrays[detectron2_key(key)]
        assert isinstance(array, np.ndarray)
        np.testing.assert_array_equal(array, value.numpy())


# The rule of convert-pretrain-to-detectron2.py of MoCo's authors, by hand.
@pytest.mark.parametrize(
    'key, expected',
    [
        ('conv1.weight', 'stem.conv1.weight'),
        ('bn1.running_mean', 'stem.conv1.norm.running_mean'),
        ('layer1.0.conv1.weight', 'res2.0.conv1.weight'),
        ('layer1.2.bn3.bias', 'res2.2.conv3.norm.bias'),
        ('layer3.0.downsample.0.weight', 'res4.0.shortcut.weight'),
        ('layer4.0.downsample.1.bias', 'res5.0.shortcut.norm.bias'),
        ('layer3.10.bn2.num_batches_tracked',
         'res4.10.conv2.norm.num_batches_tracked'),
    ],
)  # fmt: skip
def test_detectron2_key__mocos_rule(key, expected):
    assert detectron2_key(key) == expected


def test_detectron2_key__no_name_of_torchvision_is_left():
    keys = [detectron2_key(key) for key in make_resnet(50).state_dict()]
    assert len(set(keys)) == len(keys)
    pattern = (
        r'(stem\.conv1|res[2-5]\.\d\.(conv[123]|shortcut))(\.norm)?'
        r'\.(weight|bias|running_mean|running_var|num_batches_tracked)'
    )
    assert all(re.fullmatch(pattern, key) for key in keys)


def small_alexnet():
    return randomize(AlexNetBN('small', channels=(3, 4, 5, 6, 7)))


def small_cifar():
    return randomize(ResNet_CIFAR(18, stem_channels=4, base_channels=4))


@pytest.mark.parametrize('make', [small_alexnet, small_cifar])
@pytest.mark.parametrize('target', ['mmdet', 'mmpretrain'])
def test_openmmlab__takes_every_backbone(tmp_path, make, target):
    backbone = make()
    out = convert(backbone, tmp_path, target)
    state = torch.load(out, weights_only=True)['state_dict']
    assert list(state) == list(backbone.state_dict())
    for key, value in backbone.state_dict().items():
        assert torch.equal(state[key], value)


@pytest.mark.parametrize(
    'make, what',
    [
        (small_alexnet, 'an AlexNetBN'),
        (small_cifar, r'a ResNet with a 3x3 stem \(ResNet_CIFAR\)'),
    ],
)
@pytest.mark.parametrize('target', ['torchvision', 'timm', 'detectron2'])
def test_check_target__network_that_is_not_there(tmp_path, make, what, target):
    match = (
        f'{target} has no such network: this is {what}, and {target} can take '
        'resnet18, .*, resnet152 with a 7x7 stem; --to mmpretrain and --to mm'
    )
    with pytest.raises(ValueError, match=match):
        convert(make(), tmp_path, target)
    assert [path.name for path in tmp_path.iterdir()] == ['run.pth']


def test_check_target__every_key_that_does_not_fit_is_named(tmp_path):
    model = ResNet(18)
    del model.layer1[1].bn2
    model.layer2.add_module('extra', nn.Linear(2, 3))
    model.layer4[1].conv2 = nn.Conv2d(512, 512, 1, bias=False)
    with pytest.raises(ValueError) as caught:
        convert(model, tmp_path, 'torchvision')
    text = str(caught.value)
    assert 'this is a ResNet with a 7x7 stem' in text  # a block too many

    del model.layer2.extra
    model.layer2[0].extra = nn.Linear(2, 3)
    with pytest.raises(ValueError) as caught:
        convert(model, tmp_path, 'torchvision')
    assert str(caught.value) == (
        'the backbone is no plain resnet18: it misses layer1.1.bn2.bias, '
        'layer1.1.bn2.num_batches_tracked, layer1.1.bn2.running_mean, '
        'layer1.1.bn2.running_var, layer1.1.bn2.weight; it has, unknown to '
        'resnet18, layer2.0.extra.bias, layer2.0.extra.weight; it has '
        'layer4.1.conv2.weight of shape (512, 512, 1, 1), resnet18 of '
        '(512, 512, 3, 3)'
    )


@pytest.mark.parametrize(
    'argument, shown',
    [
        (dict(style='caffe'), "style='caffe'"),
        (dict(strides=(1, 1, 2, 2)), r'strides=\(1, 1, 2, 2\)'),
        (dict(dilations=[1, 1, 2, 4]), r'dilations=\(1, 1, 2, 4\)'),
        (dict(conv_cfg=dict(type='ConvWS')), "conv_cfg={'type': 'ConvWS'}"),
        (dict(norm_cfg=dict(type='BN', eps=1e-3)), 'norm_cfg.eps=0.001'),
    ],
)
def test_check_target__same_keys_of_another_network(tmp_path, argument, shown):
    plain = dict(
        strides=[1, 2, 2, 2], norm_cfg=dict(type='SyncBN', eps=1e-5), depth=50
    )
    for changes, targets in (
        (plain, ('timm', 'detectron2')),
        (argument, ('mmdet',)),
    ):
        backbone = dict(type='mmpretrain.ResNet', **changes)
        text = Config(dict(model=dict(backbone=backbone))).pretty_text
        for target in targets:
            convert(make_resnet(50), tmp_path, target, cfg=text)
    match = f'the backbone was trained with {shown}: with the same keys timm'
    with pytest.raises(ValueError, match=match):
        convert(make_resnet(50), tmp_path, 'timm', cfg=text)


def test_check_target__config_that_cannot_be_read(tmp_path):
    # None of it is run.
    for text in ('', 'model = (', 'model = exit()', 'model = dict(depth=50)'):
        convert(make_resnet(18), tmp_path, 'timm', cfg=text)


def test_write_backbone__unknown_preprocessing(tmp_path):
    match = 'does not say what its weights were trained on; give --channel-or'
    with pytest.raises(ValueError, match=match):
        convert(make_resnet(18), tmp_path, 'mmdet', preprocessing=None)


def test_write_backbone__suffix(tmp_path):
    taken = take_backbone(
        read_checkpoint(save_run(make_resnet(18), tmp_path / 'run.pth'))
    )
    for target in TARGETS:
        check_target(taken, target)
        right = '.pkl' if target == 'detectron2' else '.pth'
        match = rf'OUT \(.*a.npz\) must end with {right} for {target}'
        with pytest.raises(ValueError, match=match):
            write_backbone(
                taken, tmp_path / 'a.npz', target=target, meta=dict()
            )


def test_write_backbone__a_failure_leaves_what_was_there(
    tmp_path, monkeypatch
):
    out = convert(make_resnet(18), tmp_path, 'timm')
    before = out.read_bytes()

    def fail(content, file):
        file.write(b'half')
        raise OSError('no room')

    monkeypatch.setattr(torch, 'save', fail)
    taken = take_backbone(read_checkpoint(out))
    with pytest.raises(OSError, match='no room'):
        write_backbone(taken, out, target='timm', meta=dict())
    assert out.read_bytes() == before
    assert not list(tmp_path.glob('*.partial'))


def test_write_backbone__the_bank_stays_behind(tmp_path):
    path = convert(make_resnet(18), tmp_path, 'mmisl')
    checkpoint = read_checkpoint(path)
    assert all(key.startswith('backbone.') for key in checkpoint['state_dict'])
    assert stored_preprocessing(checkpoint) == IMAGENET
