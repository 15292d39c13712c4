"""tools/prepare_data.py: ImageNet, tars of tars and images without classes."""

import dataclasses
import tarfile
from pathlib import Path

import pytest
import torchvision.datasets.imagenet as torchvision_imagenet
from official_archives import add_bytes, files_of, write_imagenet
from official_sets import write_image


def test_prepare__imagenet(run, tool, tmp_path, monkeypatch):
    """Tars of tars, and validation images sorted as torchvision does."""
    wnids = ['n01440764', 'n01443537', 'n01484850']
    truth = [3, 1, 1, 2]
    archives = tmp_path / 'archives'
    write_imagenet(archives, wnids, truth)
    kind = tool.IMAGE_SETS['imagenet']
    monkeypatch.setitem(
        tool.IMAGE_SETS,
        'imagenet',
        dataclasses.replace(
            kind,
            archives=tuple(dict.fromkeys(names) for names in kind.archives),
            official=dict(train=6, val=4, classes=3),
            num_bytes=0,
        ),
    )

    line = run('imagenet', '--from', archives)

    assert line.endswith('data/imagenet: train 6, val 4, classes 3')
    names = files_of(Path('data/imagenet'))
    devkit = torchvision_imagenet.ARCHIVE_META['devkit'][0]
    monkeypatch.setattr(
        torchvision_imagenet, '_verify_archive', lambda *args: None
    )
    torchvision_imagenet.parse_devkit_archive(archives, devkit)
    _, expected = torchvision_imagenet.load_meta_file(archives)
    for number, wnid in enumerate(expected, start=1):
        image = f'val/{wnid}/ILSVRC2012_val_{number:08d}.JPEG'
        assert names[image] == b'%d' % number
    assert sorted(n for n in names if n.startswith('train')) == sorted(
        f'train/{wnid}/{wnid}_{index}.JPEG'
        for wnid, num in zip(wnids, (1, 2, 3))
        for index in range(num)
    )


def test_prepare__imagenet_without_devkit(run, tmp_path):
    archives = tmp_path / 'archives'
    write_imagenet(archives, ['n01440764', 'n01443537'], [1, 2])
    (archives / 'ILSVRC2012_devkit_t12.tar.gz').unlink()
    with pytest.raises(
        ValueError,
        match='2 validation images come without their classes; put ILSVRC',
    ):
        run('imagenet', '--from', archives, '--subset')


def test_prepare__imagenet_unpacked_without_class_folders(run, tmp_path):
    """As it is handed out elsewhere: val is flat, and deep in folders."""
    wnids = ['n01440764', 'n01443537']
    archives = tmp_path / 'archives'
    write_imagenet(archives, wnids, [2, 1, 2])
    top = tmp_path / 'ILSVRC' / 'Data' / 'CLS-LOC'
    for wnid in wnids:
        write_image(top / 'train' / wnid / f'{wnid}_7.JPEG', size=(2, 3))
    with tarfile.open(archives / 'ILSVRC2012_img_val.tar') as tar:
        tar.extractall(top / 'val', filter='data')
    with tarfile.open(archives / 'ILSVRC2012_devkit_t12.tar.gz') as tar:
        tar.extractall(tmp_path / 'ILSVRC', filter='data')

    run('imagenet', '--from', tmp_path / 'ILSVRC', '--subset')

    folder = Path('data/imagenet')
    assert files_of(folder / 'val') == {
        'n01443537/ILSVRC2012_val_00000001.JPEG': b'1',
        'n01440764/ILSVRC2012_val_00000002.JPEG': b'2',
        'n01443537/ILSVRC2012_val_00000003.JPEG': b'3',
    }
    assert len(files_of(folder / 'train')) == 2


def test_prepare__imagenet_with_a_devkit_too_short(run, tmp_path):
    archives = tmp_path / 'archives'
    write_imagenet(archives, ['n01440764'], [1, 1])
    with tarfile.open(archives / 'ILSVRC2012_img_val.tar', 'a') as tar:
        add_bytes(tar, 'ILSVRC2012_val_00000003.JPEG', b'3')
    with pytest.raises(
        ValueError,
        match='val_00000003.JPEG has no line in .*ground_truth.txt, which has'
        ' 2; the official files: https://image-net.org',
    ):
        run('imagenet', '--from', archives, '--subset')
