"""What weights were trained on is stored, and compared before training."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from tiny_run import checkpoint_of, make_config, train, write_data

from mmisl.weights import META_KEY

SHORT = {
    'train_cfg.max_rounds': 1,
    'train_cfg.encoder': dict(max_epochs=1),
    'val_cfg': None,
    'val_dataloader': None,
    'val_evaluator': None,
    'custom_hooks': [dict(type='MemoryBankHook')],
}
STORED = dict(channel_order='rgb', mean=[110.0] * 3, std=[60.0] * 3)
CHECK = dict(type='mmisl.PreprocessingCheckHook')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    train(make_config(data, folder, SHORT))
    return folder


def test_run__its_checkpoints_say_what_they_saw(run):
    assert checkpoint_of(run, 1)['meta'][META_KEY] == STORED


def test_run__unknown_is_said_in_the_log_and_not_stored(
    data, tmp_path, caplog
):
    overrides = SHORT | {
        'train_dataloader.dataset.dataset.pipeline.0.color_type': 'unchanged'
    }
    train(make_config(data, tmp_path, overrides))
    assert META_KEY not in checkpoint_of(tmp_path, 1)['meta']
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'Nobody stores or compares what colours the network sees: ' in log
    assert 'train_dataloader.dataset.dataset.pipeline.0.color_type: in' in log


@pytest.mark.parametrize(
    'change, cure',
    [
        ({'data_preprocessor.to_rgb': True}, 'turn the channels round to RGB'),
        ({'data_preprocessor.mean': [99.0] * 3}, r'set mean=\[110.0, 110.0'),
        ({'data_preprocessor.std': [1.0] * 3}, r'set std=\[60.0, 60.0, 60.0'),
    ],
)
@pytest.mark.parametrize('resume', [True, False])
def test_load__other_colours(run, data, tmp_path, change, cure, resume):
    overrides = SHORT | change | {'load_from': str(run / 'epoch_1.pth')}
    cfg = make_config(data, tmp_path, overrides)
    cfg.resume = resume
    match = (
        r'the weights of the checkpoint were trained on RGB, mean \(110, 110, '
        rf'110\), std \(60, 60, 60\), but this config .*{cure}'
    )
    with pytest.raises(ValueError, match=match):
        train(cfg)


def downstream(data, work_dir, run, **preprocessor):
    """Finetuning in mmpretrain, with a runner of mmengine."""
    cfg = make_config(data, work_dir, SHORT)
    loader = cfg.train_dataloader.to_dict()
    loader.update(
        dataset=loader['dataset']['dataset'],
        sampler=dict(type='DefaultSampler', shuffle=True),
    )
    backbone = dict(
        cfg.model.backbone.to_dict(),
        init_cfg=dict(
            type='mmisl.StrictPretrained', checkpoint=str(run / 'epoch_1.pth')
        ),
    )
    return Config(
        dict(
            default_scope='mmpretrain',
            work_dir=str(work_dir),
            experiment_name=cfg.experiment_name,
            model=dict(
                type='ImageClassifier',
                backbone=backbone,
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=3, in_channels=32),
            ),
            data_preprocessor=dict(
                mean=[110.0] * 3, std=[60.0] * 3, num_classes=3
            )
            | preprocessor,
            train_dataloader=loader,
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
            custom_hooks=[CHECK],
        )
    )


def test_hook__finetuning_of_the_same_colours(run, data, tmp_path):
    runner = RUNNERS.build(downstream(data, tmp_path, run))
    assert type(runner) is Runner
    runner.train()
    state = checkpoint_of(run, 1)['state_dict']
    for key, value in runner.model.backbone.named_parameters():
        assert torch.equal(value, state[f'backbone.{key}']), key


def test_hook__finetuning_of_other_colours(run, data, tmp_path):
    runner = RUNNERS.build(downstream(data, tmp_path, run, to_rgb=True))
    match = r'the weights of .*epoch_1.pth were trained on RGB, .* them BGR'
    with pytest.raises(ValueError, match=match):
        runner.train()
    assert runner.iter == 0


def test_hook__nothing_to_compare_with(run, data, tmp_path):
    cfg = downstream(data, tmp_path, run)
    cfg.model.backbone.pop('init_cfg')
    with pytest.raises(
        ValueError, match='has nothing to compare with: no bac'
    ):
        RUNNERS.build(cfg).train()


def test_hook__load_from_is_compared_as_well(run, data, tmp_path):
    overrides = SHORT | {
        'load_from': str(run / 'epoch_1.pth'),
        'custom_hooks': [dict(type='MemoryBankHook'), CHECK],
        # The checkpoint hook would compare first.
        'default_hooks.checkpoint.strict': False,
        'data_preprocessor.mean': [99.0] * 3,
    }
    match = r'the weights of .*epoch_1.pth were trained .* set mean=\[110.0'
    with pytest.raises(ValueError, match=match):
        train(make_config(data, tmp_path, overrides))


def test_hook__checkpoint_that_does_not_say(run, data, tmp_path):
    checkpoint = checkpoint_of(run, 1)
    del checkpoint['meta'][META_KEY]
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    runner = RUNNERS.build(downstream(data, tmp_path / 'run', tmp_path))
    match = 'epoch_1.pth does not say what its weights were trained on; write'
    with pytest.raises(ValueError, match=match):
        runner.train()


def test_hook__weights_that_were_initialized_anew(run, data, tmp_path):
    runner = RUNNERS.build(downstream(data, tmp_path, run))
    model = runner.model
    original = model.init_weights

    def init_weights():
        original()
        torch.nn.init.zeros_(model.backbone.conv1.weight)

    model.init_weights = init_weights
    with pytest.raises(RuntimeError, match='ResNet_CIFAR.conv1.weight is not'):
        runner.train()
