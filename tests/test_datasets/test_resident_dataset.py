from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.datasets import BaseDataset
from PIL import Image

from mmisl.datasets import InstanceDataset, InstanceSampler, ResidentDataset
from mmisl.models import AugmentingPreprocessor


class Images(BaseDataset):
    """Images in memory, of the sizes that are named."""

    def __init__(self, sizes, dtype='uint8', pipeline=()):
        self.sizes, self.dtype = sizes, dtype
        pack = dict(type='mmpretrain.PackInputs')
        super().__init__(ann_file='', pipeline=[*pipeline, pack])

    def load_data_list(self):
        rng = np.random.default_rng(0)
        return [
            dict(
                img=rng.integers(0, 256, (*size, 3)).astype(self.dtype),
                gt_label=index,
            )
            for index, size in enumerate(self.sizes)
        ]


def batches(dataset, **kwargs):
    loader = Runner.build_dataloader(
        dict(
            dataset=dataset,
            batch_size=3,
            sampler=dict(type='mmisl.InstanceSampler', **kwargs),
            collate_fn=dict(type='default_collate'),
            num_workers=0,
        ),
        seed=4,
    )
    for batch in loader:
        keys = [s.draw_key for s in batch['data_samples']]
        indices = [s.sample_idx for s in batch['data_samples']]
        yield batch['inputs'], indices, keys


@pytest.mark.parametrize('kwargs', [dict(), dict(view=1, unique=True)])
def test_getitem__batches_equal_those_of_instance_dataset(kwargs):
    wrapped = dict(type='RepeatDataset', times=2, dataset=Images([(5, 4)] * 4))
    plain = list(batches(InstanceDataset(wrapped), **kwargs))
    resident = list(batches(ResidentDataset(wrapped), **kwargs))

    assert len(plain) == len(resident) == (2 if kwargs else 3)
    for expected, found in zip(plain, resident):
        assert torch.equal(found[0], expected[0])
        assert found[1:] == expected[1:]


def test_getitem__draw_key_names_the_copy():
    wrapped = dict(type='RepeatDataset', times=2, dataset=Images([(5, 4)] * 3))
    for kind in (InstanceDataset, ResidentDataset):
        item = kind(wrapped)[((9, 6), 4, True)]['data_samples']
        assert item.sample_idx == -1
        assert item.draw_key == (9, 6, 1, 1)


def test_getitem__two_ranks_augment_as_one():
    dataset = ResidentDataset(Images([(6, 6)] * 5))
    with DefaultScope.overwrite_default_scope('mmisl'):
        preprocessor = AugmentingPreprocessor(
            [dict(type='BatchRandomResizedCrop', size=6)], [0.0] * 3, [1.0] * 3
        )

    def augmented(world_size):
        found = {}
        for rank in range(world_size):
            with mock.patch(
                'mmisl.datasets.instance_sampler.get_dist_info',
                return_value=(rank, world_size),
            ):
                loaded = list(batches(dataset))
            for images, indices, keys in loaded:
                views = preprocessor.augment(images, torch.tensor(keys))
                found |= dict(zip(indices, views))
        return found

    alone, shared = augmented(1), augmented(2)
    assert sorted(alone) == [0, 1, 2, 3, 4]
    assert sorted(shared) == [-1, 0, 1, 2, 3, 4]
    for sample_idx, view in alone.items():
        torch.testing.assert_close(view, shared[sample_idx])


def test_getitem__no_copy():
    dataset = ResidentDataset(Images([(5, 4)] * 3), device='cpu')
    assert dataset.images.shape == (3, 3, 5, 4)
    assert dataset[2]['inputs'].data_ptr() == dataset.images[2].data_ptr()


def test_init__device_of_mmengine():
    with mock.patch(
        'mmisl.datasets.resident_dataset.get_device', return_value='meta'
    ):
        dataset = ResidentDataset(Images([(5, 4)] * 2))
    assert dataset.images.device.type == 'meta'


def test_init__random_pipeline(tmp_path):
    crop = dict(type='mmpretrain.RandomCrop', crop_size=3)
    with pytest.raises(ValueError, match='draws random numbers, .*Augmenting'):
        ResidentDataset(Images([(5, 4)] * 2, pipeline=[crop]))


def test_init__sizes_differ():
    message = r'image 1 is \(3, 5, 6\) .*have to be \(3, 5, 4\).*; resize'
    with pytest.raises(ValueError, match=message):
        ResidentDataset(Images([(5, 4), (5, 6)]))


def test_init__not_uint8():
    with pytest.raises(ValueError, match='float32, but all have .*uint8'):
        ResidentDataset(Images([(5, 4)] * 2, dtype='float32'))


def test_getitem__worker():
    dataset = ResidentDataset(Images([(5, 4)] * 2))
    loader = torch.utils.data.DataLoader(
        dataset, sampler=InstanceSampler(dataset, seed=0), num_workers=2
    )
    with pytest.raises(RuntimeError, match=r'num_workers \(2\) must be 0'):
        list(loader)


def test_getitem__files(tmp_path):
    for index in range(3):
        pixels = np.full((4, 4, 3), 50 * index, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f'{index}.png')
    dataset = ResidentDataset(
        dict(
            type='mmpretrain.CustomDataset',
            data_root=str(tmp_path),
            with_label=False,
            pipeline=[
                dict(type='mmpretrain.LoadImageFromFile'),
                dict(type='mmpretrain.PackInputs'),
            ],
        )
    )
    assert dataset.images.float().mean((1, 2, 3)).tolist() == [0, 50, 100]
