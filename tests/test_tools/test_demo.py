"""tools/demo.py, shortened: what a newcomer finds in the work dir."""

import importlib
import json
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from mmisl.datasets import make_digits_textures
from mmisl.runs import read_run

ROOT = Path(__file__).resolve().parents[2]


def shorten(cfg, data_root):
    """Every twelfth image, a narrow network, three rounds of an epoch."""
    cfg.merge_from_dict(
        {
            'model.backbone.stem_channels': 4,
            'model.backbone.base_channels': 4,
            'model.neck.in_channels': 16,
            'train_cfg.encoder.max_epochs': 1,
            'train_cfg.encoder.first_epochs': 2,
            'train_cfg.encoder.val_interval': 1,
        }
    )
    if 'training' in cfg.model.miner:
        cfg.model.miner.training.update(
            min_iters=20, max_iters=20, eval_interval=10
        )
    loaders = ('train_dataloader', 'gallery_dataloader', 'val_dataloader')
    for loader in loaders:
        cfg[loader].update(num_workers=0, persistent_workers=False)
    for loader in loaders[:2]:
        dataset = cfg[loader].dataset.dataset
        dataset.indices = list(range(0, 1437, 12))
        dataset.data_root = str(data_root)
    cfg.val_dataloader.dataset.data_root = str(data_root)
    return cfg


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demo')
    make_digits_textures(folder / 'data')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools')
        demo = importlib.import_module('demo')

        def load(path):
            return shorten(Config.fromfile(path), folder / 'data')

        patch.setattr(demo, 'make_digits_textures', lambda _: None)
        patch.setattr(demo, 'load_config', load)
        demo.main(['--work-dir', str(folder / 'run')])
    return folder / 'run'


def test_demo__one_row_for_every_stage(work_dir):
    metrics = json.loads((work_dir / 'metrics.json').read_text())
    assert [row['stage'] for row in metrics['table']] == [
        'raw pixels',
        'untrained network',
        'round 0 (instance discrimination)',
        'ISL, round 1',
        'ISL, round 2',
        'kNN control, round 1',
        'kNN control, round 2',
    ]
    assert all(0 <= row['knn_top1'] <= 100 for row in metrics['table'])
    assert all(len(metrics['mining'][name]) == 2 for name in metrics['mining'])
    assert metrics['seconds'] > 0


@pytest.mark.parametrize('name', ['isl', 'knn'])
def test_demo__a_run_has_the_first_round_in_its_history(work_dir, name):
    run = read_run(work_dir / name)
    assert run.status == 'finished'
    epochs = [r['epoch'] for r in run.scalars if 'loss' in r]
    assert sorted(set(epochs)) == [1, 2, 3, 4]
    assert [path.stem for path in run.snapshots] == ['round_000', 'round_001']


def test_demo__report_and_pictures(work_dir):
    page = (work_dir / 'report.html').read_text(encoding='utf-8')
    assert 'The demo: ISL and its control' in page
    assert Image.open(work_dir / 'curves.png').width > 300
