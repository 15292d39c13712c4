import numpy as np
import pytest
import torchvision
from scipy.io import savemat

from mmisl.datasets import SVHN
from mmisl.registry import DATASETS


@pytest.fixture
def svhn_root(tmp_path):
    """Three splits of 7, 5 and 3 random images, as the official files."""
    rng = np.random.default_rng(0)
    for split, size in dict(train=7, test=5, extra=3).items():
        images = rng.integers(0, 256, (32, 32, 3, size), dtype=np.uint8)
        labels = rng.integers(1, 11, (size, 1), dtype=np.uint8)
        labels[0] = 10  # the digit 0
        savemat(tmp_path / f'{split}_32x32.mat', dict(X=images, y=labels))
    return tmp_path


@pytest.mark.parametrize('split', ['train', 'test', 'extra'])
def test_load_data_list__equals_torchvision(svhn_root, monkeypatch, split):
    monkeypatch.setattr(
        torchvision.datasets.SVHN, '_check_integrity', lambda self: True
    )
    oracle = torchvision.datasets.SVHN(svhn_root, split=split)

    dataset = SVHN(str(svhn_root), split)

    assert len(dataset) == len(oracle) > 0
    for position, (img, label) in enumerate(
        oracle[i] for i in range(len(oracle))
    ):
        info = dataset.get_data_info(position)
        np.testing.assert_array_equal(info['img'], np.asarray(img))
        assert info['gt_label'] == label
    assert dataset.get_data_info(0)['gt_label'] == 0
    assert dataset.metainfo['classes'] == tuple('0123456789')


def test_getitem__subset_through_the_pipeline(svhn_root):
    dataset = DATASETS.build(
        dict(
            type='mmisl.SVHN',
            data_root=str(svhn_root),
            indices=[5, 2],
            pipeline=[dict(type='mmpretrain.PackInputs')],
        )
    )
    whole = SVHN(str(svhn_root))

    assert len(dataset) == 2
    np.testing.assert_array_equal(
        dataset[1]['inputs'].permute(1, 2, 0).numpy(),
        whole.get_data_info(2)['img'],
    )


def test_init__missing_file(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match='train_32x32.mat does not exist; download it from '
        'http://ufldl.stanford.edu/housenumbers/train_32x32.mat',
    ):
        SVHN(str(tmp_path))


def test_init__missing_file_named_through_instance_dataset(tmp_path):
    wrapped = dict(type='mmisl.SVHN', data_root=str(tmp_path))
    with pytest.raises(FileNotFoundError, match='download it from http'):
        DATASETS.build(dict(type='mmisl.InstanceDataset', dataset=wrapped))


def test_init__damaged_file(svhn_root):
    path = svhn_root / 'test_32x32.mat'
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match='test_32x32.mat is damaged .* again'):
        SVHN(str(svhn_root), 'test')


def test_init__unknown_split(tmp_path):
    with pytest.raises(ValueError, match=r"split \('val'\) must be one of"):
        SVHN(str(tmp_path), 'val')
