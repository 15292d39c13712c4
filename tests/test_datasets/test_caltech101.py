import mmpretrain.datasets
import numpy as np
import pytest
import torchvision
from official_sets import loader_root, write_image, write_official

from mmisl.datasets import Caltech101
from mmisl.datasets.transfer_sets import PARTS


@pytest.fixture
def root(tmp_path):
    """Leopards (34), wrench (31) and the background."""
    write_official('caltech101', tmp_path)
    return loader_root('caltech101', tmp_path)


def load(root, part, split=0):
    dataset = Caltech101(str(root), part, split)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [(info['img_path'], info['gt_label']) for info in infos]


def count(images):
    labels = [label for _, label in images]
    return {int(k): labels.count(k) for k in np.unique(labels)}


def test_load_data_list__parts_of_all_images(root, tmp_path):
    """The images of torchvision's reader, 25 + 5 + the rest of a class."""
    parts = {part: load(root, part) for part in PARTS}

    leopard, wrench = 2, 99
    assert count(parts['train']) == {leopard: 25, wrench: 25}
    assert count(parts['val']) == {leopard: 5, wrench: 5}
    assert count(parts['test']) == {leopard: 4, wrench: 1}
    (tmp_path / 'caltech101').symlink_to(root)
    oracle = torchvision.datasets.Caltech101(tmp_path)
    expected = {
        f'{oracle.categories[y]}/image_{index:04d}.jpg'
        for index, y in zip(oracle.index, oracle.y)
    }
    found = [path for images in parts.values() for path, _ in images]
    assert len(found) == len(set(found)) == 65
    assert {'/'.join(path.split('/')[-2:]) for path in found} == expected
    classes = Caltech101.METAINFO['classes']
    for images in parts.values():
        assert images == sorted(images)
        for path, label in images:
            assert path.split('/')[-2] == classes[label]


def test_load_data_list__splits_differ_and_are_pinned(root):
    draws = [tuple(load(root, 'val', split)) for split in range(5)]
    assert len(set(draws)) == 5
    assert draws == [tuple(load(root, 'val', split)) for split in range(5)]
    # Pinned: another draw makes results incomparable.
    numbers = [int(path[-8:-4]) for path, _ in draws[3]][:5]
    assert numbers == [9, 20, 27, 31, 33]


def test_load_data_list__a_class_draws_alone(root):
    """Images of another class change nothing in this one."""
    before = load(root, 'train', 1)
    for index in range(33):
        path = root / '101_ObjectCategories' / 'ant' / f'{index}.jpg'
        write_image(path, size=(4, 5))
    after = load(root, 'train', 1)
    assert [image for image in after if '/ant/' not in image[0]] == before


def test_mmpretrain__still_needs_lists_and_counts_the_background(root):
    """When this fails, mmpretrain's class may do."""
    other = mmpretrain.datasets.Caltech101
    assert len(other.METAINFO['classes']) == 102
    assert other.METAINFO['classes'][0] == 'BACKGROUND_Google'
    assert Caltech101.METAINFO['classes'] == other.METAINFO['classes'][1:]
    with pytest.raises(FileNotFoundError, match='meta/train.txt'):
        other(str(root))


def test_load_data_list__too_few_images(root):
    path = root / '101_ObjectCategories' / 'wrench'
    (path / 'image_0001.jpg').unlink()
    with pytest.raises(
        ValueError, match=r'wrench holds 30 images, but 25 \+ 5 are drawn'
    ):
        Caltech101(str(root), 'train')


def test_load_data_list__unknown_folder(root):
    write_image(root / '101_ObjectCategories' / 'unicorn' / 'a.jpg')
    with pytest.raises(ValueError, match='unicorn is no class of Caltech-101'):
        Caltech101(str(root), 'train')


@pytest.mark.parametrize(
    'part, split, message',
    [
        ('all', 0, r"part \('all'\) must be one of \('train', 'val', 'te"),
        ('train', 5, r'split \(5\) must be in \[0, 5\)'),
    ],
)
def test_init__bad_request(root, part, split, message):
    with pytest.raises(ValueError, match=message):
        Caltech101(str(root), part, split)
