"""Commands and programs of docs/checkpoints.md do what the page says."""

import importlib
import re
import shlex
import sys
from importlib.util import find_spec

import pytest
import torch
import torchvision
from backbones import images, make_resnet, randomize, save_run
from mmengine.config import Config
from mmengine.registry import MODELS
from tiny_run import ROOT
from torch import nn

from mmisl.config_check import check_config

PAGE = (ROOT / 'docs' / 'checkpoints.md').read_text()


def blocks(language, section):
    """Code of one language, in a section or paragraph of the page."""
    part = PAGE[PAGE.index(section) :]
    end = re.search(r'\n(?=## |\*\*\w)', part[1:])
    part = part[: end.start()] if end else part
    found = re.findall(rf'```{language}\n(.*?)```', part, flags=re.DOTALL)
    assert found, f'{section} has no {language}'
    return found


@pytest.fixture(scope='module')
def convert():
    """The tool, called with a command line of the page."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(ROOT / 'tools'))
    tool = importlib.import_module('convert_backbone')

    def run(line):
        patch.setattr(sys, 'argv', shlex.split(line)[1:])
        tool.convert(tool.parse_args())

    yield run
    patch.undo()


@pytest.fixture(scope='module')
def folder(tmp_path_factory, convert):
    """The working directory of whoever follows the page."""
    folder = tmp_path_factory.mktemp('page')
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    save_run(make_resnet(18), folder / 'epoch_200.pth')
    torch.manual_seed(1)
    theirs = randomize(torchvision.models.resnet18(num_classes=3))
    torch.save(theirs.state_dict(), folder / 'resnet18.pth')
    state = {
        f'module.encoder_q.{key}': value
        for key, value in theirs.state_dict().items()
    }
    # Of torch 1.4, as MoCo's authors used it.
    torch.save(
        dict(epoch=1, state_dict=state),
        folder / 'moco_v2.pth.tar',
        _use_new_zipfile_serialization=False,
    )
    for section in ('## The way out', '## The way in'):
        for line in blocks('shell', section)[0].splitlines():
            convert(line)
    yield folder
    patch.undo()


def assert_is(model, original):
    expected = original.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize('library', ['torchvision', 'timm'])
@torch.no_grad()
def test_page__model_of_a_library(folder, library):
    pytest.importorskip(library)
    names = {}
    exec(blocks('python', f'**{library}.**')[0], names)
    expected = make_resnet(18)(images())[-1].mean((2, 3))
    got = names['model'].eval()(images())
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_page__mmpretrain(folder):
    names = {}
    exec(blocks('python', '**mmpretrain.**')[0], names)
    assert_is(names['backbone'], make_resnet(18))


@pytest.mark.skipif(
    find_spec('mmdet') is None or find_spec('mmcv._ext') is None,
    reason='needs mmdet and the compiled ops of mmcv: make test installs them',
)
def test_page__mmdet(folder):
    for text, name in zip(
        blocks('python', '**mmdet.**'),
        ('faster-rcnn_r50_fpn_1x_coco', 'faster-rcnn_r50-caffe_c4-1x_coco'),
        strict=True,
    ):
        text = f"_base_ = 'mmdet::faster_rcnn/{name}.py'\n{text}"
        (folder / 'detector.py').write_text(text)
        cfg = Config.fromfile(folder / 'detector.py')
        init_cfg = cfg.model.get('init_cfg') or cfg.model.backbone.init_cfg
        assert init_cfg.checkpoint == 'mmdet.pth'
        check_config(cfg, required=('model',))


def test_page__as_a_start(folder):
    (text,) = (
        block for block in blocks('text', '## The way in')
        if '_base_' in block
    )  # fmt: skip
    text = text.replace("'configs/", f"'{ROOT}/configs/")
    (folder / 'own.py').write_text(text)
    cfg = Config.fromfile(folder / 'own.py')
    check_config(cfg)
    assert cfg.custom_hooks[-1].type == 'mmisl.PreprocessingCheckHook'


@pytest.mark.parametrize('name', ['ours.pth', 'moco.pth'])
def test_page__what_came_in(folder, name):
    init = dict(type='mmisl.StrictPretrained', checkpoint=name)
    model = MODELS.build(
        dict(type='mmpretrain.ResNet', depth=18, init_cfg=init)
    )
    model.init_weights()
    theirs = torchvision.models.resnet18(num_classes=3)
    theirs.load_state_dict(torch.load('resnet18.pth', weights_only=True))
    theirs.fc = nn.Identity()
    assert_is(model, theirs)
