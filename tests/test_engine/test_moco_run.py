"""MoCo and MoCo with mined positives, from the loader to the checkpoint."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tiny_methods import moco, moco_isl
from tiny_run import (
    NUM_TRAIN,
    ROOT,
    checkpoint_of,
    make_config,
    train,
    write_data,
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
    """Folder of a run of MoCo."""
    folder = tmp_path_factory.mktemp('moco')
    train(make_config(data, folder, moco.OVERRIDES))
    return folder


def test_run__queue_holds_the_last_images_of_the_last_epoch(trained):
    state = checkpoint_of(trained, 3)['state_dict']
    # 19 of 41 different images: no padded copy, none twice.
    assert state['queue.sample_idx'].unique().numel() == 19
    assert state['queue.sample_idx'].min() >= 0
    assert state['queue.pointer'] == 3 * NUM_TRAIN % 19
    assert state['encoder_k.steps'] == 3 * 6


@pytest.mark.parametrize('with_key_encoder', [True, False])
def test_oneshot__mines_first_from_a_trained_moco(
    data, trained, tmp_path, with_key_encoder
):
    """The settings of the config, on weights with or without keys."""
    weights = checkpoint_of(trained, 3)['state_dict']
    if not with_key_encoder:
        weights = {
            key: value
            for key, value in weights.items()
            if not key.startswith(('encoder_k', 'queue'))
        }
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=weights), path)
    oneshot = Config.fromfile(ROOT / 'configs/mocov2_isl_oneshot_r50.py')
    train_cfg = oneshot.train_cfg.to_dict()
    train_cfg['encoder'].update(max_epochs=1, val_interval=0)
    train_cfg['mining'].update(num_views=2)
    cfg = make_config(
        data,
        tmp_path / 'run',
        {
            **moco_isl.OVERRIDES,
            'train_cfg': train_cfg,
            'param_scheduler': [dict(type='CosineAnnealingLR', T_max=1)],
            'default_hooks.checkpoint.strict': (
                oneshot.default_hooks.checkpoint.strict
            ),
            'load_from': str(path),
        },
    )
    runner = train(cfg)
    assert runner.epoch == 1
    mined = checkpoint_of(Path(runner.work_dir), 0)['state_dict']
    for name, value in weights.items():
        assert torch.equal(mined[name], value), name
    # Mined with keys of the loaded weights, not of the initial ones.
    for name, value in weights.items():
        for part, index in (('backbone.', 0), ('neck.', 1)):
            if name.startswith(part) and not with_key_encoder:
                copy = f'encoder_k.module.{index}.{name[len(part) :]}'
                assert torch.equal(mined[copy], value), name
    norms = mined['memory.bank'].norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(NUM_TRAIN))
    assert mined['graph.indices'].numel() == 2 * NUM_TRAIN  # a quota of 2
    assert runner.model.encoder_k.num_steps == 6 + 18 * with_key_encoder
