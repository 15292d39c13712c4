"""tools/prepare_data.py: archives in their official form, and bad ones."""

import contextlib
import dataclasses
import hashlib
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets.imagenet as torchvision_imagenet
from mmengine.registry import DefaultScope
from mmpretrain.datasets import CIFAR10, CIFAR100
from official_sets import ROOTS, SIZES, write_image, write_official
from scipy.io import savemat

from mmisl.datasets import TRANSFER_SETS, transfer_part
from mmisl.datasets.prepared import describe_subset, read_record

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / 'shared' / 'data'
# How every official archive holds the tree that official_sets writes.
ARCHIVES = {
    'cifar10': {'cifar-10-python.tar.gz': ['cifar-10-batches-py']},
    'cifar100': {'cifar-100-python.tar.gz': ['cifar-100-python']},
    'svhn': {},  # bare files
    'food101': {'food-101.tar.gz': ['food-101']},
    'aircraft': {'fgvc-aircraft-2013b.tar.gz': ['fgvc-aircraft-2013b']},
    'flowers102': {'102flowers.tgz': ['jpg']},
    'caltech101': {'caltech-101.zip': ['caltech-101']},
    'voc07': {},  # two archives, below
    'imagenette': {'imagenette2.tgz': ['imagenette2']},
    'cifar10jpeg': {'cifar10_jpeg.tar.xz': ['train', 'test']},
}


@pytest.fixture(autouse=True)
def tool(monkeypatch):
    """The tool, its sets as small as those of official_sets."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    tool = importlib.import_module('prepare_data')
    for name, counts in SIZES.items():
        kind = tool.IMAGE_SETS[name]
        if name == 'voc07':
            counts = dict(train=3, val=2, **counts)
        small = dataclasses.replace(
            kind,
            archives=tuple(dict.fromkeys(names) for names in kind.archives),
            official=counts,
            num_bytes=0,
        )
        monkeypatch.setitem(tool.IMAGE_SETS, name, small)
    return tool


@pytest.fixture
def run(tool, tmp_path, monkeypatch, capsys):
    """Run the tool in a folder of its own; gives what it printed."""
    work = tmp_path / 'work'
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*args):
        tool.prepare(tool.parse_args([str(arg) for arg in args]))
        return capsys.readouterr().out.strip()

    return run


def write_archives(name, folder):
    """The official archives of a small set; gives the unpacked tree too."""
    tree = folder / 'tree'
    write_official(name, tree)
    archives = folder / 'archives'
    archives.mkdir()
    packed = set()
    for archive, tops in ARCHIVES[name].items():
        pack(archives / archive, [tree / top for top in tops], tree)
        packed |= set(tops)
    if name == 'voc07':
        write_voc_archives(tree, archives)
        return tree, archives
    for path in tree.iterdir():
        if path.name not in packed:
            shutil.copy(path, archives)
    return tree, archives


def pack(path, tops, root):
    if path.suffix == '.zip':
        # Caltech's holds a tar, and what macOS leaves behind.
        inner = io.BytesIO()
        with tarfile.open(fileobj=inner, mode='w:gz') as tar:
            for folder in tops[0].iterdir():
                tar.add(folder, folder.name)
        with zipfile.ZipFile(path, 'w') as archive:
            name = f'{tops[0].name}/101_ObjectCategories.tar.gz'
            archive.writestr(name, inner.getvalue())
            archive.writestr(f'__MACOSX/{name}', b'no tar at all')
        return
    kind = dict(zip(('.tgz', '.gz', '.xz', '.tar'), ('gz', 'gz', 'xz', '')))
    with tarfile.open(path, f'w:{kind[path.suffix]}') as tar:
        for top in tops:
            tar.add(top, top.relative_to(root))


def write_voc_archives(tree, archives):
    lists = tree / 'VOCdevkit' / 'VOC2007' / 'ImageSets' / 'Main'
    test = (lists / 'test.txt').read_text().split()
    tars = dict(
        test=archives / 'VOCtest_06-Nov-2007.tar',
        trainval=archives / 'VOCtrainval_06-Nov-2007.tar',
    )
    with contextlib.ExitStack() as stack:
        opened = {
            part: stack.enter_context(tarfile.open(path, 'w'))
            for part, path in tars.items()
        }
        for path in sorted(tree.rglob('*.*')):
            is_test = path.stem in test or path.name == 'test.txt'
            part = 'test' if is_test else 'trainval'
            opened[part].add(path, path.relative_to(tree))


def files_of(folder, ignore=('prepared.json',)):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file() and path.name not in ignore
    }


@pytest.fixture(params=SIZES)
def name(request):
    return request.param


@pytest.fixture
def allow_small_cifar(monkeypatch):
    for kind in (CIFAR10, CIFAR100):
        for key in ('train_list', 'test_list'):
            names = [[name, None] for name, _ in getattr(kind, key)]
            monkeypatch.setattr(kind, key, names)


def test_prepare__archives(name, run, tool, tmp_path, allow_small_cifar):
    """What results is the official tree, and the loaders read it."""
    tree, archives = write_archives(name, tmp_path)
    target = Path(tool.IMAGE_SETS[name].folder)

    line = run(name, '--from', archives)

    assert f' is ready in {target}: ' in line
    record = read_record(target)
    assert record['counts'] == record['official']
    assert record['finished'] and not record['subset']
    assert describe_subset(target) is None
    assert not target.with_name(f'{target.name}.partial').exists()
    root = tree / {'imagenette': 'imagenette2', **ROOTS}.get(name, '.')
    found, official = files_of(target), files_of(root)
    # Nothing new, and of the official files all that is not beside the point.
    assert found.items() <= official.items()
    assert {Path(x).name for x in set(official) - set(found)} <= {'tmp'}
    if name in TRANSFER_SETS:
        assert TRANSFER_SETS[name].data_root == str(target)
        with DefaultScope.overwrite_default_scope('mmisl'):
            parts = {
                part: len(transfer_part(name, part))
                for part in ('train', 'val', 'test')
            }
        counts = {k: v for k, v in SIZES[name].items() if k != 'classes'}
        counts.pop('trainval', None)
        if name != 'voc07':
            assert sum(parts.values()) == sum(counts.values())
        else:
            assert parts == dict(train=3, val=2, test=4)


def test_prepare__again_does_nothing(name, run, tool, tmp_path):
    _, archives = write_archives(name, tmp_path)
    run(name, '--from', archives)
    before = list_times(Path(tool.IMAGE_SETS[name].folder))

    line = run(name, '--from', tmp_path / 'not there any more')

    assert ' is already in data/' in line
    assert list_times(Path(tool.IMAGE_SETS[name].folder)) == before


def list_times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob('*')}


@pytest.mark.parametrize('form', ['copy', 'link', 'symlink', 'in place'])
def test_prepare__unpacked_folder(name, form, run, tool, tmp_path):
    write_official(name, tmp_path / 'tree')
    source = tmp_path / 'tree'
    target = Path('made') / name
    options = ['--link'] if form == 'link' else []
    if form == 'symlink':
        source = tmp_path / 'another'
        source.symlink_to(tmp_path / 'tree')
    if form == 'in place':
        target = source / {'imagenette': 'imagenette2', **ROOTS}.get(name, '.')
        source = target

    before = files_of(tmp_path / 'tree')
    line = run(name, '--from', source, '--to', target, *options)

    assert 'is whole in' in line or 'is ready in' in line
    assert files_of(tmp_path / 'tree') == before
    assert read_record(target)['counts'] == tool.IMAGE_SETS[name].official
    for path in target.rglob('*'):
        if path.is_file() and path.name != 'prepared.json':
            assert path.is_symlink() is (form == 'link')
            assert '.part' not in path.name


def test_prepare__one_file_finds_those_beside_it(run, tmp_path):
    _, archives = write_archives('svhn', tmp_path)
    line = run('svhn', '--from', archives / 'test_32x32.mat')
    assert line == 'SVHN is ready in data/svhn: train 61, test 7'


def test_prepare__needs_all_archives(run, tmp_path):
    _, archives = write_archives('voc07', tmp_path)
    (archives / 'VOCtest_06-Nov-2007.tar').unlink()
    for path in (archives, archives / 'VOCtrainval_06-Nov-2007.tar'):
        with pytest.raises(
            ValueError,
            match='does not hold VOCtest_06-Nov-2007.tar, which VOC2007 '
            'needs as well; download from http://host.robots.ox.ac.uk',
        ):
            run('voc07', '--from', path)


def test_prepare__subset(run, tmp_path):
    _, archives = write_archives('voc07', tmp_path)
    (archives / 'VOCtest_06-Nov-2007.tar').unlink()

    line = run('voc07', '--from', archives, '--subset')

    counts = 'train 3, val 2, trainval 5, test 0 of 4'
    assert line.endswith(f'data/VOCdevkit/VOC2007: {counts}')
    folder = 'data/VOCdevkit/VOC2007'
    assert describe_subset(folder) == f'a subset of voc07: {counts}'
    # It stays one until it is moved away.
    with pytest.raises(ValueError, match='holds a subset .*move it away to'):
        run('voc07', '--from', archives)
    assert 'already' in run('voc07', '--from', archives, '--subset')


def test_prepare__wrong_counts(name, run, tool, tmp_path):
    """One image less is refused, and goes on with --subset."""
    write_official(name, tmp_path / 'tree')
    drop_an_image(name, tmp_path / 'tree')
    image_set = tool.IMAGE_SETS[name]

    with pytest.raises(ValueError) as info:
        run(name, '--from', tmp_path / 'tree')

    assert f'does not hold the official {image_set.title}: ' in str(info.value)
    assert ' of ' in str(info.value)
    assert 'with --subset it is taken as it is' in str(info.value)
    assert image_set.page in str(info.value)
    assert not Path(image_set.folder).exists()
    run(name, '--from', tmp_path / 'tree', '--subset')
    assert read_record(image_set.folder)['subset']


def drop_an_image(name, tree):
    if name.startswith('cifar10') and name != 'cifar10jpeg':
        files = dict(cifar10='data_batch_2', cifar100='test')
        next(tree.rglob(files[name])).unlink()
    elif name == 'svhn':
        images = np.zeros((32, 32, 3, 60), np.uint8)
        savemat(tree / 'train_32x32.mat', dict(X=images, y=images[0, 0, 0]))
    else:
        paths = sorted(tree.rglob('*.jpg')) + sorted(tree.rglob('*.JPEG'))
        next(p for p in paths if 'BACKGROUND' not in str(p)).unlink()


def test_prepare__more_images_than_official(run, tmp_path):
    write_official('imagenette', tmp_path / 'tree')
    write_image(tmp_path / 'tree/imagenette2/train/n01440764/more.JPEG')
    for options in ([], ['--subset']):
        with pytest.raises(ValueError, match='train 5 of 4, val 3; '):
            run('imagenette', '--from', tmp_path / 'tree', *options)


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
@pytest.mark.parametrize('name', ARCHIVES.keys() - {'svhn'}, indirect=True)
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


def write_imagenet(folder, wnids, truth):
    folder.mkdir()
    with tarfile.open(folder / 'ILSVRC2012_img_train.tar', 'w') as tar:
        for num, wnid in enumerate(wnids, start=1):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode='w') as images:
                for index in range(num):
                    add_bytes(images, f'{wnid}_{index}.JPEG', b'image')
            add_bytes(tar, f'{wnid}.tar', inner.getvalue())
    with tarfile.open(folder / 'ILSVRC2012_img_val.tar', 'w') as tar:
        for number in range(1, len(truth) + 1):
            name = f'ILSVRC2012_val_{number:08d}.JPEG'
            add_bytes(tar, name, b'%d' % number)
    kinds = [
        ('ILSVRC2012_ID', 'f8'),
        ('WNID', 'O'),
        ('words', 'O'),
        ('gloss', 'O'),
        ('num_children', 'f8'),
        ('children', 'O'),
    ]
    rows = [
        (number, wnid, f'word {number}', 'gloss', 0, np.zeros(0))
        for number, wnid in enumerate(wnids, start=1)
    ]
    # The hierarchy above the classes is in the official file as well.
    rows.append((1001, 'n00001740', 'entity', 'gloss', 2, np.array([1, 2])))
    synsets = np.array(rows, dtype=kinds)[:, None]
    meta = io.BytesIO()
    savemat(meta, dict(synsets=synsets))
    with tarfile.open(folder / 'ILSVRC2012_devkit_t12.tar.gz', 'w:gz') as tar:
        data = 'ILSVRC2012_devkit_t12/data'
        add_bytes(tar, f'{data}/meta.mat', meta.getvalue())
        lines = ''.join(f'{number}\n' for number in truth).encode()
        name = 'ILSVRC2012_validation_ground_truth.txt'
        add_bytes(tar, f'{data}/{name}', lines)


def add_bytes(tar, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def test_prepare__subset_of_voc_gets_halves(run, tmp_path):
    write_official('voc07', tmp_path / 'tree')
    lists = tmp_path / 'tree/VOCdevkit/VOC2007/ImageSets/Main'
    (lists / 'train.txt').unlink()
    (lists / 'val.txt').unlink()
    (lists / 'trainval.txt').write_text('000001\n000002\n000004\n')

    line = run('voc07', '--from', tmp_path / 'tree', '--subset')

    assert line.endswith(
        'train.txt and val.txt are every other line of trainval.txt'
    )
    made = Path('data/VOCdevkit/VOC2007/ImageSets/Main')
    assert (made / 'train.txt').read_text().split() == ['000001', '000004']
    assert (made / 'val.txt').read_text().split() == ['000002']
    assert 'every other line' in describe_subset('data/VOCdevkit/VOC2007')


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


def start(*args, cwd):
    return subprocess.Popen(
        [sys.executable, ROOT / 'tools/prepare_data.py', *map(str, args)],
        cwd=cwd,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize('kind', ['tar.xz', 'zip'])
def test_prepare__killed_and_resumed(tmp_path, kind):
    """kill -9 in the middle; what is there stays, what misses comes."""
    contents = {
        f'{split}/c{index % 7}/{index:05d}.jpg': b'%d' % index * 50
        for split, num in (('train', 6000), ('test', 500))
        for index in range(num)
    }
    archive = tmp_path / f'images.{kind}'
    if kind == 'zip':
        with zipfile.ZipFile(archive, 'w') as file:
            for name, content in contents.items():
                file.writestr(name, content)
    else:
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
    assert 'train 6,000 of 50,000, test 500 of 10,000' in out
    target = tmp_path / 'data' / 'cifar10_jpeg'
    assert files_of(target) == contents
    for path, changed in before.items():
        moved = target / path.relative_to(unfinished)
        assert moved.stat().st_mtime_ns == changed
    assert not unfinished.exists()


def test_tool__one_line_and_status(tmp_path, run_tool):
    done = run_tool('prepare_data.py', 'svhn', '--from', 'none', cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line == (
        'error: --from none does not exist; download train_32x32.mat, '
        'test_32x32.mat from http://ufldl.stanford.edu/housenumbers/'
    )
    done = run_tool('prepare_data.py', '--help', cwd=tmp_path)
    assert 'cifar10jpeg' in done.stdout


def test_read_record__damaged(tmp_path):
    (tmp_path / 'prepared.json').write_text('{')
    with pytest.raises(
        ValueError, match='prepared.json is damaged .*delete that file'
    ):
        read_record(tmp_path)


@pytest.mark.parametrize(
    'name, archive, counts',
    [
        (
            'cifar10jpeg',
            'cifar10_jpeg.tar.xz',
            dict(train=50_000, test=10_000),
        ),
        (
            'imagenette',
            'imagenette224_subset.zip',
            dict(train=3_600, val=800),
        ),
        (
            'voc07',
            'voc2007_subset.zip',
            dict(train=200, val=200, trainval=400, test=290),
        ),
    ],
)
def test_real_archives(name, archive, counts, tmp_path, run_tool):
    path = SHARED / archive
    if not path.is_file():
        pytest.skip(f'{archive} is not in ../shared/data')
    options = [] if name == 'cifar10jpeg' else ['--subset']

    done = run_tool(
        'prepare_data.py', name, '--from', path, *options, cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / 'data').rglob('prepared.json')
    content = json.loads(record.read_text())
    assert content['counts'] == counts
    assert content['subset'] is bool(options)
    if name == 'voc07':
        dataset = transfer_part('voc07', 'test', str(record.parent))
        assert len(dataset) == 290
        assert dataset[0]['inputs'].shape == (3, 224, 224)
