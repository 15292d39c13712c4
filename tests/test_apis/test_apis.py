"""Model, features and neighbours, as another program asks for them."""

import os

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from tiny_run import ROOT, make_config, write_data
from torch.nn.functional import normalize

from mmisl.apis import (
    extract_features,
    find_neighbors,
    init_model,
    loader_config,
    set_loader_configs,
)
from mmisl.datasets import list_images


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Config, checkpoint of its initialised model, and that model."""
    root = tmp_path_factory.mktemp('apis')
    data = write_data(root / 'data')
    cfg = make_config(data, root / 'work')
    torch.manual_seed(5)
    model = init_model(cfg, device='cpu')
    torch.save(dict(state_dict=model.state_dict()), root / 'run.pth')
    return cfg, root / 'run.pth', model


@pytest.fixture
def images(made):
    return made[1].parent / 'data' / 'test'


def test_init_model__has_the_weights_of_the_checkpoint(made):
    cfg, checkpoint, source = made
    torch.manual_seed(6)
    untrained = init_model(cfg, device='cpu')
    model = init_model(cfg, checkpoint, 'cpu')
    key = 'backbone.conv1.weight'
    assert torch.equal(model.state_dict()[key], source.state_dict()[key])
    assert not torch.equal(
        untrained.state_dict()[key], source.state_dict()[key]
    )
    assert not model.training


def test_init_model__supervised(made):
    """mmpretrain's classifier builds its parts by itself."""
    cfg = made[0].copy()
    cfg.model = dict(
        type='Supervised',
        backbone=cfg.model.backbone,
        neck=dict(type='PoolingNeck', in_channels=32),
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=3,
            in_channels=32,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    )
    model = init_model(cfg, device='cpu')
    assert type(model.neck).__name__ == 'PoolingNeck'


def test_init_model__of_a_file_and_its_name(made, tmp_path):
    cfg, checkpoint, _ = made
    cfg.dump(tmp_path / 'run.py')
    for path in (tmp_path / 'run.py', str(tmp_path / 'run.py')):
        assert init_model(path, checkpoint, 'cpu').cfg.model == cfg.model | {
            'data_preprocessor': cfg.data_preprocessor
        }


def test_init_model__checkpoint_of_another_network(made):
    cfg, checkpoint, _ = made
    cfg = cfg.copy()
    cfg.merge_from_dict({'model.neck.out_channels': 7})
    with pytest.raises(ValueError, match='has neck.projection.weight of'):
        init_model(cfg, checkpoint, 'cpu')


def test_extract_features__equals_the_encoder_by_hand(made, images):
    model = init_model(made[0], made[1], 'cpu')
    feats = extract_features(model, images, batch_size=5, num_workers=0)
    assert feats.shape == (13, 6)
    for stage, mode, width in (
        ('neck', 'tensor', 6),
        ('backbone', 'backbone', 32),
    ):
        feats = extract_features(
            model, images, stage=stage, batch_size=5, num_workers=0
        )
        assert feats.shape == (13, width)
        for row, path in zip(feats, list_images(images), strict=True):
            pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)
            image = (torch.from_numpy(pixels.copy()).float() - 110) / 60
            with torch.no_grad():
                expected = model(image[None], mode=mode)[0]
            torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)


def test_extract_features__list_keeps_its_order(made, images):
    model = init_model(made[0], made[1], 'cpu')
    files = list_images(images)
    feats = extract_features(model, images, num_workers=0)
    some = extract_features(model, files[::-3], num_workers=1)
    torch.testing.assert_close(some, feats.flip(0)[::3])


def test_extract_features__config_without_validation(made, images):
    cfg = made[0].copy()
    feats = extract_features(
        init_model(cfg, made[1], 'cpu'), images, num_workers=0
    )
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[key] = None
    same = extract_features(
        init_model(cfg, made[1], 'cpu'), images, num_workers=0
    )
    assert torch.equal(same, feats)


def test_find_neighbors__config_of_a_folder(images):
    path = ROOT / 'configs' / 'isl_r18_folder.py'
    files = list_images(images)[:3]
    model = init_model(path, device='cpu')
    found = find_neighbors(model, files, k=1, num_workers=0)
    assert set(found.files_of(0)) < set(files[1:])


def test_extract_features__bad_input(made, images, tmp_path):
    model = init_model(made[0], made[1], 'cpu')
    with pytest.raises(ValueError, match="neck, backbone, got 'head'"):
        extract_features(model, images, stage='head')
    with pytest.raises(FileNotFoundError, match='gone is no folder'):
        extract_features(model, tmp_path / 'gone')
    with pytest.raises(ValueError, match='holds no image; files must end'):
        extract_features(model, tmp_path)
    with pytest.raises(ValueError, match='at least one image, got none'):
        extract_features(model, [])


def test_find_neighbors__among_the_images_themselves(made, images):
    model = init_model(made[0], made[1], 'cpu')
    feats = normalize(extract_features(model, images, num_workers=0)).double()
    cosines = feats @ feats.T
    found = find_neighbors(model, images, k=4, num_workers=0)
    files = list_images(images)
    for query in range(13):
        others = [row for row in range(13) if row != query]
        best = sorted(others, key=lambda row: -float(cosines[query, row]))
        assert found.rows[query].tolist() == best[:4]
        assert found.files_of(query) == [files[row] for row in best[:4]]
        torch.testing.assert_close(
            found.similarity[query].double(), cosines[query, best[:4]]
        )


def test_find_neighbors__in_another_folder(made, images):
    model = init_model(made[0], made[1], 'cpu')
    files = list_images(images)
    found = find_neighbors(model, files[3:5], images, k=99, num_workers=0)
    assert found.rows.shape == (2, 13)
    assert [found.files_of(query)[0] for query in (0, 1)] == files[3:5]
    with pytest.raises(ValueError, match='k must be at least 1, got 0'):
        find_neighbors(model, images, k=0)


@pytest.mark.parametrize('num_workers', [0, 1])
def test_extract_features__one_image(made, images, num_workers):
    model = init_model(made[0], made[1], 'cpu')
    feats = extract_features(model, images, num_workers=0)
    path = list_images(images)[4]
    one = extract_features(model, [path], num_workers=num_workers)
    torch.testing.assert_close(one, feats[4:5])


def test_extract_features__unreadable_image(made, tmp_path):
    model = init_model(made[0], made[1], 'cpu')
    path = tmp_path / 'a.png'
    path.write_bytes(b'no image')
    with pytest.raises(RuntimeError, match=f'cannot load image {path}'):
        extract_features(model, [path], num_workers=0)


def test_find_neighbors__one_query(made, images):
    model = init_model(made[0], made[1], 'cpu')
    files = list_images(images)
    found = find_neighbors(model, files[2:3], images, k=3, num_workers=0)
    assert found.rows.shape == (1, 3)
    assert found.files_of(0)[0] == files[2]
    found = find_neighbors(model, images, files[2:3], num_workers=0)
    assert found.rows.tolist() == [[0]] * 13
    match = f'one image, {files[2]}, and no other .*; name a gallery'
    with pytest.raises(ValueError, match=match):
        find_neighbors(model, files[2:3])


def test_loader_config__no_loader_for_the_split():
    with pytest.raises(ValueError, match='^gallery_dataloader: missing'):
        loader_config(Config(), 'train')
    with pytest.raises(ValueError, match='^val_dataloader: missing'):
        loader_config(Config(), 'val')


def test_loader_config__transforms_read_no_files(tmp_path):
    dataset = dict(type='X', dataset=dict(pipeline=[dict(type='PackInputs')]))
    cfg = Config(dict(val_dataloader=dict(dataset=dataset)))
    with pytest.raises(ValueError, match='begin with PackInputs'):
        loader_config(cfg, 'val', tmp_path)


def test_set_loader_configs__workers_where_cores_are_only_counted(
    made, monkeypatch
):
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    monkeypatch.setattr(os, 'cpu_count', lambda: 3)
    loaders = set_loader_configs(made[0], 'flowers102', 'somewhere')
    assert loaders['test']['num_workers'] == 3


def test_set_loader_configs__network_must_take_rgb(made):
    cfg = made[0].copy()
    loaders = set_loader_configs(cfg, 'flowers102', 'somewhere')
    assert list(loaders) == ['train', 'val', 'test']
    assert 'somewhere' in str(loaders['test'])
    cfg.data_preprocessor['to_rgb'] = True
    with pytest.raises(ValueError, match='data_preprocessor.to_rgb turns'):
        set_loader_configs(cfg, 'flowers102')
