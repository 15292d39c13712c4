import io
import os
import shutil

import numpy as np
import pytest
import torch
from made_runs import CLASSES, CONFIG, write_tree
from mmengine.config import Config
from PIL import Image

from mmisl.datasets import load_original
from mmisl.report.run_images import read_images
from mmisl.report.views import MAX_SIDE, draw_views, to_data_uri


def config_of(root):
    return Config.fromstring(CONFIG.format(root=str(root)), '.py')


def decode(uri):
    import base64

    head, _, text = uri.partition(',')
    assert head == 'data:image/webp;base64'
    return Image.open(io.BytesIO(base64.b64decode(text))).convert('RGB')


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / 'a'), tmp_path / 'a'


def test_read_images__in_order_of_sample_idx(tree):
    colours, root = tree
    images = read_images(config_of(root), [root])
    assert len(images) == len(colours)
    assert images.class_names == sorted(CLASSES)
    assert images.labels.dtype == np.int32
    for index in range(len(images)):
        info = images.dataset.get_info(index)
        name = images.names[index]
        number = int(os.path.basename(name)[:2])
        assert os.path.join(root, name) == info['img_path']
        assert load_original(info).getpixel((0, 0)) == tuple(colours[number])
        folder = images.class_names[images.labels[index]]
        assert name == f'{folder}/{number:02d} "<i>&.png'


def test_read_images__key_tells_sets_apart(tree, tmp_path, monkeypatch):
    _, root = tree
    key = read_images(config_of(root), [root]).key
    monkeypatch.chdir(root)
    assert read_images(config_of('.'), [root]).key == key
    shutil.copytree(root, tmp_path / 'b')
    assert read_images(config_of(tmp_path / 'b'), [root]).key != key
    before = read_images(config_of(root), [root])
    gone = sorted(root.rglob('*.png'))[4]
    gone.unlink()
    after = read_images(config_of(root), [root])
    assert after.key != key
    assert before.first_difference(before) is None
    assert before.first_difference(after) == 4
    assert before.where(4) == str(gone)
    sorted(root.rglob('*.png'))[-1].unlink()
    fewer = read_images(config_of(root), [root])
    assert fewer.first_difference(after) == len(fewer) == 9
    assert fewer.where(9) == 'no image'


def test_read_images__folder_below_the_root_is_gone(tree):
    _, root = tree
    cfg = config_of(root)
    cfg.train_dataloader.dataset.dataset.data_prefix = 'gone'
    cure = '--cfg-options train_dataloader.dataset.dataset.data_root=FOLDER'
    with pytest.raises(FileNotFoundError, match=f'gone.* place: {cure}$'):
        read_images(cfg, [root])


def test_read_images__images_in_memory(tmp_path, monkeypatch):
    """Such as CIFAR-10's, which are in no files."""
    from mmengine.dataset import BaseDataset

    from mmisl.registry import DATASETS

    class InMemory(BaseDataset):
        def load_data_list(self):
            rng = np.random.default_rng(self.metainfo['seed'])
            pixels = rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
            return [dict(img=image) for image in pixels]

    monkeypatch.setitem(DATASETS._module_dict, 'InMemory', InMemory)

    def images(seed):
        return read_images(
            Config(
                dict(
                    train_dataloader=dict(
                        dataset=dict(
                            type='mmisl.ResidentDataset',
                            device='cuda',
                            dataset=dict(
                                type='InMemory', metainfo=dict(seed=seed)
                            ),
                        )
                    )
                )
            ),
            [tmp_path],
        )

    first = images(0)
    assert first.names is None and first.labels is None
    assert first.class_names == []
    assert first.key == images(0).key != images(1).key
    assert first.first_difference(images(1)) == 0
    assert first.where(0) == 'an image in no file'


def test_read_images__config_without_training_set(tmp_path):
    with pytest.raises(KeyError, match='has no train_dataloader.dataset'):
        read_images(Config(dict(model=1)), [tmp_path])


def test_draw_views__original_then_what_training_sees(tree):
    colours, root = tree
    cfg = config_of(root)
    images = read_images(cfg, [root])
    drawn = draw_views(images.dataset, cfg, num_images=3, num_views=2, seed=7)

    assert [row['sample'] for row in drawn] == [0, 5, 10]
    for row in drawn:
        original, *views = map(decode, row['images'])
        assert original.size == (10, 8)
        assert [view.size for view in views] == [(12, 12)] * 2
        number = int(images.names[row['sample']].rpartition('/')[2][:2])
        for image in (original, *views):  # a crop of one colour is that one
            assert image.getpixel((3, 3)) == tuple(colours[number])


def test_draw_views__some_rows(tree):
    _, root = tree
    cfg = config_of(root)
    dataset = read_images(cfg, [root]).dataset
    rows = np.array([2, 9])
    some = draw_views(dataset, cfg, num_images=5, num_views=1, rows=rows)
    assert [row['sample'] for row in some] == [0, 1]
    every = draw_views(dataset, cfg, num_images=11, num_views=1)
    assert [row['images'] for row in some] == [
        every[row]['images'] for row in rows
    ]


def test_draw_views__augmented_on_the_device(tree):
    """The pipeline gives whole images; the preprocessor turns them grey."""
    colours, root = tree
    cfg = config_of(root)
    pipeline = cfg.train_dataloader.dataset.dataset.pipeline
    del pipeline[2]
    cfg.data_preprocessor = dict(
        type='AugmentingPreprocessor',
        augments=[dict(type='BatchRandomGrayscale', p=1.0)],
        mean=[120.0, 110, 100],
        std=[60.0, 50, 40],
    )
    dataset = read_images(cfg, [root]).dataset
    (row,) = draw_views(dataset, cfg, num_images=1, num_views=1)
    original, view = map(decode, row['images'])
    assert view.size == original.size
    grey = original.convert('L').getpixel((0, 0))
    assert np.abs(np.subtract(view.getpixel((0, 0)), grey)).max() <= 1


def test_to_data_uri__large_images_are_shrunk():
    wide = Image.fromarray(
        torch.arange(256, dtype=torch.uint8).repeat(64, 4).numpy()
    )
    assert decode(to_data_uri(wide)).size == (MAX_SIDE, 8)
