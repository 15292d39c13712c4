import io
import os
import pickle
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, pseudo_collate
from mmpretrain.datasets import BaseDataset
from PIL import Image
from torch.utils.data import DataLoader

from mmisl.datasets import InstanceDataset, InstanceSampler

DATA = Path(
    os.environ.get(
        'MMISL_DATA', Path(__file__).parents[2].parent / 'shared' / 'data'
    )
)
AUGMENT = [
    dict(type='mmpretrain.LoadImageFromFile'),
    # The crop draws from NumPy's generator, torchvision from torch's.
    dict(type='mmpretrain.RandomCrop', crop_size=7, padding=2),
    dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
    dict(type='mmpretrain.torchvision/ColorJitter', brightness=0.9, hue=0.5),
    dict(type='mmpretrain.torchvision/RandomRotation', degrees=90),
    dict(type='mmpretrain.PackInputs'),
]
PLAIN = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.PackInputs'),
]


class ArrayDataset(BaseDataset):
    """Images in memory whose first pixel is their number."""

    def __init__(self, labels, first=0, pipeline=None, indices=None):
        self.labels, self.first = labels, first
        pack = [dict(type='mmpretrain.PackInputs')]
        super().__init__(
            ann_file='', pipeline=pipeline or pack, indices=indices
        )

    def load_data_list(self):
        return [
            dict(img=np.full((4, 5, 3), self.first + i, np.uint8))
            | ({} if label is None else dict(gt_label=label))
            for i, label in enumerate(self.labels)
        ]


class PythonRandom:
    """Adds a number from Python's generator, which AUGMENT never uses."""

    def __call__(self, results):
        noise = random.randrange(100)
        return {**results, 'img': results['img'] + np.uint8(noise)}


def repeat(dataset, times):
    return dict(type='RepeatDataset', times=times, dataset=dataset)


def concat(*datasets):
    return dict(type='ConcatDataset', datasets=list(datasets))


def folder(root, pipeline=PLAIN, **kwargs):
    return dict(
        type='mmpretrain.CustomDataset',
        data_root=str(root),
        pipeline=pipeline,
        **kwargs,
    )


def numbers(dataset):
    """First pixel and sample_idx of every position."""
    items = [dataset[position] for position in range(len(dataset))]
    return [
        (int(item['inputs'][0, 0, 0]), item['data_samples'].sample_idx)
        for item in items
    ]


def epoch_tensors(dataset, epoch, num_workers):
    sampler = InstanceSampler(dataset, seed=3)
    sampler.set_epoch(epoch)
    loader = DataLoader(
        dataset,
        batch_size=2,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=pseudo_collate,
    )
    found = {}
    for batch in loader:
        for inputs, sample in zip(
            batch['inputs'], batch['data_samples'], strict=True
        ):
            found[sample.sample_idx] = inputs
    return found


def test_getitem__worker_count_does_not_matter(image_tree):
    dataset = InstanceDataset(folder(image_tree, AUGMENT))

    alone = epoch_tensors(dataset, 1, num_workers=0)
    shared = epoch_tensors(dataset, 1, num_workers=2)

    assert sorted(alone) == sorted(shared) == [0, 1, 2, 3, 4]
    for sample_idx, inputs in alone.items():
        assert torch.equal(inputs, shared[sample_idx])


def test_getitem__stream_and_seed_change_the_view(image_tree):
    dataset = InstanceDataset(folder(image_tree, AUGMENT))

    first = dataset[((0, 0), 3, False)]['inputs']

    assert torch.equal(first, dataset[3]['inputs'])
    assert not torch.equal(first, dataset[((0, 2), 3, False)]['inputs'])
    assert not torch.equal(first, dataset[((1, 0), 3, False)]['inputs'])


def test_getitem__python_generator_is_seeded():
    pipeline = [PythonRandom(), dict(type='mmpretrain.PackInputs')]
    dataset = InstanceDataset(ArrayDataset([0] * 20, pipeline=pipeline))

    once = [dataset[i]['inputs'][0, 0, 0].item() - i for i in range(20)]
    again = [dataset[i]['inputs'][0, 0, 0].item() - i for i in range(20)]

    assert once == again
    assert len(set(once)) > 10  # images do not share their random numbers


def test_getitem__order_of_reading_does_not_matter(image_tree):
    dataset = InstanceDataset(folder(image_tree, AUGMENT))

    forward = [dataset[i]['inputs'] for i in range(5)]
    backward = [dataset[i]['inputs'] for i in reversed(range(5))][::-1]

    for one, other in zip(forward, backward, strict=True):
        assert torch.equal(one, other)


def test_getitem__copies_differ(image_tree):
    dataset = InstanceDataset(repeat(folder(image_tree, AUGMENT), 3))

    copies = [dataset[((0, 0), p, False)] for p in (2, 7, 12)]

    assert [c['data_samples'].sample_idx for c in copies] == [2, 2, 2]
    first, second, third = (c['inputs'] for c in copies)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    assert not torch.equal(first, third)


def test_getitem__generators_are_put_back(image_tree):
    dataset = InstanceDataset(folder(image_tree, AUGMENT))

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = draw()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    dataset[((0, 4), 1, False)]
    assert draw() == expected


def test_getitem__padding_is_minus_one(image_tree):
    dataset = InstanceDataset(folder(image_tree, AUGMENT))

    padded, plain = dataset[((0, 2), 4, True)], dataset[((0, 2), 4, False)]

    assert padded['data_samples'].sample_idx == -1
    assert plain['data_samples'].sample_idx == 4
    assert torch.equal(padded['inputs'], plain['inputs'])


@pytest.mark.parametrize(
    ('wrapped', 'expected'),
    [
        (lambda a, b: a, [(0, 0), (1, 1), (2, 2)]),
        (
            lambda a, b: ConcatDataset([a, b]),
            [(0, 0), (1, 1), (2, 2), (10, 3), (11, 4)],
        ),
    ],
)
def test_sample_idx__array_datasets(wrapped, expected):
    dataset = InstanceDataset(
        wrapped(ArrayDataset([0, 1, 0]), ArrayDataset([1, 1], first=10))
    )
    assert numbers(dataset) == expected
    assert dataset.num_instances == len(expected)


def test_sample_idx__repeat_in_concat_in_repeat(image_tree):
    cats = folder(image_tree, data_prefix='cat', with_label=False)  # 3
    dogs = folder(image_tree, data_prefix='dog', with_label=False)  # 2
    dataset = InstanceDataset(repeat(concat(repeat(cats, 2), dogs), 2))

    expected = [0, 1, 2, 0, 1, 2, 3, 4] * 2
    found = [dataset[p]['data_samples'].sample_idx for p in range(16)]
    names = ['cat/a', 'cat/b', 'cat/c', 'dog/a', 'dog/b']

    assert found == expected
    assert [dataset.sample_idx_of(p) for p in range(16)] == expected
    assert dataset.num_instances == 5
    assert dataset.positions().tolist() == [0, 1, 2, 6, 7]
    for position in range(16):
        path = dataset[position]['data_samples'].img_path
        assert path.endswith(f'{names[expected[position]]}.png')
    for sample_idx, name in enumerate(names):
        info = dataset.get_info(sample_idx)
        assert info['img_path'].endswith(f'{name}.png')
        assert info['sample_idx'] == sample_idx


def test_sample_idx__class_balanced(image_tree):
    # Frequencies 0.6 and 0.4; sqrt(0.9 / 0.4) = 1.5 and sqrt(0.9 / 0.6) =
    # 1.22: both are rounded up to 2.
    dataset = InstanceDataset(
        dict(
            type='ClassBalancedDataset',
            oversample_thr=0.9,
            dataset=folder(image_tree),
        )
    )
    found = [dataset[p]['data_samples'].sample_idx for p in range(10)]
    assert found == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert dataset.positions().tolist() == [0, 2, 4, 6, 8]


def test_sample_idx__subset_counts_inside_the_subset():
    subset = ArrayDataset([0, 1, 2, 3, 4], indices=[4, 1, 3])
    dataset = InstanceDataset(subset)
    assert numbers(dataset) == [(4, 0), (1, 1), (3, 2)]
    assert dataset.labels().tolist() == [4, 1, 3]


def test_labels__by_sample_idx(image_tree):
    dataset = InstanceDataset(repeat(folder(image_tree), 2))
    assert dataset.labels().tolist() == [0, 0, 0, 1, 1]
    assert dataset.labels().dtype == torch.int64
    assert dataset.metainfo['classes'] == ('cat', 'dog')


@pytest.mark.parametrize('labels', [[None, None], [1, None], [[0, 1], [2]]])
def test_labels__none_unless_one_each(labels):
    assert InstanceDataset(ArrayDataset(labels)).labels() is None


def test_labels__unlabelled_folder(image_tree):
    dataset = InstanceDataset(folder(image_tree, with_label=False))
    assert dataset.labels() is None


def test_pickle__behaves_the_same(image_tree):
    dataset = InstanceDataset(repeat(folder(image_tree, AUGMENT), 2))
    thawed = pickle.loads(pickle.dumps(dataset))
    key = ((0, 6), 8, False)
    assert torch.equal(thawed[key]['inputs'], dataset[key]['inputs'])


def test_getitem__real_photographs(tmp_path):
    archive = DATA / 'cifar10_jpeg.tar.xz'
    if not archive.is_file():
        pytest.skip(f'{archive} is absent; MMISL_DATA names its folder')
    originals = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and len(originals) < 5:
                content = tar.extractfile(member).read()
                name = f'{len(originals)}.jpg'
                (tmp_path / name).write_bytes(content)
                originals.append(Image.open(io.BytesIO(content)))
            if len(originals) == 5:
                break
    pipeline = [AUGMENT[0], AUGMENT[2], AUGMENT[-1]]
    dataset = InstanceDataset(folder(tmp_path, pipeline, with_label=False))

    for item, original in zip(
        (dataset[i] for i in range(5)), originals, strict=True
    ):
        # RGB from the loader on; decoders differ by a few levels.
        pixels = item['inputs'].permute(1, 2, 0).numpy().astype(int)
        wanted = np.asarray(original.convert('RGB')).astype(int)
        assert pixels.shape == (32, 32, 3)
        assert np.abs(pixels - wanted).mean() < 2
