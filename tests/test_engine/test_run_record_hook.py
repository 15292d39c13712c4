"""What run.json says of a run, and that no run fails for it."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmisl import __version__
from mmisl.engine import run_facts
from mmisl.engine.hooks import RunRecordHook


class StandIn:
    """What the hook reads of a runner."""

    def __init__(self, folder, filename=None):
        self.log_dir = str(folder)
        self.seed = 7
        self.cfg = Config({}, filename=filename)
        self.logger = MMLogger.get_instance('run_record')


def record_of(runner):
    RunRecordHook().before_train(runner)
    return json.loads(Path(runner.log_dir, 'run.json').read_text())


def test_run_record__tells_what_was_run(tmp_path, monkeypatch):
    config = tmp_path / 'configs' / 'one.py'
    config.parent.mkdir()
    config.write_text('')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['train.py', 'configs/one.py', '--amp'])
    record = record_of(StandIn(tmp_path, str(config)))
    assert record['argv'] == ['train.py', 'configs/one.py', '--amp']
    assert record['config'] == 'configs/one.py'
    assert (record['seed'], record['world_size']) == (7, 1)
    assert record['versions']['python'] == platform.python_version()
    assert record['versions']['torch'] == torch.__version__
    assert record['versions']['mmisl'] == __version__
    assert record['started'][10] == 'T' and record['started'][-6] in '+-'
    assert list(tmp_path.glob('*.partial')) == []
    machine = record['machine']
    assert 1 <= machine['cores'] <= os.cpu_count()
    assert len(machine['gpus']) == torch.cuda.device_count()
    assert type(machine['bfloat16']) is bool
    # psutil reads the same number in another way.
    psutil = pytest.importorskip('psutil')
    total = psutil.virtual_memory().total / 2**30
    assert machine['memory_gib'] == pytest.approx(total, abs=0.06)


def test_run_record__of_a_config_that_is_no_file(tmp_path):
    assert record_of(StandIn(tmp_path))['config'] is None


def test_run_record__of_a_config_elsewhere(tmp_path, monkeypatch):
    here = tmp_path / 'here'
    here.mkdir()
    monkeypatch.chdir(here)
    elsewhere = tmp_path / 'other.py'
    elsewhere.write_text('')
    record = record_of(StandIn(here, str(elsewhere)))
    assert record['config'] == str(elsewhere)


def test_run_record__without_git_proc_and_packages(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))  # no git in it
    monkeypatch.delattr(os, 'sysconf')
    monkeypatch.setattr(platform, 'processor', lambda: '')
    monkeypatch.setattr(platform, 'machine', lambda: '')
    monkeypatch.setitem(run_facts.PACKAGES, 'faiss', 'no-such-package')

    def nowhere(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(run_facts.Path, 'read_text', nowhere)
    assert run_facts.commit_of_code() is None
    assert run_facts.versions()['faiss'] is None
    machine = run_facts.machine()
    assert machine['processor'] is machine['memory_gib'] is None


def test_has_bfloat16__as_the_processor_says():
    cpuinfo = Path('/proc/cpuinfo')
    if platform.machine() != 'x86_64' or not cpuinfo.is_file():
        pytest.skip('the list of instructions is read on x86 Linux only')
    flags = set(cpuinfo.read_text().split())
    if 'avx_ne_convert' in flags:
        pytest.skip('AVX2 that converts bfloat16: as oneDNN decides')
    wide = {'avx512bw', 'avx512vl', 'avx512dq'} <= flags
    assert run_facts.has_bfloat16() == wide


@pytest.mark.parametrize('name', ['faiss-cpu', 'faiss-gpu-cu12', 'faiss'])
def test_versions__of_whichever_faiss_is_installed(monkeypatch, name):
    installed = {name: '1.14.1', 'faiss-plots': '0.1', 'numpy': '2.4'}
    monkeypatch.setattr(run_facts, 'installed_versions', lambda: installed)
    found = run_facts.versions()
    assert found['faiss'] == '1.14.1' and found['numpy'] == '2.4'
    assert found['mmisl'] is None


def test_usable_cores__where_only_their_number_is_known(monkeypatch):
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    monkeypatch.setattr(os, 'cpu_count', lambda: 6)
    assert run_facts.usable_cores() == run_facts.machine()['cores'] == 6
    monkeypatch.setattr(os, 'cpu_count', lambda: None)
    assert run_facts.usable_cores() == 1


def test_run_record__git_that_hangs(monkeypatch):
    def hangs(words, **options):
        raise subprocess.TimeoutExpired(words, options['timeout'])

    monkeypatch.setattr(subprocess, 'run', hangs)
    assert run_facts.commit_of_code() is None


def test_commit_of_code__is_that_of_git():
    root = Path(run_facts.__file__).resolve().parents[2]
    said = subprocess.run(
        ['git', '-C', str(root), 'log', '-1', '--format=%h'],
        capture_output=True,
        text=True,
    )
    if said.returncode:
        pytest.skip('mmisl is not in a git repository here')
    assert run_facts.commit_of_code().rstrip('+') == said.stdout.strip()


def test_commit_of_code__is_not_that_of_a_project_around_it(
    tmp_path, monkeypatch
):
    """As where mmisl is installed into an environment inside a checkout."""
    git = ['git', '-C', str(tmp_path), '-c', 'user.name=a']
    try:
        subprocess.run([*git, 'init', '-q'], check=True)
    except OSError:
        pytest.skip('git is not installed')
    commit = ['-c', 'user.email=a@b', 'commit', '-qm', 'x', '--allow-empty']
    subprocess.run([*git, *commit], check=True)
    monkeypatch.setattr(run_facts, '_ROOT', tmp_path)
    assert run_facts.commit_of_code()
    (tmp_path / 'site-packages').mkdir()
    monkeypatch.setattr(run_facts, '_ROOT', tmp_path / 'site-packages')
    assert run_facts.commit_of_code() is None


def test_run_record__a_disk_that_is_full_ends_no_run(
    tmp_path, monkeypatch, caplog
):
    runner = StandIn(tmp_path)
    warnings = []
    monkeypatch.setattr(runner.logger, 'warning', warnings.append)
    before = record_of(runner)

    def full(path, text):
        path.touch()
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_text', full)
    RunRecordHook().before_train(runner)
    (warning,) = warnings
    assert 'run.json cannot be written: ' in warning
    assert 'No space left' in warning
    monkeypatch.undo()
    assert json.loads((tmp_path / 'run.json').read_text()) == before
