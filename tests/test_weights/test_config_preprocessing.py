"""The order that a config is said to give is the order that arrives.

The oracle is the pipeline itself: it loads an image that is nothing but red.
"""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image
from tiny_run import ROOT

from mmisl.registry import MODELS
from mmisl.weights import IMAGENET, UnknownPreprocessing, preprocessing_of

LOAD = dict(type='mmpretrain.LoadImageFromFile')
PACK = dict(type='mmpretrain.PackInputs')
TO_PIL = dict(type='mmpretrain.NumpyToPIL', to_rgb=True)
ALIAS = dict(type='mmpretrain.ToPIL', to_rgb=True)  # its other name
FLIP = dict(type='mmpretrain.torchvision/RandomHorizontalFlip')
TO_BGR = dict(type='mmpretrain.PILToNumpy', to_bgr=True)
PLAIN = dict(type='mmpretrain.ClsDataPreprocessor', mean=[9.0], std=[2.0])
VIEWS = [
    LOAD,
    TO_PIL,
    dict(
        type='mmpretrain.MultiView', num_views=2, transforms=[[FLIP, TO_BGR]]
    ),
    PACK,
]
SELF_SUP = dict(type='mmpretrain.SelfSupDataPreprocessor', bgr_to_rgb=True)


@pytest.fixture
def red(tmp_path):
    """A data set of two images, all red."""
    pixels = np.zeros((6, 4, 3), dtype=np.uint8)
    pixels[..., 0] = 200
    (tmp_path / 'a').mkdir()
    for name in ('1.png', '2.png'):
        Image.fromarray(pixels).save(tmp_path / 'a' / name)
    return dict(type='mmpretrain.CustomDataset', data_root=str(tmp_path))


def wrapped(dataset):
    return dict(type='mmisl.InstanceDataset', dataset=dataset)


def joined(dataset):
    return dict(type='ConcatDataset', datasets=[dataset, dataset])


def brightest_channel(cfg):
    """Channel in which red arrives at the network."""
    with DefaultScope.overwrite_default_scope('mmisl'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        preprocessor = MODELS.build(cfg.data_preprocessor)
    item = dataset[0]
    inputs, sample = item['inputs'], item['data_samples']
    if isinstance(inputs, list):
        inputs = [view[None] for view in inputs]
    else:
        inputs = inputs[None]
    batch = preprocessor(dict(inputs=inputs, data_samples=[sample]))['inputs']
    batch = batch[0] if isinstance(batch, list) else batch
    return int(batch.mean((0, 2, 3)).argmax())


@pytest.mark.parametrize(
    'steps, preprocessor, order',
    [
        ([LOAD, PACK], PLAIN, 'bgr'),
        ([LOAD, PACK], PLAIN | dict(to_rgb=True), 'rgb'),
        ([LOAD, TO_PIL, FLIP, PACK], PLAIN, 'rgb'),
        ([LOAD, ALIAS, FLIP, PACK], PLAIN, 'rgb'),
        ([LOAD, TO_PIL, FLIP, PACK], PLAIN | dict(to_rgb=True), 'bgr'),
        ([LOAD, TO_PIL, TO_BGR, PACK], PLAIN, 'bgr'),
        (VIEWS, SELF_SUP, 'rgb'),
        (VIEWS, SELF_SUP | dict(bgr_to_rgb=False), 'bgr'),
    ],
)
@pytest.mark.parametrize('wrap', [dict, wrapped, joined])
def test_preprocessing_of__red_arrives_where_it_says(
    red, steps, preprocessor, order, wrap
):
    cfg = Config(
        dict(
            train_dataloader=dict(dataset=wrap(red | dict(pipeline=steps))),
            data_preprocessor=preprocessor,
        )
    )
    found = preprocessing_of(cfg)
    assert found.channel_order == order
    assert brightest_channel(cfg) == dict(rgb=0, bgr=2)[order]
    mean, std = (9.0, 2.0) if 'mean' in preprocessor else (0.0, 1.0)
    assert found.mean == (mean,) * 3 and found.std == (std,) * 3


@pytest.mark.parametrize(
    'name',
    [
        'isl_r50.py',
        'mocov2_r50.py',
        'isl_r18_folder.py',
        'deepcluster_alexnet.py',
    ],
)
def test_preprocessing_of__imagenet_configs(name):
    cfg = Config.fromfile(ROOT / 'configs' / name)
    assert preprocessing_of(cfg) == IMAGENET


@pytest.mark.parametrize(
    'name',
    [
        'isl_r18_cifar10.py',
        'isl_r18_cifar10_device.py',
        'isl_r18_cifar10jpeg.py',
        'isl_r18_svhn.py',
        'mocov2_r18_cifar10.py',
    ],
)
def test_preprocessing_of__cifar_configs(name):
    found = preprocessing_of(Config.fromfile(ROOT / 'configs' / name))
    assert found.channel_order == 'rgb'
    assert found.mean == (125.307, 122.961, 113.8575)


def test_preprocessing_of__every_config_is_rgb():
    paths = sorted((ROOT / 'configs').glob('*.py'))
    assert len(paths) > 40
    for path in paths:
        found = preprocessing_of(Config.fromfile(path))
        assert found.channel_order == 'rgb', path


def loader(*steps, kind='mmpretrain.CustomDataset'):
    return dict(dataset=dict(type=kind, pipeline=list(steps)))


@pytest.mark.parametrize(
    'cfg, match',
    [
        (dict(model=dict(type='A')), 'the config has no train_dataloader'),
        (
            dict(train_dataloader=loader(PACK, kind='mmpretrain.MNIST')),
            'train_dataloader.dataset: whether MNIST gives RGB or BGR is not',
        ),
        (
            dict(train_dataloader=loader(LOAD | dict(color_type='unchanged'))),
            r"dataset.pipeline.0.color_type: in which order 'unchanged' gives",
        ),
        (
            dict(val_dataloader=loader(LOAD, dict(type='Normalize'))),
            'val_dataloader.dataset.pipeline.1: Normalize in a pipeline hides',
        ),
        (
            dict(
                train_dataloader=loader(LOAD),
                model=dict(data_preprocessor=dict(type='my.Preprocessor')),
            ),
            'data_preprocessor.type: what Preprocessor does to colours is not',
        ),
    ],
)
def test_preprocessing_of__unknown(cfg, match):
    with pytest.raises(UnknownPreprocessing, match=match):
        preprocessing_of(Config(cfg))


def test_preprocessing_of__loaders_that_differ():
    cfg = dict(
        train_dataloader=loader(LOAD, TO_PIL), val_dataloader=loader(LOAD)
    )
    match = (
        'one network would see colours in different orders: train_dataloader '
        'RGB, val_dataloader BGR; give all pipelines the same to_rgb'
    )
    with pytest.raises(ValueError, match=match):
        preprocessing_of(Config(cfg))


def test_preprocessing_of__the_model_goes_first():
    cfg = dict(
        train_dataloader=loader(LOAD),
        model=dict(data_preprocessor=dict(mean=[1.0], std=[2.0])),
        data_preprocessor=dict(mean=[3.0], std=[4.0], to_rgb=True),
    )
    found = preprocessing_of(Config(cfg))
    assert (found.channel_order, found.mean) == ('bgr', (1.0,) * 3)
