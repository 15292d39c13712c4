"""tools/prepare_data.py: what is in the folder already, and room for more."""

import shutil
from pathlib import Path

import pytest
from official_archives import drop_an_image, files_of, write_archives
from official_sets import write_official


def test_prepare__no_room(run, tmp_path, monkeypatch):
    _, archives = write_archives('flowers102', tmp_path)
    monkeypatch.setattr(
        shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(9, 7, 2)
    )
    with pytest.raises(OSError, match='Flowers-102 needs 0.00 GB more and'):
        run('flowers102', '--from', archives)
    assert not Path('data').exists()


def test_prepare__disk_full_on_the_way(run, tmp_path, monkeypatch):
    _, archives = write_archives('flowers102', tmp_path)
    copy = shutil.copyfileobj
    calls = []

    def fail(*args):
        calls.append(args)
        if len(calls) == 5:
            raise OSError(28, 'No space left on device')
        return copy(*args)

    monkeypatch.setattr(shutil, 'copyfileobj', fail)
    with pytest.raises(
        OSError, match='no room left for data/flowers102.partial; free some'
    ):
        run('flowers102', '--from', archives)
    assert 'is ready' in run('flowers102', '--from', archives)
    assert len(calls) == 5 + 13 - 4


def test_prepare__occupied_folder(run, tmp_path):
    _, archives = write_archives('svhn', tmp_path)
    mine = Path('data/svhn/notes.txt')
    mine.parent.mkdir(parents=True)
    mine.write_text('mine')
    with pytest.raises(
        ValueError, match='data/svhn exists and was not made by this tool; to'
    ):
        run('svhn', '--from', archives)
    assert mine.read_text() == 'mine'
    mine.unlink()
    assert 'is ready' in run('svhn', '--from', archives)


@pytest.mark.parametrize('is_there', [True, False])
def test_prepare__folder_is_a_link_to_another_disk(run, tmp_path, is_there):
    tree, archives = write_archives('svhn', tmp_path)
    disk = tmp_path / 'disk' / 'numbers'
    disk.parent.mkdir()
    if is_there:
        disk.mkdir()
    Path('data').mkdir()
    Path('data/svhn').symlink_to(disk)
    assert f'is ready in {disk}: ' in run('svhn', '--from', archives)
    assert files_of(disk) == files_of(tree)
    assert Path('data/svhn').is_symlink()
    assert 'is already' in run('svhn', '--from', archives)
    # It was filled on that disk.
    assert [path.name for path in Path('data').iterdir()] == ['svhn']


def test_prepare__into_this_folder(run, tmp_path):
    tree, archives = write_archives('svhn', tmp_path)
    run('svhn', '--from', archives, '--to', '.')
    assert files_of(tmp_path / 'work') == files_of(tree)


def test_prepare__another_set_there(run, tmp_path):
    _, archives = write_archives('svhn', tmp_path)
    run('svhn', '--from', archives)
    with pytest.raises(ValueError, match='holds svhn; give another --to for'):
        run('cifar10', '--from', archives, '--to', 'data/svhn')


def test_prepare__source_changed_in_between(run, tmp_path):
    tree, archives = write_archives('svhn', tmp_path)
    drop_an_image('svhn', archives)
    with pytest.raises(ValueError, match='train 60 of 61'):
        run('svhn', '--from', archives)
    shutil.copy(tree / 'train_32x32.mat', archives)
    with pytest.raises(
        ValueError, match='svhn.partial was begun with other files .*delete'
    ):
        run('svhn', '--from', archives)
    shutil.rmtree('data/svhn.partial')
    assert 'is ready' in run('svhn', '--from', archives)


def test_prepare__in_place_writes_no_lists(run, tmp_path):
    write_official('voc07', tmp_path / 'tree')
    folder = tmp_path / 'tree/VOCdevkit/VOC2007'
    (folder / 'ImageSets/Main/train.txt').unlink()
    (folder / 'ImageSets/Main/val.txt').unlink()
    before = files_of(folder, ignore=())
    with pytest.raises(ValueError, match='train 0 of 3, val 0 of 2, trainva'):
        run('voc07', '--from', folder, '--to', folder)
    assert files_of(folder, ignore=()) == before
    line = run('voc07', '--from', folder, '--to', folder, '--subset')
    assert 'was counted in' in line
    assert files_of(folder) == before
