import importlib
import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from mmisl import environment
from mmisl.environment import check_environment, ops_command

ROOT = Path(__file__).resolve().parents[1]
GOOD = {'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6', 'torch': '2.11.0'}


class FakeDistribution:
    def __init__(self, name, version):
        self.metadata = {'Name': name}
        self.version = version


@pytest.fixture
def fake(monkeypatch):
    """Installs fakes: distributions by name, import errors by module."""

    def install(distributions, errors=None):
        errors = errors or {}
        imported = []

        def import_module(name):
            imported.append(name)
            if name in errors:
                raise errors[name]
            return ModuleType(name)

        monkeypatch.setattr(
            metadata,
            'distributions',
            lambda: [FakeDistribution(*item) for item in distributions],
        )
        monkeypatch.setattr(importlib, 'import_module', import_module)
        return imported

    return install


def message_of(error):
    text = str(error.value)
    assert '\n' not in text
    return text


def test_check_environment__good_installation(fake):
    imported = fake([*GOOD.items(), ('faiss-cpu', '1.15.1')])
    check_environment(need_ops=True)
    assert imported == ['torchvision', 'torch', 'mmcv._ext']


def test_check_environment__ops_only_when_needed(fake):
    imported = fake(GOOD.items(), {'mmcv._ext': ImportError('no ops')})
    check_environment()
    assert imported == ['torchvision']


@pytest.mark.parametrize(
    'rival, ours',
    [
        ('mmengine', 'onedl-mmengine'),
        ('mmcv', 'onedl-mmcv'),
        ('mmcv-lite', 'onedl-mmcv'),
        ('MMCV_full', 'onedl-mmcv'),
    ],
)
def test_check_environment__rival_distribution(fake, rival, ours):
    fake([*GOOD.items(), (rival, '2.1.0')])
    with pytest.raises(RuntimeError, match='overwrites files of') as error:
        check_environment()
    name = rival.lower().replace('_', '-')
    text = message_of(error)
    assert f'{name} overwrites files of {ours};' in text
    assert f'uninstall -y {name} &&' in text
    assert text.endswith(
        '--no-cache-dir --no-deps --force-reinstall '
        f'{ours}=={dict(GOOD)[ours]}'
    )


def test_check_environment__mmcv_lite_and_its_mmengine(fake):
    fake([*GOOD.items(), ('mmcv-lite', '2.1.0'), ('mmengine', '0.10.7')])
    with pytest.raises(RuntimeError) as error:
        check_environment()
    text = message_of(error)
    assert 'uninstall -y mmengine mmcv-lite &&' in text
    assert text.endswith('onedl-mmengine==0.10.12 onedl-mmcv==2.3.6')


def test_check_environment__upstream_alone_is_not_a_clash(fake):
    imported = fake([('mmdet', '3.3.0'), (None, None), *GOOD.items()])
    check_environment()
    assert imported == ['torchvision']


@pytest.mark.parametrize('second', ['faiss-gpu', 'faiss_gpu_cu12', 'faiss'])
def test_check_environment__two_faiss(fake, second):
    fake([*GOOD.items(), ('faiss-cpu', '1.15.1'), (second, '1.14.3')])
    with pytest.raises(RuntimeError, match='overwrite each other') as error:
        check_environment()
    text = message_of(error)
    names = sorted(['faiss-cpu', second.replace('_', '-')])
    assert f'uninstall -y {" ".join(names)} &&' in text
    assert re.search(rf'install --no-deps {names[-1]}==1\.1[45]\.\d$', text)


def test_check_environment__other_names_with_faiss(fake):
    imported = fake([('faiss-cpu', '1.15.1'), ('faiss-stubs', '1.0')])
    check_environment()
    assert imported == ['torchvision']


def test_check_environment__torchvision_of_another_torch(fake):
    cause = RuntimeError('operator torchvision::nms does not exist')
    fake(GOOD.items(), {'torchvision': cause})
    with pytest.raises(RuntimeError, match='built for another torch') as error:
        check_environment()
    text = message_of(error)
    assert str(cause) in text
    assert text.endswith(
        'install --force-reinstall torch==2.11.0 torchvision==0.26.0'
    )
    assert error.value.__cause__ is cause


def test_check_environment__other_error_of_torchvision(fake):
    fake(GOOD.items(), {'torchvision': RuntimeError('broken driver')})
    with pytest.raises(RuntimeError, match='^broken driver$'):
        check_environment()


def test_check_environment__ops_missing(fake):
    cause = ModuleNotFoundError("No module named 'mmcv._ext'")
    fake(GOOD.items(), {'mmcv._ext': cause})
    with pytest.raises(RuntimeError, match='compiled ops of mmcv') as error:
        check_environment(need_ops=True)
    text = message_of(error)
    assert str(cause) in text
    assert text.endswith(ops_command('2.3.6'))


def test_ops_command__is_what_a_shell_can_run():
    command = ops_command('2.3.6')
    check = subprocess.run(['sh', '-n', '-c', command], check=False)
    assert check.returncode == 0
    words = shlex.split(command)
    assert words[0] == sys.executable
    assert words[-1] == 'onedl-mmcv==2.3.6'
    assert ops_command().endswith(' onedl-mmcv')


def test_ops_command__flags_of_the_makefile():
    flags = (
        '--no-cache-dir',
        '--no-build-isolation',
        '--no-deps',
        '--force-reinstall',
    )
    makefile = ' '.join((ROOT / 'Makefile').read_text().split())
    makefile = makefile.replace(' \\ ', ' ')
    # Without CUDA the wheel stays in a cache of its own.
    assert f'cache={flags[0]}; kept=;' in makefile
    assert ' '.join(['"$$cache"', *flags[1:]]) in makefile
    assert ' '.join(flags) in ops_command()


def test_torch_pair__is_the_tested_one():
    lines = (ROOT / 'requirements' / 'constraints.txt').read_text().split()
    pair = environment.TORCH_PAIR.split()
    assert len(pair) == 2
    assert set(pair) <= set(lines)


@pytest.mark.parametrize(
    'tool', ['demo.py', 'benchmark/mining.py', 'benchmark/train_step.py']
)
def test_tools__look_before_they_import(tool, tmp_path):
    """A rival, and what it has left of the package that it overwrote."""
    info = tmp_path / 'mmengine_lite-0.10.5.dist-info'
    info.mkdir()
    text = 'Metadata-Version: 2.1\nName: mmengine-lite\nVersion: 0.10.5\n'
    (info / 'METADATA').write_text(text)
    (tmp_path / 'mmengine').mkdir()
    (tmp_path / 'mmengine' / '__init__.py').write_text('1 / 0\n')
    done = subprocess.run(
        [sys.executable, ROOT / 'tools' / tool, '--help'],
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: mmengine-lite overwrites files of onedl-')
