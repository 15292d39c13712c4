"""Checkpoints are mapped: what a module does not ask for is not read."""

from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from tiny_run import NUM_TRAIN, make_config, train, write_data
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmisl.engine.runner import LeanRunner
from mmisl.models.memories import memory_bank

# One round of 2 epochs, of which the first is saved too.
SHORT = {
    'train_cfg.max_rounds': 1,
    'val_cfg': None,
    'val_dataloader': None,
    'val_evaluator': None,
    'custom_hooks': [dict(type='MemoryBankHook')],
}


@HOOKS.register_module()
class LoadedHook(Hook):
    """Keeps what was loaded, as the model's modules saw it."""

    def after_load_checkpoint(self, runner, checkpoint):
        self.checkpoint = checkpoint
        self.were_mapped = {
            key: is_mapped(value)
            for key, value in checkpoint['state_dict'].items()
        }


def is_mapped(tensor):
    """Whether a tensor's memory is part of a checkpoint's file."""
    address = tensor.untyped_storage().data_ptr()
    return any(begin <= address < end for begin, end in mapped_spans())


def mapped_spans():
    """Addresses at which checkpoints are mapped."""
    for line in Path('/proc/self/maps').read_text().splitlines():
        if line.endswith('.pth'):
            begin, end = line.split()[0].split('-')
            yield int(begin, 16), int(end, 16)


class Allocations(TorchDispatchMode):
    """Memory that operations asked for; a mapped file is none."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {storage_of(x) for x in tree_leaves((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if storage_of(value) not in given | {None}:
                self.made.append(value.untyped_storage())
        return result

    def sizes(self):
        spans = list(mapped_spans())
        return [
            made.nbytes()
            for made in self.made
            if not any(a <= made.data_ptr() < b for a, b in spans)
        ]


def assert_same(first, second):
    """Bit-equal, whatever is nested in it."""
    first, second = tree_leaves(first), tree_leaves(second)
    assert len(first) == len(second)
    for left, right in zip(first, second):
        if isinstance(left, torch.Tensor):
            assert torch.equal(left, right)
        else:
            assert left == right


def storage_of(value):
    if not isinstance(value, torch.Tensor):
        return None
    return value.untyped_storage().data_ptr()


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """Folder of a run that was not interrupted."""
    folder = tmp_path_factory.mktemp('whole')
    train(make_config(data, folder, SHORT))
    return folder


def resume(data, folder, checkpoint, **overrides):
    hooks = [*SHORT['custom_hooks'], dict(type='LoadedHook')]
    cfg = make_config(
        data, folder, {**SHORT, 'custom_hooks': hooks, **overrides}
    )
    runner = train(cfg, resume=checkpoint)
    (hook,) = (h for h in runner.hooks if isinstance(h, LoadedHook))
    return runner, hook


@pytest.mark.parametrize('kind', [LeanRunner, Runner])
def test_resume__ends_as_the_whole_run_with_either_runner(
    data, whole, tmp_path, kind
):
    runner, hook = resume(
        data,
        tmp_path,
        whole / 'epoch_1.pth',
        runner_type='Runner' if kind is Runner else 'mmisl.LeanRunner',
    )
    assert type(runner) is kind
    maps = kind is LeanRunner
    assert set(hook.were_mapped.values()) == {maps}
    # Nothing that the run keeps is part of the file.
    state = runner.optim_wrapper.optimizer.state
    assert state
    for value in tree_leaves([*state.values(), runner.model.state_dict()]):
        assert not is_mapped(value)
    first = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)
    second = torch.load(whole / 'epoch_2.pth', weights_only=True)
    for key in ('state_dict', 'optimizer'):
        assert_same(first[key], second[key])


def test_load__a_shard_reads_its_rows_and_no_others(
    data, whole, tmp_path, monkeypatch
):
    # As rank 1 of 4 sees it, but with nobody to talk to.
    runner = LeanRunner.from_cfg(make_config(data, tmp_path, SHORT))
    memory = memory_bank.MemoryBank(feat_dim=6, sharded=True)
    runner.model.memory = memory
    monkeypatch.setattr(memory_bank, 'get_rank', lambda: 1)
    monkeypatch.setattr(memory_bank, 'get_world_size', lambda: 4)
    with Allocations() as allocations:
        checkpoint = runner.load_checkpoint(str(whole / 'epoch_1.pth'))
    saved = checkpoint['state_dict']['memory.bank']
    assert is_mapped(saved)
    assert saved.shape == (NUM_TRAIN, 6)
    assert torch.equal(memory.bank, saved[1::4])
    assert memory.bank.untyped_storage().nbytes() == 10 * 6 * 4
    assert not is_mapped(memory.bank)
    assert memory.bank.nbytes in allocations.sizes()
    assert saved.nbytes not in allocations.sizes()


def test_load__file_of_mmengine_s_own_hook(data, tmp_path):
    # It holds pickled objects, which mmengine knows how to judge.
    plain = {'default_hooks.checkpoint': dict(type='CheckpointHook')}
    train(make_config(data, tmp_path / 'a', {**SHORT, **plain}))
    runner, hook = resume(data, tmp_path / 'b', tmp_path / 'a' / 'epoch_1.pth')
    assert runner.epoch == 2
    assert set(hook.were_mapped.values()) == {False}


@pytest.mark.parametrize('is_zip', [True, False])
@pytest.mark.parametrize('wraps', [True, False])
def test_load__weights_of_another_program(
    data, whole, tmp_path, is_zip, wraps
):
    saved = torch.load(whole / 'epoch_1.pth', weights_only=True)
    weights = {f'module.{k}': v for k, v in saved['state_dict'].items()}
    path = tmp_path / 'weights.pth'
    torch.save(
        dict(state_dict=weights) if wraps else weights,
        path,
        _use_new_zipfile_serialization=is_zip,
    )
    loose = {'default_hooks.checkpoint.strict': False}
    runner = LeanRunner.from_cfg(
        make_config(data, tmp_path / 'run', {**SHORT, **loose})
    )
    runner.model.set_num_samples(NUM_TRAIN)
    runner.load_checkpoint(str(path))
    for key, value in runner.model.state_dict().items():
        assert torch.equal(value, saved['state_dict'][key]), key


def test_build_logger__long_messages_go_to_the_file(data, tmp_path, capfd):
    runner = LeanRunner.from_cfg(make_config(data, tmp_path, SHORT))
    capfd.readouterr()
    runner.logger.info('short\n' * 19)
    runner.logger.info('long\n' * 20)
    runner.logger.warning('warning\n' * 20)
    shown = capfd.readouterr().out
    text = Path(runner.logger.log_file).read_text()
    for word, num_shown, num_written in (
        ('short', 19, 19), ('long', 0, 20), ('warning', 20, 20)
    ):  # fmt: skip
        assert shown.count(f'{word}\n') == num_shown
        assert text.count(f'{word}\n') == num_written


def test_load__missing_file_is_mmengine_s_error(data, tmp_path):
    runner = LeanRunner.from_cfg(make_config(data, tmp_path, SHORT))
    with pytest.raises(FileNotFoundError, match='gone.pth can not be found'):
        runner.load_checkpoint('gone.pth')
