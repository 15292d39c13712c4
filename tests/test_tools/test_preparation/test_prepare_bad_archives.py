"""tools/prepare_data.py: archives that are damaged, hostile or others."""

import dataclasses
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from official_archives import (
    ARCHIVES,
    write_archives,
)

from mmisl.datasets.prepared import read_record


@pytest.mark.parametrize('renamed', [False, True])
def test_prepare__checksum(run, tool, tmp_path, monkeypatch, renamed):
    _, archives = write_archives('food101', tmp_path)
    archive = archives / 'food-101.tar.gz'
    right = hashlib.md5(archive.read_bytes()).hexdigest()
    if renamed:
        archive = archive.rename(archives / 'mine.tar.gz')
    kind = tool.IMAGE_SETS['food101']

    def publish(md5):
        changed = dataclasses.replace(
            kind, archives=({'food-101.tar.gz': md5},)
        )
        monkeypatch.setitem(tool.IMAGE_SETS, 'food101', changed)

    publish('0' * 32)
    with pytest.raises(
        ValueError,
        match=f'tar.gz has MD5 {right}, published for Food-101 is 0{{32}}: .*'
        'download it from https://data.vision.ee.ethz.ch.* --no-checksum',
    ):
        run('food101', '--from', archive)
    assert not Path('data/food101').exists()
    line = run('food101', '--from', archive, '--no-checksum')
    assert 'is ready' in line
    publish(right)
    run('food101', '--from', archive, '--to', 'again')
    assert read_record('again')['sources'][0]['md5'] == right


@pytest.mark.parametrize('share', [0.3, 0.7])
@pytest.mark.parametrize(
    'name', sorted(ARCHIVES.keys() - {'svhn'}), indirect=True
)
def test_prepare__truncated(name, share, run, tool, tmp_path):
    _, archives = write_archives(name, tmp_path)
    archive = max(archives.iterdir(), key=lambda path: path.stat().st_size)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(ValueError) as info:
        run(name, '--from', archives)

    # A plain tar that ends between two files is found by counting.
    assert 'is cut short' in str(info.value) or ' of ' in str(info.value)
    assert tool.IMAGE_SETS[name].page in str(info.value)
    assert '\n' not in str(info.value)
    assert not Path(tool.IMAGE_SETS[name].folder).exists()


@pytest.mark.parametrize('kind', ['zip', 'tar'])
@pytest.mark.parametrize(
    'path', ['../evil.jpg', '/tmp/evil.jpg', 'train/../../../evil.jpg']
)
def test_prepare__path_traversal(run, tmp_path, kind, path):
    archive = tmp_path / f'cifar10.{kind}'
    if kind == 'zip':
        with zipfile.ZipFile(archive, 'w') as file:
            file.writestr(path, b'evil')
    else:
        with tarfile.open(archive, 'w') as file:
            file.addfile(tarfile.TarInfo(path), io.BytesIO())
    before = sorted(tmp_path.rglob('*'))

    with pytest.raises(
        ValueError, match=f"cifar10.{kind} holds '{path}', a path out of its"
    ):
        run('cifar10jpeg', '--from', archive)

    after = set(tmp_path.rglob('*')) - set(before)
    assert {path.name for path in after} == {
        'data',
        'cifar10_jpeg.partial',
        'prepared.json',
    }


def test_prepare__links_in_an_archive_are_left_out(run, tmp_path):
    tree, archives = write_archives('cifar10jpeg', tmp_path)
    secret = tmp_path / 'secret'
    secret.write_text('secret')
    archive = archives / 'cifar10_jpeg.tar.xz'
    with tarfile.open(archive, 'w:xz') as tar:
        link = tarfile.TarInfo('train/airplane/9999.jpg')
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(link)
        for top in ('train', 'test'):
            tar.add(tree / top, top)
    run('cifar10jpeg', '--from', archive)
    assert not Path('data/cifar10_jpeg/train/airplane/9999.jpg').exists()


def test_prepare__link_of_an_archive(run, tmp_path):
    _, archives = write_archives('food101', tmp_path)
    with pytest.raises(ValueError, match='--link needs a folder of unpacked'):
        run('food101', '--from', archives, '--link')


def test_prepare__nothing_of_the_set(run, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(
        ValueError,
        match='empty holds nothing of Caltech-101, which is caltech-101.zip '
        'or 101_ObjectCategories.tar.gz or what they hold; download from',
    ):
        run('caltech101', '--from', tmp_path / 'empty')
    _, archives = write_archives('cifar10', tmp_path)
    with pytest.raises(ValueError, match='tar.gz holds nothing of FGVC-Air'):
        run('aircraft', '--from', archives / 'cifar-10-python.tar.gz')


def test_prepare__pickles_that_run_code_are_refused(run, tmp_path):
    _, archives = write_archives('cifar10', tmp_path)
    tree = tmp_path / 'tree'
    batch = tree / 'cifar-10-batches-py' / 'test_batch'
    batch.write_bytes(b'cos\nsystem\n(S"touch evil"\ntR.')
    with pytest.raises(ValueError, match='test_batch is damaged .*os.system'):
        run('cifar10', '--from', tree)
    assert not Path('evil').exists()
