"""Parts of mmisl build from other toolboxes with nothing imported before."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from tiny_run import make_config, write_data

BUILD = """
import importlib
import sys

from mmengine.config import Config

registry = importlib.import_module(sys.argv[1] + '.registry')
cfg = Config.fromfile(sys.argv[2])
assert not any(name.split('.')[0] == 'mmisl' for name in sys.modules)
parts = [
    registry.MODELS.build(cfg.isl),
    registry.MODELS.build(dict(type='mmisl.GANMiner', feat_dim=6)),
    registry.MODELS.build(dict(type='mmisl.AlexNetBN', variant='small')),
    registry.HOOKS.build(dict(type='mmisl.MemoryBankHook')),
    registry.HOOKS.build(dict(type='mmisl.PreprocessingCheckHook')),
    registry.WEIGHT_INITIALIZERS.build(
        dict(type='mmisl.StrictPretrained', checkpoint='a.pth')
    ),
    registry.WEIGHT_INITIALIZERS.build(
        dict(
            type='mmisl.PretrainedParts',
            checkpoint='a.pth',
            parts=dict(backbone=dict()),
        )
    ),
    registry.METRICS.build(dict(type='mmisl.KNNMetric')),
    registry.DATASETS.build(cfg.images),
    registry.VISBACKENDS.build(
        dict(type='mmisl.WandbBackend', save_dir='wandb')
    ),
]
for part in parts:
    print(type(part).__module__, type(part).__name__)
if 'model' in cfg:
    from mmengine.registry import RUNNERS

    cfg.pop('isl'), cfg.pop('images')
    runner = RUNNERS.build(cfg)  # as the tools of other toolboxes do
    print(type(runner).__module__, type(runner).__name__)
    runner.train()
"""
EXPECTED = """\
mmisl.models.algorithms.isl ISL
mmisl.models.miners.gan_miner GANMiner
mmisl.models.backbones.alexnet_bn AlexNetBN
mmisl.engine.hooks.memory_bank_hook MemoryBankHook
mmisl.engine.hooks.preprocessing_check_hook PreprocessingCheckHook
mmisl.weights.strict_pretrained StrictPretrained
mmisl.weights.pretrained_parts PretrainedParts
mmisl.evaluation.knn_metric KNNMetric
mmisl.datasets.instance_dataset InstanceDataset
mmisl.visualization.wandb_backend WandbBackend
"""


def with_scope(cfg):
    """The same config as another toolbox writes it: names with a scope."""
    if isinstance(cfg, dict):
        return {
            key: scoped(value) if key == 'type' else with_scope(value)
            for key, value in cfg.items()
        }
    if isinstance(cfg, list):
        return [with_scope(item) for item in cfg]
    return cfg


def scoped(name):
    ours = {
        'AtomicCheckpointHook',
        'DeferredLossHook',
        'GANMiner',
        'ISL',
        'ISLHead',
        'ISLNeck',
        'InstanceDataset',
        'InstanceSampler',
        'KNNGalleryHook',
        'KNNMetric',
        'MemoryBank',
        'MemoryBankHook',
        'MiningSnapshotHook',
        'NeighborPictureHook',
        'ProgressHook',
        'RoundBasedTrainLoop',
        'RunRecordHook',
        'StageLogProcessor',
        'StageTimesHook',
    }
    return f'mmisl.{name}' if name in ours else name


def build_from(toolbox, tmp_path, *, run=False):
    data = write_data(tmp_path / 'data')
    overrides = {
        'train_cfg.max_rounds': 2,
        'train_cfg.encoder': dict(max_epochs=1, val_interval=1),
    }
    tiny = make_config(data, tmp_path / 'run', overrides)
    cfg = type(tiny)(with_scope(tiny.to_dict()))
    cfg.isl = cfg.model
    cfg.images = cfg.train_dataloader.dataset
    cfg.default_scope = toolbox
    if not run:
        cfg.pop('model')
    cfg.dump(tmp_path / 'other.py')
    done = subprocess.run(
        [sys.executable, '-c', BUILD, toolbox, str(tmp_path / 'other.py')],
        env={**os.environ, 'OMP_WAIT_POLICY': 'PASSIVE'},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_build__from_mmpretrain(tmp_path):
    output = build_from('mmpretrain', tmp_path, run=True)
    assert EXPECTED in output
    # The whole run, hooks and loop included, in mmpretrain's scope.
    assert (tmp_path / 'run' / 'epoch_2.pth').is_file()
    assert 'mmisl.engine.runner LeanRunner' in output
    assert 'knn/recomputed_top1' in output


@pytest.mark.skipif(
    find_spec('mmdet') is None or find_spec('mmcv._ext') is None,
    reason='needs mmdet and the compiled ops of mmcv: make test installs them',
)
def test_build__from_mmdet(tmp_path):
    assert EXPECTED in build_from('mmdet', tmp_path)
