"""Which checkpoints are kept, and how they are read."""

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from tiny_run import checkpoint_of, files_of, make_config, train, write_data
from torch import nn
from torch.utils.data import DataLoader

from mmisl.engine.hooks import AtomicCheckpointHook
from mmisl.engine.hooks.atomic_checkpoint_hook import check_state
from mmisl.evaluation import KNNMetric
from mmisl.models import MemoryBank
from mmisl.structures import ClusterAssignments, NeighborGraph

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


def test_check_state__names_five_of_each_side():
    model = nn.ParameterDict({f'k{i}': torch.ones(2) for i in range(7)})
    check_state(model, model.state_dict())
    match = (
        'the checkpoint misses k0, k1, k2, k3, k4 and 2 more; it has, '
        'unknown to the model, new. Use the config'
    )
    with pytest.raises(ValueError, match=match):
        check_state(model, dict(new=torch.ones(2)))


def test_check_state__shapes_but_those_that_are_data():
    def make(width, num_samples):
        return nn.ModuleDict(
            dict(
                linear=nn.Linear(width, 3),
                memory=MemoryBank(num_samples, 4),
                graph=NeighborGraph(num_samples),
                clusters=ClusterAssignments(2, 5),
            )
        )

    check_state(make(5, 7), make(5, 11).state_dict())
    match = r'has linear.weight of shape \(3, 6\), the model of \(3, 5\). Use'
    with pytest.raises(ValueError, match=match):
        check_state(make(5, 7), make(6, 7).state_dict())


def test_load__network_of_another_width(data, tmp_path):
    train(make_config(data, tmp_path / 'first', WITHOUT_VAL))
    overrides = {
        **WITHOUT_VAL,
        'load_from': str(tmp_path / 'first' / 'epoch_3.pth'),
        'model.backbone.stem_channels': 6,
        'model.backbone.base_channels': 6,
        'model.neck.in_channels': 48,
    }
    with pytest.raises(ValueError, match='the checkpoint has backbone.*of sh'):
        train(make_config(data, tmp_path / 'second', overrides))


def test_run__best_of_another_folder_is_left_there(data, tmp_path, accuracies):
    first, second = tmp_path / 'first', tmp_path / 'second'
    hook = dict(save_best='knn/bank_top1', rule='greater')
    overrides = {**SHORT, 'default_hooks.checkpoint': hook}
    accuracies += [50.0, 30.0, 40.0]
    train(make_config(data, first, overrides))
    overrides['train_cfg.encoder'] = dict(max_epochs=4, val_interval=1)
    accuracies += [40.0, 60.0]
    cfg = make_config(data, second, overrides)
    train(cfg, resume=first / 'epoch_3.pth')
    assert (first / 'best_knn_bank_top1_epoch_1.pth').is_file()
    assert (second / 'best_knn_bank_top1_epoch_4.pth').is_file()


def test_train__rounds_are_saved_by_epoch(data, tmp_path):
    hook = {'default_hooks.checkpoint.by_epoch': False}
    cfg = make_config(data, tmp_path, {**WITHOUT_VAL, **hook})
    match = 'by_epoch is False, but RoundBasedTrainLoop goes on from whole ep'
    with pytest.raises(ValueError, match=match):
        train(cfg)


class Line(BaseModel):
    """Learns one number."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.ones(()))

    def forward(self, inputs, mode='tensor'):
        loss = (self.slope * inputs).square().mean()
        return dict(loss=loss) if mode == 'loss' else [dict(loss=loss)]


class Scores(BaseMetric):
    """Reports what it was given, one a validation."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(score=self.values.pop(0))


def run_iterations(work_dir, values, *, num_iters, resume=False):
    """With mmengine's own loop, which validates after every iteration."""
    hook = AtomicCheckpointHook(save_best='score', by_epoch=False)
    loader = DataLoader([dict(inputs=torch.ones(1))], 1)
    runner = Runner(
        Line(),
        str(work_dir),
        loader,
        loader,
        train_cfg=dict(by_epoch=False, max_iters=num_iters, val_interval=1),
        val_cfg=dict(),
        val_evaluator=Evaluator([Scores(values)]),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(checkpoint=hook),
        resume=resume,
        experiment_name=f'{work_dir.name}{resume}',
    )
    runner.train()
    return runner.message_hub.get_info('best_score')


def test_run__best_is_known_after_a_resume_of_iterations(tmp_path):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    assert run_iterations(whole, [0.9, 0.5, 0.6], num_iters=3) == 0.9
    run_iterations(cut, [0.9], num_iters=1)
    assert run_iterations(cut, [0.5, 0.6], num_iters=3, resume=True) == 0.9
    for folder in (whole, cut):
        assert [path.name for path in folder.glob('best*')] == [
            'best_score_iter_1.pth'
        ]


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
