"""Probes on a frozen backbone: training, resuming, several processes."""

import signal

import pytest
import torch
from mmengine.registry import MODELS
from test_resume import (
    assert_plain,
    assert_same_run,
    die_at_iter,
    exit_code_of,
    start,
)
from test_two_processes import run_ranks
from tiny_run import (
    BATCH_SIZE,
    NUM_BATCHES,
    checkpoint_of,
    make_config,
    train,
    write_data,
)

from mmisl.models import LinearProbes
from mmisl.weights import fingerprint

NUM_EPOCHS = 3
STAGES = ['stem', 'layer1', 'layer2', 'layer3', 'layer4']
PROBES = {
    'model': dict(
        _delete_=True,
        type='LinearProbes',
        backbone=dict(
            type='mmpretrain.ResNet_CIFAR',
            depth=18,
            stem_channels=4,
            base_channels=4,
        ),
        num_classes=3,
        image_size=16,
    ),
    'train_cfg': dict(
        _delete_=True,
        type='RoundBasedTrainLoop',
        max_rounds=1,
        encoder=dict(max_epochs=NUM_EPOCHS, val_interval=NUM_EPOCHS),
    ),
    'val_evaluator': dict(_delete_=True, type='ProbeAccuracy', topk=(1, 2)),
    'test_evaluator': dict(_delete_=True, type='ProbeAccuracy', topk=(1, 2)),
    'optim_wrapper.constructor': 'TrainableParamsConstructor',
    'optim_wrapper.optimizer.lr': 1e-3,
    'custom_hooks': [
        dict(type='FrozenBackboneHook'),
        dict(type='RecorderHook'),
    ],
}


@MODELS.register_module()
class ProbesThatTrainTheStatistics(LinearProbes):
    """The mistake that the hook is there for."""

    def train(self, mode=True):
        super().train(mode)
        self.backbone.train(mode)
        return self


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """Folder of an uninterrupted run of one process."""
    folder = tmp_path_factory.mktemp('whole')
    train(make_config(data, folder, PROBES))
    return folder


@pytest.fixture(scope='module')
def record(whole):
    return torch.load(whole / 'rank0.pth', weights_only=True)


def backbone_of(checkpoint):
    model = LinearProbes(
        PROBES['model']['backbone'], num_classes=3, image_size=16
    )
    model.load_state_dict(checkpoint['state_dict'])
    return model.backbone


def test_run__learns_and_leaves_the_backbone_alone(whole, record):
    assert len(record['losses']) == NUM_EPOCHS * NUM_BATCHES
    names = [f'probe/{stage}_top{k}' for stage in STAGES for k in (1, 2)]
    assert list(record['metrics'][-1]) == names
    assert record['metrics'][-1]['probe/layer1_top1'] > 60  # of 3 classes
    checkpoints = [checkpoint_of(whole, epoch) for epoch in (2, 3)]
    assert_plain(checkpoints[1])
    first, last = (fingerprint(backbone_of(c)) for c in checkpoints)
    assert first == last
    log = next(whole.glob('*/*.log')).read_text()
    assert f'Frozen backbone: sha256 {first}' in log
    assert f'Frozen backbone: unchanged, sha256 {first}' in log
    saved = checkpoints[1]['message_hub']['runtime_info']['frozen_backbone']
    assert set(saved) == set(backbone_of(checkpoints[1]).state_dict())


def test_run__optimizer_holds_the_classifiers_alone(whole):
    groups = checkpoint_of(whole, NUM_EPOCHS)['optimizer']['param_groups']
    assert sum(len(group['params']) for group in groups) == 10


def test_resume__killed_in_the_second_epoch(data, whole, tmp_path):
    config, work_dir = tmp_path / 'killed.py', tmp_path / 'killed'
    make_config(data, work_dir, PROBES).dump(config)
    kill = (die_at_iter, NUM_BATCHES + 2)
    assert exit_code_of(start(config, kill)) == -signal.SIGKILL
    assert (work_dir / 'epoch_1.pth').is_file()
    assert exit_code_of(start(config, None)) == 0
    assert_same_run(
        checkpoint_of(work_dir, NUM_EPOCHS), checkpoint_of(whole, NUM_EPOCHS)
    )


def test_two_ranks__give_the_run_of_one(data, record, tmp_path):
    cfg = make_config(data, tmp_path / 'run', PROBES)
    cfg.train_dataloader.batch_size = BATCH_SIZE // 2
    cfg.dump(tmp_path / 'config.py')
    codes = run_ranks(tmp_path / 'config.py', 2)
    assert codes == [0, 0], (tmp_path / '0.log').read_text()
    ranks = [
        torch.load(tmp_path / 'run' / f'rank{rank}.pth', weights_only=True)
        for rank in range(2)
    ]
    mean = sum(torch.tensor(rank['losses']) for rank in ranks) / 2
    torch.testing.assert_close(
        mean, torch.tensor(record['losses']), rtol=1e-5, atol=1e-5
    )
    for key, expected in record['state_dict'].items():
        first, second = (rank['state_dict'][key] for rank in ranks)
        assert torch.equal(first, second), key
        if key.startswith('backbone.'):
            assert torch.equal(first, expected), key
        torch.testing.assert_close(first, expected, msg=key)
    assert ranks[0]['metrics'] == record['metrics']


def test_hook__statistics_that_move(data, tmp_path):
    cfg = make_config(data, tmp_path, PROBES)
    cfg.model.type = 'ProbesThatTrainTheStatistics'
    message = (
        r'in epoch 1 backbone.bn1.running_mean has changed \(60 of 120 '
        'tensors\\)'
    )
    with pytest.raises(RuntimeError, match=message):
        train(cfg)
    assert not list(tmp_path.glob('*.pth'))


def test_hook__weights_that_a_resumed_run_did_not_begin_with(
    data, whole, tmp_path
):
    checkpoint = checkpoint_of(whole, 2)
    checkpoint['state_dict']['backbone.layer2.0.conv1.weight'][0, 0] += 1e-6
    torch.save(checkpoint, tmp_path / 'altered.pth')
    cfg = make_config(data, tmp_path / 'run', PROBES)
    message = 'since the run began backbone.layer2.0.conv1.weight has changed'
    with pytest.raises(RuntimeError, match=message):
        train(cfg, resume=tmp_path / 'altered.pth')
