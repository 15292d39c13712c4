"""tools/train.py: settings in this process, runs in their own."""

import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def train(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module('train')


@pytest.fixture
def work_dir(tmp_path):
    """Whole checkpoints of epochs 2 and 10; that of epoch 11 is torn."""
    for epoch in (2, 10, 11):
        torch.save(dict(epoch=epoch), tmp_path / f'epoch_{epoch}.pth')
    torn = tmp_path / 'epoch_11.pth'
    torn.write_bytes(torn.read_bytes()[:-30])
    return tmp_path


def test_set_resume__auto_finds_nothing(train, tmp_path, capsys):
    cfg = Config(dict(work_dir=str(tmp_path)))
    train.set_resume(cfg, 'auto')
    assert not cfg.resume
    assert 'starting anew' in capsys.readouterr().out


def test_set_resume__config_asks_for_it(train, work_dir):
    cfg = Config(dict(work_dir=str(work_dir), resume=True, load_from=None))
    train.set_resume(cfg, None)
    assert cfg.load_from == str(work_dir / 'epoch_10.pth')


def test_set_resume__path_is_missing(train, tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path)))
    with pytest.raises(FileNotFoundError, match='gone.pth does not exist'):
        train.set_resume(cfg, str(tmp_path / 'gone.pth'))


@pytest.mark.parametrize(
    'name', ['epoch_3.pth', 'iter_50.pth', 'last_checkpoint']
)
def test_check_unused__a_run_is_not_begun_over(train, tmp_path, name):
    work_dir = tmp_path / 'run'
    train.check_unused(work_dir)
    work_dir.mkdir()
    (work_dir / 'first_round.pth').touch()  # to begin with, not of this run
    train.check_unused(work_dir)
    (work_dir / name).touch()
    with pytest.raises(
        train.ConfigError,
        match=rf'^the work dir {work_dir} holds checkpoints of a run '
        rf'\({name}\); go on with --resume, name another folder with '
        '--work-dir, or remove this one$',
    ):
        train.check_unused(work_dir)


@pytest.mark.parametrize(
    'has_gpu, expected',
    [
        (True, dict(type='AmpOptimWrapper', loss_scale='dynamic')),
        (False, dict(type='CPUAmpOptimWrapper')),
    ],
)
def test_enable_amp__by_device(train, monkeypatch, has_gpu, expected):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: has_gpu)
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper')))
    train.enable_amp(cfg)
    assert cfg.optim_wrapper == expected


def test_enable_amp__other_wrapper(train):
    cfg = Config(dict(optim_wrapper=dict(type='ApexOptimWrapper')))
    with pytest.raises(ValueError, match="'ApexOptimWrapper' does not go"):
        train.enable_amp(cfg)


def test_enable_auto_scale_lr__needs_a_batch_size(train):
    with pytest.raises(ValueError, match='^auto_scale_lr.base_batch_size'):
        train.enable_auto_scale_lr(Config())
    cfg = Config(dict(auto_scale_lr=dict(base_batch_size=4)))
    train.enable_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable


def test_train__resumes_where_the_pointer_is_torn(tiny, run_tool, trained):
    work_dir, output = trained
    assert 'knn/recomputed_top1' in output
    (work_dir / 'last_checkpoint').write_text('')
    done = run_tool(
        'train.py', tiny / 'tiny.py', '--work-dir', work_dir, '--resume'
    )
    assert done.returncode == 0, done.stderr
    assert f'Resuming from {work_dir}/epoch_2.pth' in done.stdout
    assert 'resumed epoch: 2, iter: 6' in done.stdout


def test_train__a_finished_run_is_left_alone(tiny, run_tool, trained):
    before = {path: path.stat().st_mtime_ns for path in trained[0].iterdir()}
    done = run_tool('train.py', tiny / 'tiny.py', '--work-dir', trained[0])
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f'error: the work dir {trained[0]} holds')
    after = {path: path.stat().st_mtime_ns for path in trained[0].iterdir()}
    assert after == before


def test_train__slip_is_one_line(tiny, run_tool):
    done = run_tool(
        'train.py', tiny / 'tiny.py', '--cfg-options', 'model.head.tau=1',
        cwd=tiny,
    )  # fmt: skip
    assert done.returncode == 1
    errors = [x for x in done.stderr.splitlines() if x.startswith('error')]
    assert len(errors) == 1
    assert errors[0].startswith('error: model.head.tau: ISLHead has no such')
    assert 'Traceback' not in done.stderr
    assert not (tiny / 'work_dirs').exists()


@pytest.mark.skipif(
    find_spec('triton') is None, reason='Triton is not installed'
)
def test_train__loss_by_triton(tiny, run_tool, trained):
    work_dir = tiny / 'triton'
    command = ['train.py', tiny / 'tiny.py', '--work-dir', work_dir]
    command += ['--cfg-options', 'model.head.backend=triton']
    # Read when Triton is imported: a fresh process.
    done = run_tool(*command, env=dict(TRITON_INTERPRET='0'), fresh=True)
    assert done.returncode == 1
    errors = [x for x in done.stderr.splitlines() if x.startswith('error')]
    assert len(errors) == 1
    assert "backend='triton' needs CUDA tensors, got" in errors[0]
    done = run_tool(*command, env=dict(TRITON_INTERPRET='1'), fresh=True)
    assert done.returncode == 0, done.stderr
    banks = [
        torch.load(folder / 'epoch_2.pth', weights_only=True)['state_dict'][
            'memory.bank'
        ]
        for folder in (work_dir, trained[0])
    ]
    torch.testing.assert_close(*banks, atol=1e-4, rtol=0)


def test_train__error_of_the_runner_is_seen(tiny, run_tool):
    work_dir = tiny / 'wrong_root'
    done = run_tool(
        'train.py', tiny / 'tiny.py', '--work-dir', work_dir, '--cfg-options',
        'train_dataloader.dataset.dataset.data_root=/nowhere',
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith('error: /nowhere/train does not exist; check data')
    # Nor does anything before it fill the screen; the log file has it all.
    assert len(done.stdout.splitlines()) < 20
    (log,) = work_dir.glob('*/*.log')
    assert str(log) in done.stdout
    text = log.read_text()
    for part in ('System environment:', 'Config:', 'Hooks will be executed'):
        assert part in text
        assert part not in done.stdout


def test_train__mixed_precision_on_a_cpu(tiny, run_tool):
    done = run_tool(
        'train.py', tiny / 'tiny.py', '--amp', '--auto-scale-lr',
        '--cfg-options', 'train_cfg.max_rounds=1',
        '--work-dir', tiny / 'amp',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # 0.01 for a batch of 32; here it is 8.
    assert 'lr: 2.5000e-03' in done.stdout
    assert 'CPUAmpOptimWrapper' in (tiny / 'amp' / 'tiny.py').read_text()


def test_dist_train__two_processes(tiny, run_tool):
    work_dir = tiny / 'dist'
    done = run_tool(
        'dist_train.sh', tiny / 'tiny.py', 2, '--work-dir', work_dir
    )
    assert done.returncode == 0, done.stderr
    assert 'processes talk through gloo' in done.stdout
    assert (work_dir / 'epoch_2.pth').is_file()


@pytest.mark.parametrize(
    'script, usage',
    [
        ('dist_train.sh', 'CONFIG GPUS'),
        ('dist_test.sh', 'CONFIG CHECKPOINT GPUS'),
        ('slurm_train.sh', 'PARTITION JOB_NAME CONFIG WORK_DIR'),
        ('slurm_test.sh', 'PARTITION JOB_NAME CONFIG CHECKPOINT'),
    ],
)
def test_scripts__usage(run_tool, script, usage):
    done = run_tool(script, 'only_one')
    assert done.returncode == 2
    assert done.stderr.startswith('usage: ')
    assert usage in done.stderr


def test_slurm_train__command(run_tool, tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho "$@"\n')
    srun.chmod(0o755)
    done = run_tool(
        'slurm_train.sh', 'part', 'job', 'c.py', 'w', '--amp',
        env=dict(GPUS='4', PATH=f'{tmp_path}:/usr/bin:/bin'),
    )  # fmt: skip
    words = done.stdout.split()
    assert words[:2] == ['-p', 'part']
    assert {'--ntasks=4', '--gres=gpu:4', '--ntasks-per-node=4'} <= set(words)
    assert words[-6:] == [
        'c.py', '--work-dir', 'w', '--amp', '--launcher', 'slurm',
    ]  # fmt: skip


@pytest.mark.parametrize(
    'given, kept',
    [
        (dict(vis_backends=[dict(type='LocalVisBackend')]), 1),
        (dict(vis_backends=None), 0),
        (None, 0),
    ],
)
def test_enable_wandb__adds_a_backend(train, monkeypatch, given, kept):
    monkeypatch.setattr(
        train.importlib.util, 'find_spec', lambda name: object()
    )
    cfg = Config({} if given is None else dict(visualizer=given))
    train.enable_wandb(cfg, 'my project')
    backends = cfg.visualizer.vis_backends
    assert len(backends) == kept + 1
    assert backends[-1] == dict(
        type='mmisl.WandbBackend', init_kwargs=dict(project='my project')
    )


def test_enable_wandb__says_how_to_install_it(train, monkeypatch):
    monkeypatch.setattr(train.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(train.ConfigError, match='pip install wandb$'):
        train.enable_wandb(Config({}), 'mmisl')
