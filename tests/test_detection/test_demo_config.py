"""The demo's detector and its scenes, as mmdet reads them."""

import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmisl.datasets import SCENE_CLASSES, make_digit_scenes
from mmisl.weights import META_KEY, preprocessing_of

pytestmark = pytest.mark.skipif(
    find_spec('mmdet') is None or find_spec('mmcv._ext') is None,
    reason='needs mmdet and the compiled ops of mmcv: make test installs them',
)
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'scenes'
    make_digit_scenes(root, num_trainval=7, num_test=5)
    return root / 'VOCdevkit'


@pytest.fixture(scope='module')
def cfg(root):
    cfg = Config.fromfile(CONFIGS / 'detection' / 'demo_faster-rcnn_r18.py')
    init_default_scope('mmdet')
    for name in ('train', 'val', 'test'):
        cfg[f'{name}_dataloader'].dataset.data_root = f'{root}/'
    return cfg


@pytest.fixture(scope='module')
def pretraining():
    return Config.fromfile(CONFIGS / 'demo.py')


def build_dataset(cfg, split):
    from mmdet.registry import DATASETS

    return DATASETS.build(cfg[f'{split}_dataloader'].dataset)


def test_scenes__read_by_mmdet(cfg, root):
    dataset = build_dataset(cfg, 'test')
    assert dataset.metainfo['classes'] == SCENE_CLASSES
    assert [dataset.get_data_info(i)['img_id'] for i in range(5)] == [
        f'{number:06d}' for number in range(8, 13)
    ]
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        written = ET.parse(
            root / 'VOC2007' / 'Annotations' / f'{info["img_id"]}.xml'
        ).findall('object')
        assert len(info['instances']) == len(written) > 0
        for got, item in zip(info['instances'], written, strict=True):
            sides = [int(side.text) for side in item.find('bndbox')]
            assert got['bbox'] == [side - 1 for side in sides]
            assert got['ignore_flag'] == int(item.find('difficult').text)
            name = SCENE_CLASSES[got['bbox_label']]
            assert name == item.find('name').text


def test_demo_config__shows_what_pretraining_saw(cfg, pretraining):
    assert str(preprocessing_of(cfg)) == str(preprocessing_of(pretraining))


def test_demo_config__loads_the_backbone_and_learns(
    cfg, pretraining, tmp_path
):
    from mmdet.registry import MODELS
    from mmengine.dataset import pseudo_collate

    from mmisl.registry import MODELS as OURS

    backbone = OURS.build(pretraining.model.backbone)
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    meta = {META_KEY: preprocessing_of(pretraining).to_meta()}
    path = tmp_path / 'epoch_52.pth'
    torch.save(dict(state_dict=state, meta=meta), path)

    cfg.model.init_cfg.checkpoint = str(path)
    model = MODELS.build(cfg.model)
    model.init_weights()
    loaded = model.backbone.state_dict()
    assert loaded.keys() == backbone.state_dict().keys()
    assert all(
        torch.equal(loaded[key], value)
        for key, value in backbone.state_dict().items()
    )

    dataset = build_dataset(cfg, 'train')
    batch = pseudo_collate([dataset[i] for i in range(2)])
    data = model.data_preprocessor(batch, True)
    # As the pretraining network would see the same file.
    pixels = np.asarray(dataset[0]['inputs'].flip(0), dtype=np.float32)
    seen = pretraining.data_preprocessor
    mean, std = (np.reshape(seen[key], (3, 1, 1)) for key in ('mean', 'std'))
    np.testing.assert_allclose(
        data['inputs'][0].numpy(), (pixels - mean) / std, rtol=0, atol=1e-5
    )
    losses = model(**data, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    first = model.backbone.conv1.weight.grad
    assert total.isfinite() and first.abs().sum() > 0
