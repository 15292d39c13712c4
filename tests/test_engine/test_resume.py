"""A run that was killed and resumed ends as one that never stopped."""

import os
import signal
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from tiny_run import (
    NUM_TRAIN,
    checkpoint_of,
    make_config,
    run_train_tool,
    train,
    write_data,
)
from warm_processes import process_context

from mmisl.engine.hooks import atomic_checkpoint_hook
from mmisl.engine.loops import RoundBasedTrainLoop
from mmisl.models.miners import GANMiner


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_iter(num_iters):
    run_iter = RoundBasedTrainLoop.run_iter

    def patched(loop, *args):
        if loop.iter == num_iters:
            die()
        run_iter(loop, *args)

    RoundBasedTrainLoop.run_iter = patched


def die_while_mining():
    """After the GAN was trained, so its new weights are lost."""
    GANMiner._mine = lambda *args: die()


def die_while_writing(filename):
    """With half of a checkpoint on the disk."""

    def patched(backend, content, path):
        whole = Path(path).name != filename
        size = len(content) if whole else len(content) // 2
        Path(path).write_bytes(content[:size])
        if not whole:
            die()

    LocalBackend.put = patched


def die_before_pointing(filename):
    """The checkpoint is whole, but ``last_checkpoint`` names another."""
    replace_text = atomic_checkpoint_hook._replace_text

    def patched(path, text):
        if Path(text).name == filename:
            die()
        replace_text(path, text)

    atomic_checkpoint_hook._replace_text = patched


# What a process dies of, and where the next one goes on: epochs finished,
# round and stage. Validation follows every second epoch.
KILLS = [
    ((die_at_iter, 3), None),  # nothing is saved yet
    ((die_at_iter, 8), (1, 0, 'encoder')),
    ((die_while_mining,), (2, 0, 'validation')),
    # Epoch 2 is written again once its graph is mined; that is what tears.
    ((die_while_writing, 'epoch_2.pth.partial'), (2, 0, 'validation')),
    ((die_before_pointing, 'epoch_4.pth'), (3, 1, 'encoder')),
]


def run_until_killed(config, kill):
    if kill is not None:
        rule, *args = kill
        rule(*args)
    run_train_tool([config, '--resume', 'auto'], f'{config}.log')


def start(config, kill):
    """Start ``tools/train.py --resume auto``; it dies as ``kill`` says."""
    process = process_context().Process(
        target=run_until_killed, args=(str(config), kill)
    )
    process.start()
    return process


def exit_code_of(process):
    process.join()
    return process.exitcode


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


def assert_same(first, second, path=''):
    """Bit-equal, whatever is nested in it."""
    assert type(first) is type(second), path
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype, path
        assert torch.equal(first, second), path
    elif isinstance(first, dict):
        assert list(first) == list(second), path
        for key in first:
            assert_same(first[key], second[key], f'{path}.{key}')
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second), path
        for index, pair in enumerate(zip(first, second)):
            assert_same(*pair, f'{path}.{index}')
    else:
        assert first == second, path


def assert_same_run(first, second):
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_same(first[key], second[key], key)
    hubs = [checkpoint['message_hub'] for checkpoint in (first, second)]
    states = [hub['runtime_info']['round_state'] for hub in hubs]
    assert_same(*states)
    scalars = [hub['log_scalars'] for hub in hubs]
    assert set(scalars[0]) == set(scalars[1])
    for key in scalars[0]:
        if not key.endswith('time'):
            assert_same(scalars[0][key], scalars[1][key], key)


def assert_plain(value, path=''):
    """Tensors and values of Python itself, nothing that needs a pickle."""
    if isinstance(value, dict):
        for key, item in value.items():
            assert_plain(key, path)
            assert_plain(item, f'{path}.{key}')
    elif isinstance(value, (list, tuple)):
        for item in value:
            assert_plain(item, path)
    else:
        plain = (torch.Tensor, str, int, float, bool, type(None))
        assert type(value) in plain, path


def where_it_stands(work_dir):
    """Of the checkpoint that ``last_checkpoint`` names, None without one."""
    pointer = work_dir / 'last_checkpoint'
    if not pointer.exists():
        return None
    checkpoint = torch.load(pointer.read_text(), weights_only=True)
    state = checkpoint['message_hub']['runtime_info']['round_state']
    return checkpoint['meta']['epoch'], state['round'], state['stage']


def test_resume__after_every_kill(data, tmp_path):
    work_dir = tmp_path / 'killed'
    # The uninterrupted run has no workers, which must not matter either.
    workers = {
        'train_dataloader.num_workers': 2,
        'train_dataloader.persistent_workers': True,
    }
    config, whole = tmp_path / 'killed.py', tmp_path / 'whole.py'
    make_config(data, work_dir, workers).dump(config)
    make_config(data, tmp_path / 'whole').dump(whole)
    uninterrupted = start(whole, None)
    for kill, stands_at in KILLS:
        assert exit_code_of(start(config, kill)) == -signal.SIGKILL
        assert where_it_stands(work_dir) == stands_at
    assert exit_code_of(start(config, None)) == 0
    assert exit_code_of(uninterrupted) == 0

    assert where_it_stands(work_dir) == (6, 2, 'validation')
    assert not list(work_dir.glob('*.partial'))
    resumed = checkpoint_of(work_dir, 6)
    assert resumed['state_dict']['graph.indices'].numel() == 2 * NUM_TRAIN
    assert_same_run(resumed, checkpoint_of(tmp_path / 'whole', 6))
    assert_plain(resumed)


INTERRUPT = [dict(type='MemoryBankHook'), dict(type='InterruptHook')]


@HOOKS.register_module()
class InterruptHook(Hook):
    """Stops in the second epoch, when gradients wait for their step."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if runner.epoch == 1 and batch_idx == 2:
            raise KeyboardInterrupt


def test_resume__gradients_accumulated_over_an_uneven_epoch(data, tmp_path):
    # 6 batches: a step after 4, and one after the 2 that remain.
    overrides = {
        'optim_wrapper.accumulative_counts': 4,
        'train_cfg.max_rounds': 1,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    train(make_config(data, whole, overrides))
    with pytest.raises(KeyboardInterrupt):
        train(make_config(data, cut, {**overrides, 'custom_hooks': INTERRUPT}))
    train(make_config(data, cut, overrides), resume=cut / 'epoch_1.pth')
    assert_same_run(checkpoint_of(cut, 2), checkpoint_of(whole, 2))


@pytest.mark.parametrize('seed', [None, 7])
def test_resume__order_and_views_by_the_seed_of_the_first_start(
    data, tmp_path, seed
):
    """Neither a drawn seed nor another one may divide a run in two."""
    short = {'train_cfg.max_rounds': 1, 'randomness': dict(seed=None)}
    whole = train(make_config(data, tmp_path, short))
    cut = tmp_path / 'cut'
    again = make_config(data, cut, {**short, 'randomness': dict(seed=seed)})
    resumed = train(again, resume=tmp_path / 'epoch_1.pth')
    assert resumed.train_dataloader.sampler.seed == whole.seed
    assert_same_run(checkpoint_of(cut, 2), checkpoint_of(tmp_path, 2))
