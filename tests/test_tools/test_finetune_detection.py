"""tools/check_detection.py and the scripts that call it first."""

import importlib
from importlib.util import find_spec

import pytest
import torch
from mmengine.config import Config
from tiny_detector import write_detector, write_start
from tiny_run import ROOT

if find_spec('mmdet') is None or find_spec('mmcv._ext') is None:
    pytest.skip(
        'needs mmdet and the compiled ops of mmcv: make test installs them',
        allow_module_level=True,
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """With ``detector.py``, its data, and checkpoints to start from."""
    folder = tmp_path_factory.mktemp('finetuning') / 'a space'
    write_detector(folder)
    write_start(folder / 'npid' / 'epoch_2.pth')
    write_start(folder / 'deep' / 'epoch_2.pth', depth=34, width=64)
    return folder


def lines_of(done):
    return [x for x in done.stderr.splitlines() if x.startswith('  - ')]


def test_check__says_what_would_be_loaded(folder, run_tool):
    path = folder / 'npid' / 'epoch_2.pth'
    done = run_tool('check_detection.py', folder / 'detector.py', path)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last == f'fits: {path} has all entries of backbone (90)'


def test_check__lists_all_and_fails(folder, run_tool):
    done = run_tool(
        'check_detection.py', folder / 'detector.py',
        folder / 'deep' / 'epoch_2.pth', '--cfg-options', 'custom_hooks=[]',
    )  # fmt: skip
    assert done.returncode == 1
    assert 'detector.py does not fit its start:' in done.stderr
    names = [line[4:].partition(':')[0] for line in lines_of(done)]
    assert names[0].startswith('custom_hooks has no mmisl.')
    assert names[1:] == ['architecture', 'backbone']


@pytest.mark.parametrize(
    'processes, scaling, is_noted',
    [
        (1, dict(base_batch_size=4), True),
        (2, dict(base_batch_size=4), False),
        (1, dict(base_batch_size=4, enable=True), False),
        (1, None, False),
    ],
)
def test_batch_note(monkeypatch, processes, scaling, is_noted):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    batch_note = importlib.import_module('detection_table.checks').batch_note
    loader = dict(batch_size=2)
    cfg = Config(dict(train_dataloader=loader, auto_scale_lr=scaling))
    note = batch_note(cfg, processes)
    assert ('meant for 4 images a step, and 1 x 2 are 2' in note) == is_noted
    assert bool(note) == is_noted


def test_check__a_slip_in_the_config_is_one_line(folder, run_tool):
    done = run_tool(
        'check_detection.py', folder / 'detector.py', 'none',
        '--cfg-options', 'model.backbone.depht=18',
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith('error: model.backbone.depht')


def test_finetune__nothing_is_trained_that_does_not_fit(folder, run_tool):
    done = run_tool(
        'finetune_detection.sh', folder / 'detector.py',
        folder / 'deep' / 'epoch_2.pth', 2, '--cfg-options', 'sync_bn=torch',
        cwd=folder,
    )  # fmt: skip
    assert done.returncode == 1
    names = [line[4:].partition(':')[0] for line in lines_of(done)]
    assert names[0].startswith("sync_bn='torch' synchronises")
    assert names[1:] == ['architecture', 'backbone']
    assert not (folder / 'work_dirs').exists()


def test_finetune__two_processes_without_gpus(folder, run_tool):
    work_dir = folder / 'two'
    start = folder / 'npid' / 'epoch_2.pth'
    command = [
        'finetune_detection.sh', folder / 'detector.py', start, 2,
        '--work-dir', work_dir, '--cfg-options',
        'optim_wrapper.optimizer.lr=0',
    ]  # fmt: skip
    done = run_tool(*command)
    assert done.returncode == 0, done.stderr
    assert f'fits: {start}' in done.stdout
    assert 'processes talk through gloo' in done.stdout
    # At a rate of 0 what is saved is what was loaded.
    before, after = (
        torch.load(path, weights_only=True)['state_dict']
        for path in (start, work_dir / 'iter_3.pth')
    )
    keys = [key for key in after if key.startswith('backbone.')]
    assert len(keys) == 90
    for key in keys:
        if 'running' not in key and 'num_batches' not in key:
            assert torch.equal(after[key], before[key]), key
    again = run_tool(*command)
    assert again.returncode == 1
    assert f'the work dir {work_dir} holds checkpoints' in again.stderr
    assert again.stdout == ''


def test_finetune__random_weights_in_the_folder_of_their_name(
    folder, run_tool
):
    done = run_tool(
        'finetune_detection.sh', folder / 'detector.py', 'none', 1,
        '--cfg-options', 'train_cfg.max_iters=1', 'val_dataloader=None',
        'val_cfg=None', 'val_evaluator=None', cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'begins with random weights' in done.stdout
    work_dir = folder / 'work_dirs' / 'detection' / 'detector' / 'none'
    assert (work_dir / 'iter_1.pth').is_file()


@pytest.mark.parametrize(
    'script, args, words',
    [
        ('finetune_detection.sh', ['c.py', 'x.pth'],
         'CONFIG PRETRAIN GPUS [arguments of train.py]'),
        ('slurm_finetune_detection.sh', ['part', 'job', 'c.py'],
         'PARTITION JOB_NAME CONFIG PRETRAIN [arguments of train.py]'),
        ('finetune_detection.sh', ['c.py', 'x.pth', '0'],
         "GPUS must be a number from 1 on, got '0'"),
    ],
)  # fmt: skip
def test_scripts__usage(run_tool, script, args, words):
    done = run_tool(script, *args)
    assert done.returncode == 2
    assert words in done.stderr


def test_slurm__checks_and_then_queues(folder, run_tool, tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho "srun: $@"\n')
    srun.chmod(0o755)
    config, start = folder / 'detector.py', folder / 'npid' / 'epoch_2.pth'
    done = run_tool(
        'slurm_finetune_detection.sh', 'part', 'job', config, start, '--amp',
        env=dict(GPUS='4', PATH=f'{tmp_path}:/usr/bin:/bin'),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f'fits: {start}' in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith('srun: -p part --job-name=job --gres=gpu:4')
    assert last.endswith(
        f'train.py {config} --amp --work-dir '
        'work_dirs/detection/detector/npid-epoch_2 --cfg-options '
        f'model.init_cfg.checkpoint={start} --launcher slurm'
    )
