from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import RepeatDataset
from mmpretrain.datasets import CustomDataset
from PIL import Image

from mmisl.datasets import InstanceDataset, draw_balanced, label_share
from mmisl.registry import DATASETS

SIZES = (5, 11, 8)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    for label, size in enumerate(SIZES):
        for index in range(size):
            path = folder / f'class{label}' / f'c{label}_{index:02d}.png'
            path.parent.mkdir(exist_ok=True)
            Image.new('RGB', (4, 4), (label, index, 0)).save(path)
    return folder


def images(root, **kwargs):
    return dict(
        type='mmpretrain.CustomDataset',
        data_root=str(root),
        pipeline=[
            dict(type='mmpretrain.LoadImageFromFile'),
            dict(type='mmpretrain.PackInputs'),
        ],
        **kwargs,
    )


def names_of(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [Path(info['img_path']).name for info in infos]


@pytest.mark.parametrize(
    'share, counts',
    [
        (1.0, [5, 11, 8]),
        (0.5, [4, 4, 4]),  # 12 images
        (0.75, [5, 7, 6]),  # 18: class 0 has no sixth
        (0.125, [1, 1, 1]),
        (0.17, [1, 2, 1]),  # 4: the last and largest gives the rest
    ],
)
def test_draw_balanced__counts(share, counts):
    labels = np.repeat([0, 1, 2], SIZES)
    chosen = draw_balanced(labels, share, seed=4)
    assert chosen == sorted(set(chosen))
    assert np.bincount(labels[chosen]).tolist() == counts


def test_draw_balanced__seed_and_nesting():
    labels = np.random.default_rng(0).integers(0, 7, 500)
    small = draw_balanced(labels, 0.05, seed=1)
    assert small == draw_balanced(labels, 0.05, seed=1)
    assert small != draw_balanced(labels, 0.05, seed=2)
    assert len(small) == 25
    for share in (0.051, 0.2, 0.9, 1.0):
        assert set(small) <= set(draw_balanced(labels, share, seed=1))


@pytest.mark.parametrize(
    'share, seed, message',
    [
        (0.0, 0, r'share must be in \(0, 1\], got 0.0'),
        (1.5, 0, r'share must be in \(0, 1\], got 1.5'),
        (0.5, -1, 'seed must be at least 0, got -1'),
        (0.1, 0, 'share 0.1 of 24 images is 2, fewer than the 3 classes'),
    ],
)
def test_draw_balanced__out_of_range(share, seed, message):
    with pytest.raises(ValueError, match=message):
        draw_balanced(np.repeat([0, 1, 2], SIZES), share, seed)


def test_label_share__inside_an_instance_dataset(root):
    dataset = InstanceDataset(
        dict(type='LabelShare', dataset=images(root), share=0.5)
    )
    assert dataset.num_instances == 12
    assert np.bincount(dataset.labels()).tolist() == [4, 4, 4]
    assert dataset.metainfo['classes'] == ('class0', 'class1', 'class2')
    item = dataset[7]
    path = dataset.get_info(7)['img_path']
    assert item['data_samples'].img_path == path
    assert item['data_samples'].sample_idx == 7


def test_label_share__listed_names(root, tmp_path):
    wanted = ['c1_03.png', 'c0_00.png', 'c2_07.png']
    path = tmp_path / '1percent.txt'
    path.write_text('\n'.join(wanted) + '\n')
    dataset = label_share(images(root), names=str(path))
    assert names_of(dataset) == sorted(wanted)


def test_label_share__needs_one_of_share_and_names(root):
    for kwargs in ({}, dict(share=0.5, names='a.txt')):
        with pytest.raises(ValueError, match='needs either share or names'):
            label_share(images(root), **kwargs)


def test_label_share__list_of_another_data_set(root, tmp_path):
    path = tmp_path / 'list.txt'
    with pytest.raises(FileNotFoundError, match='list.txt does not exist'):
        label_share(images(root), names=str(path))
    path.write_text('\n')
    with pytest.raises(ValueError, match='list.txt is empty'):
        label_share(images(root), names=str(path))
    path.write_text('c0_00.png\nn01_7.JPEG\n')
    message = r'lists n01_7.JPEG, which .* \(1 of 2 names are missing\)'
    with pytest.raises(ValueError, match=message):
        label_share(images(root), names=str(path))


def test_label_share__name_that_is_in_two_folders(tmp_path):
    for label in range(2):
        path = tmp_path / f'class{label}' / '0.png'
        path.parent.mkdir()
        Image.new('RGB', (4, 4)).save(path)
    (tmp_path / 'list.txt').write_text('0.png\n')
    with pytest.raises(ValueError, match='lists 0.png, .* in two folders'):
        label_share(images(tmp_path), names=str(tmp_path / 'list.txt'))


def test_label_share__images_without_labels(root):
    with pytest.raises(ValueError, match='image 0 of CustomDataset has no gt'):
        label_share(images(root, with_label=False), share=0.5)


def test_label_share__wrapped_data_set(root):
    cfg = {k: v for k, v in images(root).items() if k != 'type'}
    repeated = RepeatDataset(CustomDataset(**cfg), times=2)
    with pytest.raises(TypeError, match='got RepeatDataset; put wrappers'):
        label_share(repeated, share=0.5)


def test_registry__builds_it_by_its_name(root):
    cfg = dict(type='mmisl.LabelShare', dataset=images(root), share=1.0)
    assert len(DATASETS.build(cfg)) == sum(SIZES)
