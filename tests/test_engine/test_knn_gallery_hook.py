"""What validation votes with, and that it leaves training alone."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import (
    NUM_TRAIN,
    checkpoint_of,
    make_config,
    recorder_of,
    train,
    write_data,
)

from mmisl.evaluation import KNNMetric

HOOKS = [
    dict(type='MemoryBankHook'),
    dict(type='KNNGalleryHook'),
    dict(type='RecorderHook'),
]
# 2 rounds of one epoch, validated after each.
SHORT = {
    'train_cfg.max_rounds': 2,
    'train_cfg.encoder': dict(max_epochs=1, val_interval=1),
    'custom_hooks': HOOKS,
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def validated(data, tmp_path_factory):
    """Runner at its end, and the galleries of both validations."""
    seen = []
    set_galleries = KNNMetric.set_galleries

    def patched(metric, galleries):
        copies = {
            name: (feats.clone(), labels)
            for name, (feats, labels) in galleries.items()
        }
        seen.append(copies)
        set_galleries(metric, galleries)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KNNMetric, 'set_galleries', patched)
        work_dir = tmp_path_factory.mktemp('validated')
        runner = train(make_config(data, work_dir, SHORT))
    return runner, seen


def test_before_val_epoch__bank_then_also_recomputed(validated):
    runner, galleries = validated
    assert [list(g) for g in galleries] == [['bank'], ['bank', 'recomputed']]
    record = recorder_of(runner)
    for validation, gallery in enumerate(galleries):
        bank, labels = gallery['bank']
        assert torch.equal(bank, record['banks'][6 * validation + 5])
        # Class folders are read in order: 14, 14 and 13 images.
        assert labels.tolist() == [0] * 14 + [1] * 14 + [2] * 13
    names = [{key.split('_top')[0] for key in m} for m in record['metrics']]
    assert names == [{'knn/bank'}, {'knn/bank', 'knn/recomputed'}]


def test_before_val_epoch__recomputed_without_augmentation(data, validated):
    runner, galleries = validated
    feats, labels = galleries[-1]['recomputed']
    paths = sorted((data / 'train').glob('*/*.png'))
    pixels = np.stack([np.array(Image.open(path)) for path in paths])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    model = runner.model.eval()
    with torch.no_grad():
        expected = model((images - 110.0) / 60.0)
    assert len(feats) == NUM_TRAIN
    torch.testing.assert_close(feats, expected, rtol=0, atol=1e-5)
    assert labels.tolist() == [int(path.parent.name[-1]) for path in paths]


def test_run__validation_changes_nothing(data, tmp_path, validated):
    # No validation at all: also no random number was drawn for one.
    overrides = {
        **SHORT,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }
    train(make_config(data, tmp_path, overrides))
    work_dir = validated[0].work_dir
    with_val = checkpoint_of(work_dir, 2)['state_dict']
    without = checkpoint_of(tmp_path, 2)['state_dict']
    assert set(with_val) == set(without)
    for key, value in with_val.items():
        assert torch.equal(value, without[key]), key
    after = validated[0].model.state_dict()
    assert torch.equal(after['memory.bank'], with_val['memory.bank'])


def test_before_test_epoch__same_as_the_last_validation(
    data, tmp_path, validated
):
    cfg = make_config(data, tmp_path, SHORT)
    cfg.load_from = f'{validated[0].work_dir}/epoch_2.pth'
    metrics = validated[0].from_cfg(cfg).test()
    assert metrics == recorder_of(validated[0])['metrics'][-1]


def test_before_val_epoch__training_set_without_labels(data, tmp_path):
    overrides = {**SHORT, 'train_dataloader.dataset.dataset.with_label': False}
    match = r'kNN needs labels.*set val_cfg, val_dataloader and val_evaluator'
    with pytest.raises(ValueError, match=match):
        train(make_config(data, tmp_path, overrides))


def test_before_val_epoch__no_gallery_dataloader(data, tmp_path):
    cfg = make_config(data, tmp_path, {**SHORT, 'train_cfg.max_rounds': 1})
    cfg.pop('gallery_dataloader')
    with pytest.raises(ValueError, match='config has no gallery_dataloader'):
        train(cfg)
