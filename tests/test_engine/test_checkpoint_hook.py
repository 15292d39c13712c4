"""Which checkpoints are kept, and how they are read."""

import pytest
import torch
from mmengine.logging import HistoryBuffer
from tiny_run import checkpoint_of, files_of, make_config, train, write_data

from mmisl.engine.hooks import AtomicCheckpointHook
from mmisl.engine.hooks.atomic_checkpoint_hook import check_keys
from mmisl.evaluation import KNNMetric
from mmisl.models import MemoryBank

# 3 epochs in one round, each validated.
SHORT = {
    'train_cfg.max_rounds': 1,
    'train_cfg.encoder': dict(max_epochs=3, val_interval=1),
}
WITHOUT_VAL = {
    **SHORT,
    'val_cfg': None,
    'val_dataloader': None,
    'val_evaluator': None,
    'custom_hooks': [dict(type='MemoryBankHook')],
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture
def accuracies(monkeypatch):
    """What validation reports from now on, in order."""
    values = []
    monkeypatch.setattr(
        KNNMetric,
        'evaluate',
        lambda metric, size: {'knn/bank_top1': values.pop(0)},
    )
    return values


def test_run__newest_are_kept(data, tmp_path):
    runner = train(make_config(data, tmp_path, WITHOUT_VAL))
    kept = {'epoch_2.pth', 'epoch_3.pth', 'last_checkpoint'}
    assert set(files_of(tmp_path)) == kept
    last = (tmp_path / 'last_checkpoint').read_text()
    assert last == str(tmp_path / 'epoch_3.pth')

    # A resumed run goes on to clear away what the first one left.
    overrides = {**WITHOUT_VAL, 'train_cfg.encoder': dict(max_epochs=4)}
    cfg = make_config(data, tmp_path, overrides)
    resumed = train(cfg, resume=tmp_path / 'epoch_3.pth')
    kept = {'epoch_3.pth', 'epoch_4.pth', 'last_checkpoint'}
    assert set(files_of(tmp_path)) == kept
    # Its curves start where the first run ended.
    first = runner.message_hub.get_scalar('train/loss')
    both = resumed.message_hub.get_scalar('train/loss')
    assert isinstance(both, HistoryBuffer)
    assert both.data[0].tolist()[:18] == first.data[0].tolist()
    assert len(both.data[0]) == 24


def test_run__best_is_kept_over_a_resume(data, tmp_path, accuracies):
    hook = dict(save_best='knn/bank_top1', rule='greater', max_keep_ckpts=1)
    overrides = {**SHORT, 'default_hooks.checkpoint': hook}
    accuracies += [30.0, 50.0, 40.0]
    train(make_config(data, tmp_path, overrides))
    best = 'best_knn_bank_top1_epoch_2.pth'
    assert set(files_of(tmp_path)) == {best, 'epoch_3.pth', 'last_checkpoint'}
    checkpoint = torch.load(tmp_path / best, weights_only=True)
    assert checkpoint['meta']['epoch'] == 2

    # Epoch 3 is validated again: its checkpoint was written before that.
    overrides['train_cfg.encoder'] = dict(max_epochs=5, val_interval=1)
    accuracies += [40.0, 45.0, 60.0]
    cfg = make_config(data, tmp_path, overrides)
    train(cfg, resume=tmp_path / 'epoch_3.pth')
    best = 'best_knn_bank_top1_epoch_5.pth'
    assert set(files_of(tmp_path)) == {best, 'epoch_5.pth', 'last_checkpoint'}
    # The epoch's own checkpoint stands before its validation; a resume from it
    # validates again. The best one knows its score.
    hub = torch.load(tmp_path / best, weights_only=True)['message_hub']
    assert hub['runtime_info']['best_score'] == 60.0


def test_run__best_of_an_unknown_metric(data, tmp_path, accuracies):
    hook = dict(save_best='knn/top1')
    overrides = {**SHORT, 'default_hooks.checkpoint': hook}
    accuracies += [30.0]
    match = "save_best names 'knn/top1', but validation reports knn/bank_top1"
    with pytest.raises(ValueError, match=match):
        train(make_config(data, tmp_path, overrides))


def test_load__strict_can_be_switched_off(data, tmp_path):
    train(make_config(data, tmp_path / 'first', WITHOUT_VAL))
    checkpoint = checkpoint_of(tmp_path / 'first', 3)
    weight = checkpoint['state_dict'].pop('neck.projection.weight')
    torch.save(checkpoint, tmp_path / 'weights.pth')
    overrides = {**WITHOUT_VAL, 'load_from': str(tmp_path / 'weights.pth')}
    with pytest.raises(ValueError, match='misses neck.projection.weight. Use'):
        train(make_config(data, tmp_path / 'strict', overrides))
    overrides |= {
        'default_hooks.checkpoint.strict': False,
        'optim_wrapper.optimizer.lr': 1e-9,
    }
    runner = train(make_config(data, tmp_path / 'loose', overrides))
    state = runner.model.state_dict()
    assert not torch.allclose(state['neck.projection.weight'], weight)
    key = 'backbone.conv1.weight'
    expected = checkpoint['state_dict'][key]
    torch.testing.assert_close(state[key], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('is_named', [True, False])
def test_train__plain_hook_would_lose_a_split_bank(
    data, tmp_path, monkeypatch, is_named
):
    monkeypatch.setattr(MemoryBank, 'is_split', property(lambda self: True))
    cfg = make_config(data, tmp_path, WITHOUT_VAL)
    # mmengine puts its own there where there is none.
    cfg.default_hooks.pop('checkpoint')
    if is_named:
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    match = (
        r'default_hooks.checkpoint is CheckpointHook, whose .* lack the rows '
        r"of the sharded memory bank; use dict\(type='mmisl.AtomicCheckpoint"
        r"Hook'\), or set model.memory.sharded=False"
    )
    with pytest.raises(ValueError, match=match):
        train(cfg)
    assert not list(tmp_path.glob('*.pth'))


def test_check_keys__names_five_of_each_side():
    check_keys({'a', 'b'}, {'b', 'a'})
    match = (
        'the checkpoint misses k0, k1, k2, k3, k4 and 2 more; it has, '
        'unknown to the model, new. Use the config'
    )
    with pytest.raises(ValueError, match=match):
        check_keys({f'k{i}' for i in range(7)}, {'new'})


def test_init__rule_is_checked():
    with pytest.raises(KeyError, match='highest'):
        AtomicCheckpointHook(save_best='knn/bank_top1', rule='highest')


@pytest.mark.parametrize(
    'by_epoch, step', [(True, 'epoch 3'), (False, 'iteration 8')]
)
def test_save__message_names_the_step_of_the_checkpoint(by_epoch, step):
    checkpoint = dict(
        meta=dict(epoch=3, iter=8),
        state_dict={'neck.weight': torch.tensor([1.0, torch.nan])},
    )
    hook = AtomicCheckpointHook(by_epoch=by_epoch)
    with pytest.raises(RuntimeError, match=f'infinity after {step}, so no'):
        hook.before_save_checkpoint(None, checkpoint)
