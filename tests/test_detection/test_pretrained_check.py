"""What is said before a detector starts from a checkpoint."""

import copy
import re
from importlib.util import find_spec

import pytest
import torch
from mmengine.config import Config
from pretrained import detection_config, make_pretrained, save_pretrained
from tiny_detector import write_detector, write_start
from tiny_run import ROOT
from torchvision.models import resnet18

from mmisl.weights import META_KEY, Preprocessing

if find_spec('mmdet') is None or find_spec('mmcv._ext') is None:
    pytest.skip(
        'needs mmdet and the compiled ops of mmcv: make test installs them',
        allow_module_level=True,
    )

from mmisl.detection import check_pretrained, compare_pretrained

BGR = Preprocessing('bgr', (103.53, 116.28, 123.675), (1.0, 1.0, 1.0))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('detector')


@pytest.fixture(scope='module')
def tiny(folder):
    return Config.fromfile(write_detector(folder))


@pytest.fixture(scope='module')
def c4():
    return Config.fromfile(
        ROOT / 'configs' / 'detection' / 'faster-rcnn_r18-c4_voc07.py'
    )


@pytest.fixture(scope='module')
def fitting(folder):
    return write_start(folder / 'fitting.pth')


def check(cfg, path, **overrides):
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict({'model.init_cfg.checkpoint': str(path)} | overrides)
    return check_pretrained(cfg)


def trained_as(**backbone):
    """Text of a config as mmengine stores it in a checkpoint."""
    model = dict(type='ISL', backbone=dict(type='ResNet', **backbone))
    return Config(dict(model=model)).pretty_text


def test_fits__as_many_entries_as_torchvision_has(tiny, c4, folder, fitting):
    keys = [k for k in resnet18().state_dict() if not k.startswith('fc.')]
    cfg = copy.deepcopy(tiny)
    cfg.model.init_cfg.checkpoint = str(fitting)
    fit = compare_pretrained(cfg)
    assert fit.complaints == []
    early = [key for key in keys if not key.startswith('layer4.')]
    assert fit.loaded == {'backbone': len(early)}
    cfg = copy.deepcopy(c4)
    cfg.model.init_cfg.checkpoint = str(
        write_start(folder / 'wide.pth', width=64, cfg=trained_as(depth=18))
    )
    fit = compare_pretrained(cfg)
    assert fit.complaints == []
    assert fit.loaded == {
        'backbone': len(early),
        'roi_head.shared_head.layer4': len(keys) - len(early),
    }


def test_fits__a_backbone_of_another_toolbox(folder):
    # It cannot be built on the meta device.
    model = make_pretrained('demo.py')
    path = save_pretrained(model, folder / 'demo.pth')
    fit = compare_pretrained(detection_config('demo_faster-rcnn_r18.py', path))
    assert fit.loaded == {'backbone': len(model.backbone.state_dict())}


def test_random_weights__need_no_checkpoint(tiny):
    cfg = copy.deepcopy(tiny)
    cfg.model.init_cfg = None
    fit = compare_pretrained(cfg)
    assert (fit.complaints, fit.loaded) == ([], {})


def test_missing_file(tiny):
    assert check(tiny, '/nowhere.pth') == [
        'checkpoint: checkpoint /nowhere.pth does not exist'
    ]


def test_torn_file(tiny, folder, fitting):
    path = folder / 'torn.pth'
    path.write_bytes(fitting.read_bytes()[:-100])
    (line,) = check(tiny, path)
    assert f'{path} is no whole checkpoint' in line


def test_no_backbone(tiny, folder):
    path = folder / 'moco.pth'
    state = {'module.encoder_q.conv1.weight': torch.zeros(8, 3, 7, 7)}
    torch.save(dict(state_dict=state), path)
    backbone, colours = check(tiny, path)
    assert backbone.startswith('backbone: the checkpoint has none')
    assert 'first key is module.encoder_q.conv1.weight' in backbone
    assert 'tools/convert_backbone.py' in backbone
    assert 'does not say what its weights were trained on' in colours


@pytest.mark.parametrize(
    'depth, width, network',
    [
        (34, 64, 'resnet34, 64 channels wide'),
        (18, 8, 'resnet18, 8 channels wide'),
    ],
)
def test_other_network__is_told_first(c4, folder, depth, width, network):
    path = write_start(folder / 'other.pth', depth=depth, width=width)
    network_line, *lines = check(c4, path)
    assert network_line == (
        f'architecture: the checkpoint seems to be of {network}, and the '
        'detector is built as resnet18, 64 channels wide'
    )
    assert [line.partition(':')[0] for line in lines] == [
        'backbone',
        'roi_head.shared_head.layer4',
    ]
    # Other blocks are other keys, another width other shapes.
    words = 'unknown to the model' if depth == 34 else 'of shape'
    assert all(words in line for line in lines)


@pytest.mark.parametrize(
    'arguments, names',
    [
        (
            dict(style='caffe'),
            ["backbone is built with style='pytorch', and the checkpoint was "
             "trained with 'caffe'",
             "roi_head.shared_head is built with style='pytorch', and the "
             "checkpoint was trained with 'caffe'"],
        ),
        (
            dict(strides=[1, 1, 2, 2]),
            ['backbone is built with strides=(1, 2, 2), and the checkpoint '
             'was trained with (1, 1, 2)'],
        ),
        (
            dict(strides=[1, 2, 2, 1], dilations=[1, 1, 1, 2]),
            ['roi_head.shared_head is built with stride=2, and the '
             'checkpoint was trained with 1',
             'roi_head.shared_head is built with dilation=1, and the '
             'checkpoint was trained with 2'],
        ),
        (
            dict(norm_cfg=dict(type='BN', eps=0.001)),
            ['backbone is built with norm_cfg.eps=1e-05, and the checkpoint '
             'was trained with 0.001',
             'roi_head.shared_head is built with norm_cfg.eps=1e-05, and the '
             'checkpoint was trained with 0.001'],
        ),
    ],
)  # fmt: skip
def test_what_keys_do_not_show(c4, folder, arguments, names):
    path = write_start(
        folder / 'same_keys.pth',
        width=64,
        cfg=trained_as(depth=18, **arguments),
    )
    lines = check(c4, path)
    assert len(lines) == len(names)
    for line, name in zip(lines, names):
        assert line.startswith(f'architecture: model.{name}: the same keys')


def test_a_checkpoint_without_config__has_no_arguments(c4, folder):
    path = write_start(folder / 'silent.pth', width=64, cfg=None)
    assert check(c4, path) == []


def test_colours__order_mean_and_std(tiny, folder):
    path = write_start(folder / 'bgr.pth', **{META_KEY: BGR.to_meta()})
    (line,) = check(tiny, path)
    assert line.startswith(f'colours: the weights of {path} were trained on')
    for cure in ('turn the channels round to BGR', 'set mean=', 'set std='):
        assert cure in line


def test_no_hook(tiny, fitting):
    (line,) = check(tiny, fitting, custom_hooks=[])
    assert line.startswith('custom_hooks has no mmisl.PreprocessingCheckHook')


def test_another_initializer(tiny, fitting):
    cfg = copy.deepcopy(tiny)
    cfg.model.init_cfg = dict(type='Pretrained', checkpoint=str(fitting))
    (line,) = check_pretrained(cfg)
    assert "'Pretrained'" in line and 'mmisl.PretrainedParts' in line


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda model: model.pop('init_cfg'), 'is missing'),
        (lambda model: model.update(init_cfg=[model.init_cfg]), r'is \[\{'),
    ],
)
def test_no_initializer_of_the_whole(tiny, fitting, change, words):
    cfg = copy.deepcopy(tiny)
    cfg.model.backbone.init_cfg = dict(
        type='mmisl.StrictPretrained', checkpoint=str(fitting)
    )
    change(cfg.model)
    (line,) = check_pretrained(cfg)
    assert re.match(f'model.init_cfg {words}.*mmisl.PretrainedParts', line)


def test_unknown_part(tiny, fitting):
    cfg = copy.deepcopy(tiny)
    cfg.model.init_cfg.checkpoint = str(fitting)
    cfg.model.init_cfg.parts['neck'] = dict()
    assert check_pretrained(cfg) == [
        "model.init_cfg.parts: FasterRCNN has no module 'neck'; it consists "
        'of data_preprocessor, backbone, rpn_head, roi_head'
    ]


@pytest.mark.skipif(
    torch.cuda.is_available(), reason='SyncBN works where there is a GPU'
)
@pytest.mark.parametrize(
    'overrides, words',
    [
        (dict(sync_bn='torch'), "sync_bn='torch' .* --cfg-options sync_bn="),
        (
            {'model.backbone.norm_cfg': dict(type='SyncBN')},
            r'model: SyncBN \(backbone.bn1, 15 in all\) .* BN in norm_cfg',
        ),
    ],
)
def test_synchronised_norm__on_processes_without_gpus(
    tiny, fitting, overrides, words
):
    assert check(tiny, fitting, **overrides) == []
    cfg = copy.deepcopy(tiny)
    cfg.merge_from_dict(
        {'model.init_cfg.checkpoint': str(fitting)} | overrides
    )
    (line,) = check_pretrained(cfg, num_processes=2)
    assert re.match(words, line)


def test_several_things__are_all_told(c4, folder):
    path = write_start(
        folder / 'all_wrong.pth',
        depth=34,
        width=64,
        cfg=trained_as(depth=34, style='caffe'),
        **{META_KEY: BGR.to_meta()},
    )
    lines = check(c4, path, custom_hooks=[])
    assert [re.split('[: ]', line)[0] for line in lines] == [
        'custom_hooks',
        'architecture',
        'backbone',
        'roi_head.shared_head.layer4',
        'architecture',
        'architecture',
        'colours',
    ]
    assert not any('\n' in line for line in lines)
