"""The official archives of the small sets of official_sets."""

import contextlib
import io
import shutil
import tarfile
import zipfile

import numpy as np
from official_sets import write_official
from scipy.io import savemat

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


def files_of(folder, ignore=('prepared.json',)):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file() and path.name not in ignore
    }
