import pytest
import torch
from mmengine.dataset import BaseDataset, pseudo_collate
from torch.utils.data import DataLoader

from mmisl.datasets import ImageFiles, InstanceDataset

PLAIN = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(type='mmpretrain.PackInputs'),
]


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


def test_getitem__generators_are_put_back_after_an_error(image_tree):
    (image_tree / 'cat' / 'b.png').write_bytes(b'no image')
    dataset = InstanceDataset(folder(image_tree))

    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    with pytest.raises(RuntimeError):
        dataset[1]
    assert torch.equal(torch.rand(1), expected)


def test_sample_idx_of__outside(image_tree):
    dataset = InstanceDataset(folder(image_tree))
    with pytest.raises(IndexError, match=r'position \(5\) must be in \[0, 5'):
        dataset.sample_idx_of(5)
    with pytest.raises(IndexError, match=r'position \(-1\)'):
        dataset[((0, 0), -1, False)]


def test_get_info__outside(image_tree):
    dataset = InstanceDataset(repeat(folder(image_tree), 2))
    with pytest.raises(
        IndexError, match=r'sample_idx \(5\) must be in \[0, 5'
    ):
        dataset.get_info(5)
    with pytest.raises(IndexError, match=r'sample_idx \(-1\)'):
        dataset.get_info(-1)


@pytest.mark.parametrize('num_workers', [0, 2])
def test_getitem__broken_image_is_named(image_tree, num_workers):
    broken = image_tree / 'cat' / 'b.png'
    broken.write_bytes(b'no image')
    dataset = InstanceDataset(folder(image_tree))
    # One batch: torch waits 10 s for workers that hold another one.
    loader = DataLoader(
        dataset,
        batch_size=5,
        num_workers=num_workers,
        collate_fn=pseudo_collate,
    )
    with pytest.raises(
        RuntimeError,
        match=rf'cannot load image {broken} \(sample_idx 1\): .*replace the',
    ):
        list(loader)


def test_getitem__missing_image_is_named(image_tree):
    dataset = InstanceDataset(folder(image_tree))
    (image_tree / 'dog' / 'b.png').unlink()
    with pytest.raises(
        RuntimeError, match=r'dog/b.png \(sample_idx 4\): File'
    ):
        dataset[4]


def test_getitem__empty_result_is_no_other_image(image_tree):
    # mmengine draws another image when a transform returns None.
    broken = image_tree / 'cat' / 'b.png'
    broken.write_bytes(b'')
    load = dict(type='mmpretrain.LoadImageFromFile', ignore_empty=True)
    dataset = InstanceDataset(
        concat(folder(image_tree, [load, PLAIN[-1]]), folder(image_tree))
    )
    with pytest.raises(RuntimeError, match=f'cannot load image {broken}'):
        dataset[1]


def test_getitem__image_without_path_is_numbered():
    class InMemory(BaseDataset):
        def load_data_list(self):
            return [dict(img=0), dict(img=1)]

    def fail(results):
        raise KeyError('nothing\nhere')

    dataset = InstanceDataset(InMemory(pipeline=[fail]))
    with pytest.raises(
        RuntimeError, match=r'image \(in memory\) \(sample_idx 1\): KeyError'
    ) as caught:
        dataset[1]
    assert '\n' not in str(caught.value)


def test_getitem__pipeline_without_packing(image_tree):
    dataset = InstanceDataset(folder(image_tree, PLAIN[:1]))
    with pytest.raises(TypeError, match='end it with .*PackInputs'):
        dataset[0]


def test_init__missing_folder(tmp_path):
    missing = tmp_path / 'nowhere'
    with pytest.raises(
        FileNotFoundError, match=f'^{missing} does not exist; check data_root'
    ):
        InstanceDataset(folder(missing))


@pytest.mark.parametrize('with_label', [True, False])
def test_init__empty_folder(tmp_path, with_label):
    with pytest.raises(ValueError, match=f'^cannot load .* {tmp_path}: ') as e:
        InstanceDataset(repeat(folder(tmp_path, with_label=with_label), 2))
    assert 'Found 0 files' in str(e.value)
    assert '\n' not in str(e.value)


def test_init__empty_folder_among_lazy_datasets(image_tree):
    (image_tree / 'cow').mkdir()
    lazy = [
        folder(image_tree, data_prefix=name, with_label=False, lazy_init=True)
        for name in ('cat', 'cow')
    ]
    with pytest.raises(ValueError, match=f'{image_tree}/cow.*: Found 0 files'):
        InstanceDataset(concat(*lazy) | dict(lazy_init=True))


def test_init__no_image(image_tree):
    none = folder(
        image_tree,
        data_prefix='cat',
        with_label=False,
        indices=[],
        serialize_data=False,
    )
    with pytest.raises(
        ValueError, match=f'{image_tree}/cat holds no image; check .*indices'
    ):
        InstanceDataset(repeat(none, 3))


def test_init__indices_beyond_the_last_image(image_tree):
    with pytest.raises(
        ValueError, match=f'{image_tree}: IndexError: .*; check .*and indices'
    ) as caught:
        InstanceDataset(folder(image_tree, indices=[0, 5]))
    assert '\n' not in str(caught.value)


def test_folders__name_the_type_where_there_is_none(image_tree):
    cats = folder(image_tree, data_prefix='cat', with_label=False)
    assert InstanceDataset(cats).folders == f'{image_tree}/cat'
    files = ImageFiles(['a.png'], pipeline=[])
    assert InstanceDataset(files).folders == 'ImageFiles'


def test_init__no_mmengine_dataset():
    with pytest.raises(TypeError, match='of mmengine, got TensorDataset'):
        InstanceDataset(torch.utils.data.TensorDataset(torch.rand(3, 2)))
