"""Every slip is told in one line that names key, value and cure."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from mmengine.config import Config
from torch import nn

from mmisl.config_check import ConfigError, check_config, check_overrides
from mmisl.config_check.signatures import accepted_arguments

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
PIPELINE = 'train_dataloader.dataset.dataset.pipeline'


def read_config():
    return Config.fromfile(CONFIGS / 'isl_r18_cifar10.py')


def changed(**options):
    cfg = read_config()
    cfg.merge_from_dict({k.replace('__', '.'): v for k, v in options.items()})
    return cfg


def test_check_config__configs_have_no_slip():
    paths = sorted(CONFIGS.glob('*.py'))
    for path in paths:
        check_config(Config.fromfile(path))
    assert len(paths) >= 15


@pytest.mark.parametrize(
    'key, value, message',
    [
        ('model.type', 'ISLL', "'ISLL' is not registered; did you mean 'ISL'"),
        ('model.backbone.type', 'ResNet', "mean .*'mmpretrain.ResNet'?"),
        ('model.backbone.dept', 3, "argument; did you mean 'depth'?"),
        ('model.head.temprature', 1, "ISLHead .* mean 'temperature'?"),
        ('model.backbone.init_cfg', dict(type='Pretraind'), "'Pretrained'"),
        ('data_preprocessor.men', 0, "did you mean 'mean'?"),
        ('train_dataloader.batchsize', 4, "did you mean 'batch_size'?"),
        ('train_dataloader.sampler.shufle', 1, "did you mean 'shuffle'?"),
        ('train_dataloader.dataset.dataset.splt', 1, 'CIFAR10 .*split'),
        ('train_dataloader.collate_fn.type', 'coll', 'default_collate'),
        (PIPELINE, [dict(to_rgb=True)], "0: needs the key 'type'"),
        (PIPELINE, [dict(type='mmpretrain.NumpyToPIL', rgb=1)], '0.rgb: '),
        ('train_cfg.max_round', 3, "did you mean 'max_rounds'?"),
        ('val_evaluator.kk', 3, 'KNNMetric has no such argument'),
        ('optim_wrapper.optimizer.type', 'sgd', "did you mean 'SGD'?"),
        ('optim_wrapper.optimizer.lrr', 3, "SGD .* did you mean 'lr'?"),
        ('optim_wrapper.acumulative_counts', 2, "'accumulative_counts'"),
        ('param_scheduler', [dict(type='LinearLR', begins=1)], "mean 'begin'"),
        (
            'optim_wrapper.constructor',
            'Nope',
            "'Nope' is not registered; allowed: ",
        ),
        ('optim_wrapper.clip_grad', dict(max_nrom=1), "mean 'max_norm'?"),
        ('optim_wrapper.clip_grad', dict(parameters=[]), 'parameters: no suc'),
        (
            'optim_wrapper.paramwise_cfg',
            dict(norm_decay_multi=0),
            "norm_decay_multi: no such key; did you mean 'norm_decay_mult'?",
        ),
        ('train_cfg.encoder.max_epoch', 3, "did you mean 'max_epochs'?"),
        ('train_cfg.mining.views', 3, "did you mean 'num_views'?"),
        ('model.miner.training.max_iterz', 3, "did you mean 'max_iters'?"),
        ('default_hooks.chekpoint', None, "did you mean 'checkpoint'?"),
        (
            'default_hooks.timers',
            dict(type='IterTimerHook'),
            r"did you mean 'timer'\? .*, or a name unlike these",
        ),
        ('param_schedulers', [], "did you mean 'param_scheduler'?"),
        ('default_hooks.checkpoint.intervall', 1, "mean 'interval'?"),
        ('custom_hooks', [dict(type='BankHook')], '0.type: .*MemoryBankHook'),
        ('visualizer.vis_backends', [dict(type='Local')], 'LocalVisBackend'),
        ('log_processor.window_siz', 3, "did you mean 'window_size'?"),
        ('env_cfg.cudnn_bench', True, "did you mean 'cudnn_benchmark'?"),
        ('randomness.sed', 1, "did you mean 'seed'?"),
        ('auto_scale_lr.base_batchsize', 1, "mean 'base_batch_size'?"),
        ('default_scope', 'mmisll', "'mmisll' is no package"),
    ],
)
def test_check_config__slip_is_named(key, value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check_config(changed(**{key: value}))
    text = str(caught.value)
    assert text.startswith(key)
    assert '\n' not in text


@pytest.mark.parametrize(
    'key, value',
    [
        ('param_scheduler', [
            dict(type='LinearLR', end=3, convert_to_iter_based=True)
        ]),
        ('optim_wrapper', dict(accumulative_counts=2, paramwise_cfg={})),
        ('custom_hooks', [dict(type='MemoryBankHook', priority='LOW')]),
        ('default_hooks.checkpoint', None),
        ('default_hooks.early_stopping', dict(
            type='EarlyStoppingHook', monitor='knn/top1'
        )),
        ('optim_wrapper.clip_grad', dict(type='value', clip_value=1)),
        ('optim_wrapper', dict(  # reads other keys than mmengine's
            constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.9),
        )),
        ('optim_wrapper', dict(
            constructor='TrainableParamsConstructor',
            paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=2)}),
        )),
        ('train_dataloader.dataset.dataset.indices', 9),  # by **kwargs
        ('model.backbone.norm_cfg', dict(type='BN', requires_grad=True)),
        ('my_learning_rate', 3),  # a variable
    ],
)  # fmt: skip
def test_check_config__sound_setting_is_accepted(key, value):
    check_config(changed(**{key: value}))


@pytest.mark.skipif(find_spec('mmdet') is None, reason='needs mmdet')
@pytest.mark.parametrize(
    'key, value, message',
    [
        ('roi_head.bbox_head.type', 'NoSuchHead', 'NoSuchHead.* is not regis'),
        ('roi_head.bbox_head.num_class', 3, "did you mean 'num_classes'?"),
        ('roi_head.shared_head.nrom', 'none', 'AlexNetFCHead has no such'),
        ('roi_head.bbox_roi_extractor.outchannels', 3, "'out_channels'"),
        ('rpn_head.feat_chanels', 3, "did you mean 'feat_channels'?"),
    ],
)
def test_check_config__part_of_a_detector(key, value, message):
    pytest.importorskip('mmcv._ext')
    cfg = Config.fromfile(CONFIGS / 'detection/faster-rcnn_alexnet_voc07.py')
    check_config(cfg)
    cfg.merge_from_dict({f'model.{key}': value})
    with pytest.raises(ConfigError, match=message) as caught:
        check_config(cfg)
    assert str(caught.value).startswith(f'model.{key}')


def test_check_config__missing_argument_is_named():
    transform = dict(type='mmpretrain.torchvision/RandomResizedCrop')
    with pytest.raises(ConfigError, match=r'pipeline\.0\.size: missing'):
        check_config(changed(**{PIPELINE: [transform]}))


def test_check_config__top_level_key_is_needed():
    cfg = changed(model=None)
    with pytest.raises(ConfigError, match='^model: None, but needed'):
        check_config(cfg)
    check_config(cfg, required=('test_cfg',))


def test_check_config__half_a_validation_is_refused():
    with pytest.raises(ConfigError, match='^val_cfg: missing or None; set '):
        check_config(changed(val_cfg=None))


@pytest.mark.parametrize(
    'key, message',
    [
        ('model.backbon.depth', "closest key is 'model.backbone.depth'"),
        ('modle.head.temperature', 'modle does not exist'),
        ('param_scheduler.7.T_max', r'param_scheduler\.7 does not exist'),
        ('log_level.x', "log_level is 'INFO'"),
        ('data_root', r'override train_dataloader\.dataset\.dataset\.data_r'),
    ],
)
def test_check_overrides__that_would_change_nothing(key, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check_overrides(read_config(), {key: 'x'})
    assert str(caught.value).startswith(f'{key}: ')


@pytest.mark.parametrize(
    'key, guess',
    [
        ('max_epochs', "; did you mean 'train_cfg.encoder.max_epochs'?"),
        (
            'batch_size',
            "; did you mean 'train_dataloader.batch_size' or "
            "'gallery_dataloader.batch_size' or ",
        ),
        ('load_form', "; did you mean 'load_from'?"),
        ('xyzzy', ''),
    ],
)
def test_check_overrides__key_without_a_reader(key, guess):
    with pytest.raises(ConfigError) as caught:
        check_overrides(read_config(), {key: 1})
    start = (
        f'{key}: neither the config nor anyone who reads it has such a key, '
        'so setting it changes nothing'
    )
    assert str(caught.value).startswith(start + guess)
    assert guess or str(caught.value) == start


def test_check_overrides__imports_are_done():
    cfg = changed(custom_imports=dict(imports=['json']))
    with pytest.raises(ConfigError, match='^custom_imports.imports: .*parsed'):
        check_overrides(cfg, {'custom_imports.imports': ['csv']})


def test_check_overrides__sound_ones_are_accepted():
    keys = ('model.head.temperature', 'param_scheduler.0.T_max', 'load_from')
    check_overrides(read_config(), dict.fromkeys(keys, 1))


class Base:
    def __init__(self, first, second, third=0):
        pass


class PassesOn(Base):
    def __init__(self, own, **kwargs):
        own = kwargs.pop('popped', own)
        super().__init__(own, third=1, **kwargs)


class Fills(Base):
    def __init__(self, **kwargs):
        kwargs.setdefault('first', 1)
        kwargs['second'] = 2
        super().__init__(**kwargs)


class Keeps(Base):
    def __init__(self, **kwargs):
        super().__init__(1, 2)
        self.kept = kwargs


class Computes(Base):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.count = len(kwargs)


class SkipsOne(PassesOn):
    def __init__(self, **kwargs):
        super(PassesOn, self).__init__(**kwargs)


@pytest.mark.parametrize(
    'target, names, required, is_open',
    [
        (Base, {'first', 'second', 'third'}, {'first', 'second'}, False),
        # first and third are given by PassesOn itself.
        (PassesOn, {'own', 'popped', 'second'}, {'own', 'second'}, False),
        (Fills, {'first', 'second', 'third'}, set(), False),
        (Keeps, set(), set(), True),
        (Computes, set(), set(), True),
        (SkipsOne, {'first', 'second', 'third'}, {'first', 'second'}, False),
        (partial(print, transform=Base), {'first', 'second', 'third'},
         {'first', 'second'}, False),
        (nn.Module, set(), set(), False),
    ],
)  # fmt: skip
def test_accepted_arguments__follows_kwargs(target, names, required, is_open):
    accepted = accepted_arguments(target)
    assert set(accepted.names) == names
    assert accepted.required == required
    assert accepted.is_open == is_open
