import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import TRANSFORMS
from PIL import Image
from scipy.io import savemat

from mmisl.datasets import InstanceDataset, InstanceSampler
from mmisl.datasets.instance_dataset import seeded
from mmisl.registry import MODELS

FOLDER = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
NAMES = (
    'cifar10',
    'cifar100',
    'cifar10jpeg',
    'cifar10_moco',
    'digits',
    'folder',
    'imagenet',
    'imagenet_labels',
    'imagenet_mocov1',
    'imagenet_mocov2',
    'imagenette',
    'svhn',
)
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def mmisl_scope():
    with DefaultScope.overwrite_default_scope('mmisl'):
        yield


def write_images(root, names, size=(40, 50)):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def write_svhn(root):
    root.mkdir(parents=True)
    for split in ('train', 'test'):
        images = RNG.integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
        labels = RNG.integers(1, 11, (5, 1), dtype=np.uint8)
        savemat(root / f'{split}_32x32.mat', dict(X=images, y=labels))


def write_data(name):
    """Five images of the kind that the config expects, below ``data``."""
    root = Path('data')
    if name == 'svhn':
        write_svhn(root / 'svhn')
    elif name == 'folder':
        write_images(root / 'images', [f'{c}/{c}.jpg' for c in 'abcde'])
    elif name == 'imagenette':
        tree = [f'{s}/{c}/1.JPEG' for s in ('train', 'val') for c in '01234']
        write_images(root / 'imagenette', tree)
    else:
        tree = [f'{s}/{c}/1.png' for s in ('train', 'test') for c in '01234']
        write_images(root / 'digits_textures', tree, size=(32, 32))


def load(name):
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    for key, value in cfg.items():
        if key.endswith('_dataloader'):
            value.update(num_workers=0, persistent_workers=False, batch_size=3)
    return cfg


def test_configs__all_are_known():
    assert sorted(p.stem for p in FOLDER.glob('*.py')) == sorted(NAMES)


@pytest.mark.parametrize('name', ['digits', 'folder', 'imagenette', 'svhn'])
def test_configs__batches(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(name)
    cfg = load(name)
    size = dict(folder=224, imagenette=112).get(name, 32)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    loaders = [key for key in cfg if key.endswith('_dataloader')]

    assert len(loaders) == (2 if name == 'folder' else 4)
    for key in loaders:
        loader = Runner.build_dataloader(cfg[key], seed=0)
        batches = list(loader)
        inputs = preprocessor(batches[0])['inputs']
        assert [len(batch['inputs']) for batch in batches] == [3, 2]
        assert inputs.shape == (3, 3, size, size)
        assert inputs.dtype == torch.float32
        assert -3 < inputs.min() < 0 < inputs.max() < 3.5
        if key in ('train_dataloader', 'gallery_dataloader'):
            assert isinstance(loader.dataset, InstanceDataset)
            assert isinstance(loader.sampler, InstanceSampler)
            assert loader.sampler.shuffle is (key == 'train_dataloader')
            indices = [
                s.sample_idx for b in batches for s in b['data_samples']
            ]
            assert sorted(indices) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize('name', NAMES)
def test_configs__colour_is_rgb(name, tmp_path, monkeypatch):
    """A pure red image reaches the network with red as channel 0."""
    monkeypatch.chdir(tmp_path)
    cfg = load(name)
    red = np.zeros((300, 300, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save('red.png')
    pipelines = [cfg.train_dataloader.dataset.dataset.pipeline]
    if name != 'folder':
        pipelines.append(cfg.val_dataloader.dataset.pipeline)
    for pipeline in pipelines:
        inputs = run_pipeline(without_colour(pipeline), red)['inputs']
        for view in inputs if isinstance(inputs, list) else [inputs]:
            assert view.dtype == torch.uint8
            means = view.float().mean(dim=(1, 2))
            assert means[0] > 250
            assert means[1:].max() < 5


def without_colour(pipeline):
    """A pipeline without the transforms that change colours."""
    kept = []
    for step in pipeline:
        step = dict(step)
        if step['type'].endswith('MultiView'):
            (transforms,) = step['transforms']
            step['transforms'] = [without_colour(transforms)]
        colours = ('ColorJitter', 'RandomGrayscale', 'RandomApply')
        if not step['type'].endswith(colours):
            kept.append(step)
    return kept


@pytest.mark.parametrize(
    'name', ['cifar10_moco', 'imagenet_mocov1', 'imagenet_mocov2']
)
def test_configs__two_views_differ_and_are_seeded(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = RNG.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save('red.png')
    pipeline = load(name).train_dataloader.dataset.dataset.pipeline
    size = 32 if name == 'cifar10_moco' else 224
    runs = []
    for _ in range(2):
        with seeded(1, 4, 0, 0):
            runs.append(run_pipeline(pipeline, pixels)['inputs'])
    for first, second in runs:
        assert first.shape == second.shape == (3, size, size)
        assert not torch.equal(first, second)
    assert all(torch.equal(*pair) for pair in zip(*runs))


def run_pipeline(pipeline, img):
    transforms = [TRANSFORMS.build(dict(t)) for t in pipeline]
    info = dict(img=img, img_path=os.path.abspath('red.png'))
    return Compose(transforms)(info)


@pytest.mark.parametrize('name', ['cifar10', 'cifar100', 'svhn'])
def test_configs__small_sets_agree(name):
    """What the released code has in common for the small sets is common."""
    cfg, cifar = load(name), load('cifar10')
    assert cfg.data_preprocessor == cifar.data_preprocessor
    assert cfg.train_pipeline == cifar.train_pipeline
    assert not any('Flip' in t.type for t in cfg.train_pipeline)
