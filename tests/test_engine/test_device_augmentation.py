"""Whole runs whose images are augmented by the data preprocessor."""

import pytest
import torch
from mmengine.registry import DefaultScope
from tiny_run import (
    NUM_TRAIN,
    checkpoint_of,
    make_config,
    train,
    write_data,
)

from mmisl.models import AugmentingPreprocessor

PIPELINE = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.PackInputs'),
]
PREPROCESSOR = dict(
    type='AugmentingPreprocessor',
    augments=[
        dict(type='BatchRandomResizedCrop', size=16),
        dict(type='BatchColorJitter', brightness=0.4, hue=0.4),
    ],
    mean=[110.0] * 3,
    std=[60.0] * 3,
)
RESIDENT = {'train_dataloader.dataset.type': 'ResidentDataset'}
# 3 rounds of 2 epochs, and 2 views for each of 2 minings.
NUM_AUGMENTED = (3 * 2 + 2 * 2) * NUM_TRAIN


def make(data, work_dir, **overrides):
    cfg = make_config(data, work_dir, overrides)
    cfg.data_preprocessor = PREPROCESSOR
    cfg.train_dataloader.dataset.dataset.pipeline = PIPELINE
    return cfg


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """Work directory of a run without workers that nobody stopped."""
    work_dir = tmp_path_factory.mktemp('whole')
    keep_all = {'default_hooks.checkpoint.max_keep_ckpts': -1}
    train(make(data, work_dir, **keep_all))
    return work_dir


def assert_same_weights(first, second):
    assert list(first) == list(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_train__workers_do_not_matter(data, whole, tmp_path):
    train(make(data, tmp_path, **{'train_dataloader.num_workers': 2}))
    assert_same_weights(
        checkpoint_of(tmp_path, 6)['state_dict'],
        checkpoint_of(whole, 6)['state_dict'],
    )


def test_train__resident_equals_loaded(data, whole, tmp_path, monkeypatch):
    num_augmented = []
    augment = AugmentingPreprocessor.augment

    def counting(preprocessor, images, keys, view):
        num_augmented.append(len(images))
        return augment(preprocessor, images, keys, view)

    monkeypatch.setattr(AugmentingPreprocessor, 'augment', counting)
    runner = train(make(data, tmp_path, **RESIDENT))

    # Epochs and views for mining; no validation, no gallery.
    assert sum(num_augmented) == NUM_AUGMENTED
    assert runner.train_dataloader.dataset.images.shape == (
        NUM_TRAIN, 3, 16, 16,
    )  # fmt: skip
    state = checkpoint_of(tmp_path, 6)['state_dict']
    assert_same_weights(state, checkpoint_of(whole, 6)['state_dict'])
    # Images are no part of a checkpoint.
    assert not any('data_preprocessor' in name for name in state)


def test_train__resumed_resident_run(data, whole, tmp_path):
    # From the third epoch, in the middle of a round.
    train(make(data, tmp_path, **RESIDENT), resume=whole / 'epoch_3.pth')
    assert_same_weights(
        checkpoint_of(tmp_path, 6)['state_dict'],
        checkpoint_of(whole, 6)['state_dict'],
    )


def test_train__transforms_that_augment_are_refused(data, tmp_path):
    random_flip = dict(type='mmpretrain.torchvision/RandomHorizontalFlip')
    cfg = make(data, tmp_path, **RESIDENT)
    dataset = cfg.train_dataloader.dataset.dataset
    dataset.pipeline = [*PIPELINE[:2], random_flip, PIPELINE[2]]
    with (
        DefaultScope.overwrite_default_scope('mmisl'),
        pytest.raises(ValueError, match='pipeline draws random numbers'),
    ):
        train(cfg)
