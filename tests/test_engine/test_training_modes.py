"""Mixed precision, memory layout, accumulation, and learning rates."""

import importlib
import math

import pytest
import torch
from tiny_run import (
    NUM_BATCHES,
    ROOT,
    make_config,
    recorder_of,
    train,
    write_data,
)
from torch import nn

from mmisl.engine import optim_wrappers
from mmisl.models.necks import ISLNeck
from mmisl.registry import MODELS

HOOKS = [
    dict(type='MemoryBankHook'),
    dict(type='KNNGalleryHook'),
    dict(type='RecorderHook'),
]
# 2 rounds of one epoch, so the second has neighbours; no validation.
SHORT = {
    'train_cfg.max_rounds': 2,
    'train_cfg.encoder.max_epochs': 1,
    'val_cfg': None,
    'val_dataloader': None,
    'val_evaluator': None,
    'custom_hooks': HOOKS,
}
LR = 0.03


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def plain(data, tmp_path_factory):
    """Record of a run without any of the modes."""
    return run(data, tmp_path_factory.mktemp('plain'))


def run(data, work_dir, overrides=None):
    cfg = make_config(data, work_dir, {**SHORT, **(overrides or {})})
    return recorder_of(train(cfg))


@pytest.fixture
def maps(monkeypatch):
    """Every feature map that goes from the backbone to the neck."""
    seen = []
    forward = ISLNeck.forward

    def patched(neck, feats):
        seen.append(feats[-1].detach())
        return forward(neck, feats)

    monkeypatch.setattr(ISLNeck, 'forward', patched)
    return seen


def test_amp__on_a_cpu(data, tmp_path, monkeypatch, plain, maps):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    cfg = make_config(data, tmp_path, SHORT)
    importlib.import_module('train').enable_amp(cfg)
    cfg.optim_wrapper.emulate = True  # also where tests run on old processors
    runner = train(cfg)
    record = recorder_of(runner)
    # Training in half, views for mining in single precision.
    assert {m.dtype for m in maps} == {torch.bfloat16, torch.float32}
    assert {t.dtype for t in runner.model.parameters()} == {torch.float32}
    assert record['banks'][-1].dtype == torch.float32
    assert record['losses'] != plain['losses']
    # bfloat16 has 8 bits; after an epoch of 4 channels the two drift apart, by
    # how much hangs on the processor.
    first = slice(NUM_BATCHES)
    assert record['losses'][first] == pytest.approx(
        plain['losses'][first], rel=0.15
    )
    assert runner.model.graph.num_edges == 20


def test_amp__on_a_cpu_that_would_emulate_it(
    data, tmp_path, monkeypatch, plain, maps, capfd
):
    monkeypatch.setattr(optim_wrappers, 'has_bfloat16', lambda: False)
    overrides = {'optim_wrapper.type': 'CPUAmpOptimWrapper'}
    record = run(data, tmp_path, overrides)
    assert {m.dtype for m in maps} == {torch.float32}
    assert record['losses'] == plain['losses']
    printed = ''.join(capfd.readouterr())
    assert printed.count('so training is in float32') == 1


def test_channels_last__same_losses(data, tmp_path, maps):
    # oneDNN of torch 2.11 corrupts the heap at 4 channels in this layout.
    wide = {
        'model.backbone.stem_channels': 16,
        'model.backbone.base_channels': 16,
        'model.neck.in_channels': 128,
    }
    contiguous = run(data, tmp_path / 'contiguous', wide)
    maps.clear()
    overrides = {**wide, 'model.channels_last': True}
    record = run(data, tmp_path / 'channels_last', overrides)
    assert maps
    for feature_map in maps:  # (B, 128, 2, 2)
        assert feature_map.stride()[1] == 1
    assert record['losses'] == pytest.approx(contiguous['losses'], rel=1e-4)


def test_compile_encoder__state_dict_keeps_its_keys(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, 'compile', lambda m: compiled.append(m))
    cfg = make_config('data', 'work_dir').model
    plain = MODELS.build(cfg)
    assert compiled == []
    model = MODELS.build({**cfg, 'compile_encoder': True})
    assert compiled == [model.backbone, model.neck]
    assert list(model.state_dict()) == list(plain.state_dict())


def test_compile_encoder__same_losses(data, tmp_path, monkeypatch, plain):
    compile_module = nn.Module.compile
    # Traced and run, but without waiting for a C++ compiler.
    monkeypatch.setattr(
        nn.Module, 'compile', lambda m: compile_module(m, backend='eager')
    )
    record = run(data, tmp_path, {'model.compile_encoder': True})
    assert record['losses'] == pytest.approx(plain['losses'], rel=1e-4)


def test_accumulation__bank_of_the_large_batch(data, tmp_path):
    # Without statistics of a batch, 2 x 8 images are one batch of 16.
    overrides = {
        'model.backbone.norm_cfg': dict(type='GN', num_groups=2),
        'train_cfg.max_rounds': 1,
    }
    large = run(
        data,
        tmp_path / 'large',
        {**overrides, 'train_dataloader.batch_size': 16},
    )
    small = run(
        data,
        tmp_path / 'small',
        {**overrides, 'optim_wrapper.accumulative_counts': 2},
    )
    assert len(large['banks']) == 3 and len(small['banks']) == 6
    # The bank waits for the optimizer, and moves at every step of it.
    for before, after in ((0, 1), (2, 3), (4, 5)):
        step = after // 2
        torch.testing.assert_close(
            small['banks'][after], large['banks'][step], rtol=0, atol=1e-5
        )
        assert not torch.equal(small['banks'][before], small['banks'][after])
    assert torch.equal(small['banks'][1], small['banks'][2])
    # Both halves of a batch are compared with the bank from before it.
    halves = torch.tensor(small['losses']).view(3, 2)
    torch.testing.assert_close(
        halves[:2].mean(1),
        torch.tensor(large['losses'][:2]),
        rtol=1e-5,
        atol=1e-5,
    )


def test_auto_scale_lr__by_batch_size(data, tmp_path):
    record = run(data, tmp_path, {'auto_scale_lr.enable': True})
    assert record['lr'][0] == pytest.approx(LR * 8 / 32)


RESTART = {
    'train_cfg.encoder': dict(max_epochs=2, val_interval=0, restart_lr=True),
    'param_scheduler': [dict(type='CosineAnnealingLR', T_max=2)],
    'auto_scale_lr.enable': True,
    'default_hooks.checkpoint.max_keep_ckpts': 4,
}


@pytest.fixture(scope='module')
def restarted(data, tmp_path_factory):
    """Record and work dir of a run whose rounds start the schedule anew."""
    work_dir = tmp_path_factory.mktemp('restarted')
    return run(data, work_dir, RESTART), work_dir


def cosine(epoch):
    """Of 2 epochs, from the learning rate that was scaled."""
    return LR * 8 / 32 * 0.5 * (1 + math.cos(math.pi * epoch / 2))


def test_restart_lr__each_round_anew(restarted):
    per_epoch = restarted[0]['lr'][::6]
    assert per_epoch == pytest.approx([cosine(e) for e in (0, 1, 0, 1)])


@pytest.mark.parametrize('epoch', [1, 2, 3])
def test_restart_lr__after_resume(data, tmp_path, restarted, epoch):
    cfg = make_config(data, tmp_path, {**SHORT, **RESTART})
    runner = train(cfg, resume=restarted[1] / f'epoch_{epoch}.pth')
    assert recorder_of(runner)['lr'] == restarted[0]['lr'][6 * epoch :]


def test_plateau__steps_on_validation(data, tmp_path):
    overrides = {
        key: value for key, value in SHORT.items() if 'val_' not in key
    }
    overrides['train_cfg.encoder'] = dict(max_epochs=3, val_interval=1)
    overrides['train_cfg.max_rounds'] = 1
    overrides['param_scheduler'] = [
        dict(
            type='ReduceOnPlateauLR',
            monitor='knn/bank_top1',
            rule='greater',
            factor=0.8,
            patience=0,
            threshold=100.0,  # no accuracy is that much better
            threshold_rule='abs',
        )
    ]
    record = recorder_of(train(make_config(data, tmp_path, overrides)))
    # The first validation sets the mark, the second falls short of it.
    assert record['lr'][::6] == pytest.approx([LR, LR, LR * 0.8])
