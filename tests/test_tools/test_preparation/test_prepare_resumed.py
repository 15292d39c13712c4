"""tools/prepare_data.py, killed or started twice."""

import dataclasses
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from official_archives import (
    add_bytes,
    drop_an_image,
    files_of,
    write_archives,
)

from mmisl.datasets.prepared import describe_subset

ROOT = Path(__file__).resolve().parents[3]


def start(*args, cwd):
    return subprocess.Popen(
        [sys.executable, ROOT / 'tools/prepare_data.py', *map(str, args)],
        cwd=cwd,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_prepare__killed_and_resumed(tmp_path):
    """kill -9 in the middle; what is there stays, what misses comes."""
    contents = {
        f'{split}/c{index % 7}/{index:05d}.jpg': b'%d' % index * 50
        for split, num in (('train', 3000), ('test', 500))
        for index in range(num)
    }
    archive = tmp_path / 'images.tar.xz'
    with tarfile.open(archive, 'w:xz') as tar:
        for name, content in contents.items():
            add_bytes(tar, name, content)
    command = ('cifar10jpeg', '--from', archive, '--subset')
    unfinished = tmp_path / 'data' / 'cifar10_jpeg.partial'
    first = start(*command, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while len(list(unfinished.rglob('*.jpg'))) < 300:
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    before = {p: p.stat().st_mtime_ns for p in unfinished.rglob('*.jpg')}
    assert 300 <= len(before) < len(contents)
    assert not (tmp_path / 'data' / 'cifar10_jpeg').exists()
    interrupted = 'cifar10jpeg, whose preparation was interrupted'
    assert describe_subset(unfinished) == interrupted

    second = start(*command, cwd=tmp_path)

    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert 'train 3,000 of 50,000, test 500 of 10,000' in out
    target = tmp_path / 'data' / 'cifar10_jpeg'
    assert files_of(target) == contents
    for path, changed in before.items():
        moved = target / path.relative_to(unfinished)
        assert moved.stat().st_mtime_ns == changed
    assert not unfinished.exists()


def test_prepare__two_at_once(run, tool, tmp_path, monkeypatch):
    """The second stops; the first goes on as if nothing had been."""
    _, archives = write_archives('svhn', tmp_path)
    unpack = tool.unpack
    refused = []

    def unpack_and_run(*args, **kwargs):
        with pytest.raises(
            RuntimeError, match='another run is at work in data/svhn.partial'
        ):
            run('svhn', '--from', archives)
        refused.append(args)
        return unpack(*args, **kwargs)

    monkeypatch.setattr(tool, 'unpack', unpack_and_run)
    assert 'is ready' in run('svhn', '--from', archives)
    assert len(refused) == 2


def test_prepare__what_went_unchecked_is_checked(
    run, tool, tmp_path, monkeypatch
):
    """A flag of the run before does not count for this one."""
    _, archives = write_archives('svhn', tmp_path)
    drop_an_image('svhn', archives)
    with pytest.raises(ValueError, match='train 60 of 61'):
        run('svhn', '--from', archives, '--no-checksum')
    published = tuple(
        dict.fromkeys(names, '0' * 32)
        for names in tool.IMAGE_SETS['svhn'].archives
    )
    changed = dataclasses.replace(tool.IMAGE_SETS['svhn'], archives=published)
    monkeypatch.setitem(tool.IMAGE_SETS, 'svhn', changed)
    with pytest.raises(ValueError, match='train_32x32.mat has MD5 .* 0{32}'):
        run('svhn', '--from', archives)
