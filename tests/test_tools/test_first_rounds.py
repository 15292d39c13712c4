"""A method that goes on from the first round of another one."""

import importlib
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from tiny_methods import moco, moco_isl
from tiny_run import checkpoint_of, make_config, train, write_data

from mmisl.engine.loops import RoundSchedule

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
SEED = 3
SHARED = 2  # epochs of a first round; a run has one more
ROUNDS = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=2,
    encoder=dict(first_epochs=SHARED, max_epochs=1, val_interval=1),
)
MINING = dict(num_views=2, quota_per_round=1.0)
ONE_ROUND = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=1,
    encoder=dict(max_epochs=SHARED + 1, val_interval=2),
)
COMMON = {
    'randomness.seed': SEED,
    'param_scheduler': [dict(type='CosineAnnealingLR', T_max=SHARED + 1)],
    'custom_hooks': [dict(type='MemoryBankHook'), dict(type='KNNGalleryHook')],
    'log_processor.window_size': 2,
    'default_hooks.logger.interval': 2,
}


def overrides_of(name):
    """Tiny methods, of two engines; LA and NPID have no miner's weights."""
    base = make_config(Path(), Path()).model
    npid = dict(
        _delete_=True,
        backbone=base.backbone.to_dict(),
        neck=base.neck.to_dict(),
        memory=base.memory.to_dict(),
    )
    head = dict(type='NPIDHead', temperature=0.1)
    return {
        'isl': {'train_cfg': {**ROUNDS, 'mining': MINING}},
        'npid': {
            'model': {**npid, 'type': 'NPID', 'head': head},
            'train_cfg': ONE_ROUND,
        },
        'la': {
            'model': {
                **npid,
                'type': 'LocalAggregation',
                'head': dict(
                    type='LocalAggregationHead',
                    temperature=0.1,
                    num_background=17,
                ),
                'num_clusters': 5,
                'num_clusterings': 2,
            },
            'train_cfg': ROUNDS,
        },
        'moco_isl': {
            **moco_isl.OVERRIDES,
            'train_cfg': {**ROUNDS, 'mining': MINING},
        },
        'moco': {**moco.OVERRIDES, 'train_cfg': ONE_ROUND},
    }[name]


@pytest.fixture(scope='module')
def parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        DefaultScope.get_instance('first_rounds', scope_name='mmisl')
        yield lambda name: importlib.import_module(f'comparison.{name}')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def config_of(data):
    """Config of a method, in a folder of its own."""

    def make(name, work_dir, **changes):
        overrides = {**overrides_of(name), **COMMON}
        cfg = make_config(data, work_dir, overrides)
        cfg.merge_from_dict(changes)
        return cfg

    return make


@pytest.fixture(scope='module')
def first_rounds(config_of, tmp_path_factory):
    """Checkpoints of first rounds, by the method that has trained them.

    One as by hand, its schedule ending with it, and one as the tool does.
    """
    origins = {}
    end = {'param_scheduler.0.end': SHARED + 1}
    for name, changes in (('isl', {}), ('moco_isl', end)):
        folder = tmp_path_factory.mktemp(f'first_{name}')
        train(
            config_of(name, folder, **{'train_cfg.max_rounds': 1}, **changes)
        )
        origins[name] = folder / f'epoch_{SHARED}.pth'
    return origins


@pytest.mark.parametrize(
    'name, trainer',
    [
        ('isl', 'isl'),
        ('npid', 'isl'),
        ('la', 'isl'),
        ('moco_isl', 'moco_isl'),
    ],
)
def test_branch__ends_as_a_run_of_its_own(
    parts, config_of, first_rounds, tmp_path, name, trainer
):
    own, branched = tmp_path / 'own', tmp_path / 'branched'
    train(config_of(name, own))
    cfg = config_of(name, branched)
    start = parts('first_rounds').branch(
        cfg, first_rounds[trainer], branched, seed=SEED
    )
    pointer = branched / 'last_checkpoint'
    assert pointer.read_text() == str(start) and start.is_file()
    runner = train(cfg, resume=start)
    ends = [checkpoint_of(folder, SHARED + 1) for folder in (own, branched)]
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        mine, theirs = (dict(leaves(end[part])) for end in ends)
        assert list(mine) == list(theirs)
        # Named alone: to show how long lists differ takes minutes.
        assert [key for key in mine if mine[key] != theirs[key]] == []
    assert ends[0]['meta']['iter'] == ends[1]['meta']['iter']
    # It knows no losses but its own, and that the shared checkpoint is one
    # of those that it keeps.
    scalars = [set(end['message_hub']['log_scalars']) for end in ends]
    assert scalars[1] <= scalars[0] and 'train/loss' in scalars[1]
    kept = runner.message_hub.get_info('keep_ckpt_ids')
    assert kept == [SHARED, SHARED + 1]


def test_branch__moco_ends_as_its_own_up_to_rounding(
    parts, config_of, first_rounds, tmp_path
):
    """MoCoISL sums the positives of a query in another order."""
    own, branched = tmp_path / 'own', tmp_path / 'branched'
    train(config_of('moco', own))
    cfg = config_of('moco', branched)
    start = parts('first_rounds').branch(
        cfg, first_rounds['moco_isl'], branched, seed=SEED
    )
    train(cfg, resume=start)
    mine, theirs = (
        checkpoint_of(folder, SHARED + 1) for folder in (own, branched)
    )
    torch.testing.assert_close(
        mine['state_dict'], theirs['state_dict'], rtol=1e-3, atol=1e-4
    )
    assert list(dict(leaves(mine['param_schedulers'])).values()) == list(
        dict(leaves(theirs['param_schedulers'])).values()
    )


def leaves(node, path=''):
    """Every value of a checkpoint under the way to it; tensors as lists."""
    if isinstance(node, dict | list):
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in pairs:
            yield from leaves(value, f'{path}/{key}')
    else:
        is_tensor = isinstance(node, torch.Tensor)
        yield path, node.tolist() if is_tensor else node


def test_branch__of_another_seed(parts, config_of, first_rounds, tmp_path):
    cfg = config_of('npid', tmp_path / 'run')
    with pytest.raises(ValueError, match='with seed 3, but seed 4 is to go'):
        parts('first_rounds').branch(
            cfg, first_rounds['isl'], tmp_path / 'run', seed=4
        )
    assert not (tmp_path / 'run').exists()


def test_branch__of_another_schedule(parts, config_of, first_rounds, tmp_path):
    folder = tmp_path / 'run'
    cfg = config_of('npid', folder)
    cfg.param_scheduler[0].T_max = 7
    with pytest.raises(ValueError, match='with T_max 3 in its .* has 7;'):
        parts('first_rounds').branch(
            cfg, first_rounds['isl'], folder, seed=SEED
        )


def test_branch__behind_the_first_round(
    parts, config_of, first_rounds, tmp_path
):
    folder = tmp_path / 'run'
    short = {'train_cfg.encoder.first_epochs': 1}
    cfg = config_of('la', folder, **short)
    with pytest.raises(ValueError, match='after epoch 2, but .* has 1 epochs'):
        parts('first_rounds').branch(
            cfg, first_rounds['isl'], folder, seed=SEED
        )


def test_branch__without_what_was_trained(parts, config_of, tmp_path):
    moco_folder, folder = tmp_path / 'moco', tmp_path / 'run'
    one_epoch = {'train_cfg.encoder.max_epochs': 1}
    train(config_of('moco', moco_folder, **one_epoch))
    with pytest.raises(ValueError, match='lacks memory.bank, which'):
        parts('first_rounds').branch(
            config_of('moco_isl', folder),
            moco_folder / 'epoch_1.pth',
            folder,
            seed=SEED,
        )


def test_branch__the_best_of_another_run_is_not_its_own(
    parts, config_of, first_rounds, tmp_path
):
    checkpoint = torch.load(first_rounds['isl'], weights_only=True)
    hub = checkpoint['message_hub']
    best = dict(best_score=99.0, best_ckpt='elsewhere.pth')
    hub['runtime_info'].update(best)
    hub['resumed_keys'].update(dict.fromkeys(best, True))
    origin, folder = tmp_path / 'epoch_2.pth', tmp_path / 'run'
    torch.save(checkpoint, origin)
    start = parts('first_rounds').branch(
        config_of('npid', folder), origin, folder, seed=SEED
    )
    hub = torch.load(start, weights_only=True)['message_hub']
    assert not best.keys() & {*hub['runtime_info'], *hub['resumed_keys']}


def test_state_after__counts_epochs_and_validations(parts):
    schedule = RoundSchedule(
        max_rounds=2, max_epochs=1, first_epochs=2, val_interval=1
    )
    state_after = parts('first_rounds').state_after
    states = [state_after(schedule, n) for n in (1, 2, 3)]
    assert [(s.round, s.stage, s.epoch) for s in states] == [
        (0, 'validation', 1),
        (0, 'validation', 2),
        (1, 'validation', 1),
    ]


@pytest.fixture
def shared_of(parts, config_of):
    """Groups of methods that share a first round, by name."""

    def find(**changes):
        configs = {
            Path(name): config_of(name, Path(), **changes.get(name, {}))
            for name in ('moco', 'npid', 'la', 'isl', 'moco_isl')
        }
        return [
            (
                shared.num_epochs,
                [path.name for path in shared.members],
                [path.name for path in shared.able],
            )
            for shared in parts('sharing').shared_rounds(configs)
        ]

    return find


def test_shared_rounds__by_what_trains_alike(shared_of):
    # A bank is more than MoCo has, and LA cannot train one round alone.
    assert shared_of() == [
        (2, ['moco', 'moco_isl'], ['moco_isl']),
        (2, ['npid', 'la', 'isl'], ['npid', 'isl']),
    ]


@pytest.mark.parametrize(
    'name, changes, left',
    [
        ('moco', {'model.head.temperature': 0.1}, ['npid la isl']),
        ('moco', {'model.queue.size': 20}, ['npid la isl']),
        ('la', {'model.num_clusters': 4}, ['moco moco_isl', 'npid la isl']),
        (
            'la',
            {'train_cfg.encoder.first_epochs': 0},
            ['moco moco_isl', 'npid isl'],
        ),
        (
            'la',
            {'model.warmup_head': dict(type='NCEHead')},
            ['moco moco_isl', 'npid isl'],
        ),
        (
            'isl',
            {'optim_wrapper.paramwise_cfg': dict(norm_decay_mult=0.0)},
            ['moco moco_isl', 'npid la'],
        ),
        (
            'npid',
            {'model.memory.momentum': 0.25},
            ['moco moco_isl', 'la isl'],
        ),
        ('npid', {'model.miner': None}, ['moco moco_isl', 'npid la isl']),
        (
            'npid',
            {'train_dataloader.batch_size': 7},
            ['moco moco_isl', 'la isl'],
        ),
        ('moco', {'model.head.loss.loss_weight': 2.0}, ['npid la isl']),
        (
            'isl',
            {'model.head.backend': 'triton'},
            ['moco moco_isl', 'npid la'],
        ),
        (
            'npid',
            {'custom_hooks': [dict(type='mmengine.EMAHook')]},
            ['moco moco_isl', 'la isl'],
        ),
        (
            'npid',
            {'param_scheduler': [dict(type='ConstantLR', by_epoch=False)]},
            ['moco moco_isl', 'la isl'],
        ),
    ],
)
def test_shared_rounds__what_sets_a_method_apart(
    shared_of, name, changes, left
):
    groups = shared_of(**{name: changes})
    assert [' '.join(members) for _, members, _ in groups] == left
