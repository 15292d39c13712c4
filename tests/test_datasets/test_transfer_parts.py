"""Every transfer set in its official form, against torchvision's readers."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets as oracles
import torchvision.transforms.functional as F
from mmengine.runner import Runner
from mmpretrain.datasets import CIFAR10, CIFAR100
from official_sets import SIZES, VOC_OBJECTS, loader_root, write_official
from PIL import Image
from sklearn.model_selection import StratifiedShuffleSplit

from mmisl.datasets import (
    TRANSFER_SETS,
    InstanceDataset,
    transfer_labels,
    transfer_loaders,
    transfer_part,
)
from mmisl.datasets.transfer_parts import draw_validation
from mmisl.datasets.transfer_sets import PARTS

DRAWN = ('cifar10', 'cifar100', 'food101', 'svhn')


@pytest.fixture(autouse=True)
def any_checksum(monkeypatch):
    """CIFAR's readers check the official files; these are small ones."""
    for kind in (CIFAR10, CIFAR100, oracles.CIFAR10, oracles.CIFAR100):
        for key in ('train_list', 'test_list'):
            names = [[name, None] for name, _ in getattr(kind, key)]
            monkeypatch.setattr(kind, key, names)
        if kind.__module__.startswith('torchvision'):
            monkeypatch.setattr(kind, 'meta', {**kind.meta, 'md5': None})
    for kind in (oracles.SVHN, oracles.Flowers102):
        monkeypatch.setattr(kind, '_check_integrity', lambda self: True)


@pytest.fixture(params=TRANSFER_SETS)
def name(request):
    return request.param


@pytest.fixture
def folder(name, tmp_path):
    write_official(name, tmp_path)
    return tmp_path


def load(name, folder, part, **kwargs):
    return transfer_part(name, part, str(loader_root(name, folder)), **kwargs)


def facts(dataset):
    """File name or pixels, and class, of every image."""
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [
        (
            info['img'].tobytes()
            if 'img' in info
            else Path(info['img_path']).name,
            info['gt_label'],
        )
        for info in infos
    ]


def oracle_facts(name, folder, split):
    """The same by torchvision, with mmpretrain's numbers of classes."""
    if name in ('cifar10', 'cifar100'):
        kind = dict(cifar10=oracles.CIFAR10, cifar100=oracles.CIFAR100)[name]
        oracle = kind(folder, train=split == 'train')
        return [(np.asarray(img).tobytes(), label) for img, label in oracle]
    if name == 'svhn':
        oracle = oracles.SVHN(folder, split=split)
        return [(np.asarray(img).tobytes(), label) for img, label in oracle]
    if name == 'flowers102':
        (folder / 'flowers-102').symlink_to(folder)
        oracle = oracles.Flowers102(folder, split=split)
        (folder / 'flowers-102').unlink()
        return [
            (path.name, label)
            for path, label in zip(oracle._image_files, oracle._labels)
        ]
    kind = dict(food101=oracles.Food101, aircraft=oracles.FGVCAircraft)[name]
    oracle = kind(folder, split=split)
    classes = load(name, folder, 'test').metainfo['classes']
    return [
        (Path(path).name, classes.index(oracle.classes[label]))
        for path, label in zip(oracle._image_files, oracle._labels)
    ]


@pytest.mark.parametrize(
    'name', ['cifar10', 'cifar100', 'svhn', 'food101'], indirect=True
)
def test_transfer_part__drawn_parts_are_torchvisions(name, folder):
    train, val, test = (facts(load(name, folder, part)) for part in PARTS)

    whole = oracle_facts(name, folder, 'train')
    assert sorted(train + val) == sorted(whole)
    assert not set(train) & set(val)
    # Both keep the order of the files.
    for part in (train, val):
        positions = [whole.index(fact) for fact in part]
        assert positions == sorted(positions)
    assert test == oracle_facts(name, folder, 'test')


@pytest.mark.parametrize('name', ['aircraft', 'flowers102'], indirect=True)
@pytest.mark.parametrize('part', PARTS)
def test_transfer_part__official_parts_are_torchvisions(name, folder, part):
    found = facts(load(name, folder, part))
    assert len(found) == SIZES[name][part]
    assert found == oracle_facts(name, folder, part)


@pytest.mark.parametrize('name', ['voc07'], indirect=True)
def test_transfer_part__voc_is_torchvisions(name, folder):
    classes = load(name, folder, 'test').metainfo['classes']
    for part in PARTS:
        dataset = load(name, folder, part)
        oracle = oracles.VOCDetection(folder, '2007', image_set=part)
        assert len(dataset) == len(oracle) == len(VOC_OBJECTS[part])
        for index, (_, target) in enumerate(oracle):
            info = dataset.get_data_info(index)
            annotation = target['annotation']
            assert Path(info['img_path']).name == annotation['filename']
            found = {False: set(), True: set()}
            for item in annotation['object']:
                is_difficult = item['difficult'] == '1'
                found[is_difficult].add(classes.index(item['name']))
            assert set(info['gt_label']) == found[False]
            assert set(info['gt_label_difficult']) == found[True]


@pytest.mark.parametrize('name', ['voc07'], indirect=True)
def test_transfer_labels__several(name, folder):
    dataset = InstanceDataset(load(name, folder, 'train'))
    classes = dataset.metainfo['classes']

    labels = transfer_labels(dataset, 20)

    assert labels.shape == (3, 20)
    assert labels.dtype == torch.int64
    named = [
        {classes[c]: row[c].item() for c in row.nonzero().flatten()}
        for row in labels
    ]
    # Plain to see outweighs difficult.
    assert named == [
        dict(dog=1, cat=-1),
        dict(dog=1, car=1),
        dict(sheep=-1),
    ]


@pytest.mark.parametrize('name', ['flowers102'], indirect=True)
def test_transfer_labels__one(name, folder):
    dataset = InstanceDataset(load(name, folder, 'test'))
    expected = [label for _, label in facts(load(name, folder, 'test'))]
    assert transfer_labels(dataset, 102).tolist() == expected


def test_transfer_loaders__every_image_once(name, folder):
    definition = TRANSFER_SETS[name]
    loaders = transfer_loaders(
        name, str(loader_root(name, folder)), batch_size=4, num_workers=0
    )

    assert tuple(loaders) == PARTS
    for part, cfg in loaders.items():
        loader = Runner.build_dataloader(cfg)
        batches = list(loader)
        order = [s.sample_idx for b in batches for s in b['data_samples']]
        images = torch.cat([torch.stack(list(b['inputs'])) for b in batches])
        assert order == list(range(len(load(name, folder, part))))
        assert images.shape == (len(order), 3, 224, 224)
        assert images.dtype == torch.uint8
        labels = transfer_labels(loader.dataset, definition.num_classes)
        assert len(labels) == len(order)
        assert (labels.ndim == 2) is definition.is_multi_label
        assert labels.max() < definition.num_classes


@pytest.mark.parametrize('name', ['flowers102', 'svhn'], indirect=True)
def test_transfer_pipeline__equals_torchvision(name, folder):
    """Bicubic to a short side of 224, the middle, RGB."""
    dataset = load(name, folder, 'test')
    info = dataset.get_data_info(1)
    image = (
        Image.fromarray(info['img'])
        if 'img' in info
        else Image.open(info['img_path'])
    )
    resized = F.resize(image, 224, F.InterpolationMode.BICUBIC)
    expected = F.pil_to_tensor(F.center_crop(resized, 224))

    found = dataset[1]['inputs']

    difference = (found.int() - expected.int()).abs()
    # Two decoders of JPEG round differently.
    assert difference.max() <= (0 if name == 'svhn' else 3)


def test_definitions__sizes_and_metrics():
    """The table of BYOL; SVHN and Caltech-101 as their comments say."""
    table = {
        'cifar10': (10, 45_000, 5_000, 10_000, 'top1'),
        'cifar100': (100, 44_933, 5_067, 10_000, 'top1'),
        'food101': (101, 68_175, 7_575, 25_250, 'top1'),
        'aircraft': (100, 3_334, 3_333, 3_333, 'mean_per_class'),
        'flowers102': (102, 1_020, 1_020, 6_149, 'mean_per_class'),
        'caltech101': (101, 101 * 25, 101 * 5, 5_647, 'mean_per_class'),
        'svhn': (10, 65_931, 7_326, 26_032, 'top1'),
        'voc07': (20, 2_501, 2_510, 4_952, 'map_11points'),
    }
    assert table == {
        name: (kind.num_classes, *kind.sizes.values(), kind.metric)
        for name, kind in TRANSFER_SETS.items()
    }
    assert sum(TRANSFER_SETS['caltech101'].sizes.values()) == 8_677


@pytest.mark.parametrize('name', DRAWN)
def test_draw_validation__official_sizes(name):
    """What the draw takes of as many labels as the official set has."""
    sizes = TRANSFER_SETS[name].sizes
    num = sizes['train'] + sizes['val']
    num_classes = TRANSFER_SETS[name].num_classes
    labels = np.arange(num) % num_classes

    train, val = draw_validation(labels, sizes['val'] / num)

    assert (len(train), len(val)) == (sizes['train'], sizes['val'])
    assert train == sorted(train)
    assert sorted(train + val) == list(range(num))
    counts = np.bincount(labels[val])
    assert counts.max() - counts.min() <= 1
    # Another door to the same draw.
    other = StratifiedShuffleSplit(1, test_size=sizes['val'], random_state=0)
    (_, expected), *_ = other.split(labels, labels)
    assert val == sorted(expected.tolist())


def test_draw_validation__is_the_same_everywhere():
    """Pinned: another draw makes results incomparable."""
    labels = np.repeat([0, 1, 2], (7, 11, 22))
    assert draw_validation(labels, 0.2)[1] == [4, 5, 9, 12, 24, 25, 32, 35]


@pytest.mark.parametrize('name', DRAWN, indirect=True)
def test_transfer_part__a_part_without_files_stays_a_draw(name, folder):
    """A set that is drawn from has its own test images only."""
    sizes = SIZES[name]
    parts = [len(load(name, folder, part)) for part in PARTS]
    share = 0.1 if name != 'cifar100' else 5_067 / 50_000
    assert parts[1] == round(share * sizes['train'])
    assert sum(parts) == sizes['train'] + sizes['test']


def test_transfer_part__missing_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=r'food, the folder of Food-101, does not exist; make it: '
        'python tools/prepare_data.py food101 --from ARCHIVE_OR_FOLDER',
    ):
        transfer_part('food101', 'val', str(tmp_path / 'food'))


@pytest.mark.parametrize(
    'args, message',
    [
        (('cars', 'val'), r"name \('cars'\) must be one of cifar10, cifar100"),
        (('svhn', 'extra'), r"part \('extra'\) must be one of \('train'"),
        (('svhn', 'val', 1), r'split \(1\) must be in \[0, 1\): SVHN is part'),
        (('caltech101', 'val', 5), r'split \(5\) must be in \[0, 5\): Calt'),
    ],
)
def test_transfer_part__bad_request(args, message):
    name, part, *split = args
    with pytest.raises(ValueError, match=message):
        transfer_part(name, part, split=split[0] if split else 0)


def test_transfer_loaders__unknown_set():
    with pytest.raises(ValueError, match=r"name \('cars'\) must be one of"):
        transfer_loaders('cars')
