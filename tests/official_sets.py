"""Small image sets on disk, in the official form of each.

``write_official(name, folder)`` writes into an empty folder what the official
archives hold, from the top folder on.
"""

import json
import pickle
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

RNG = np.random.default_rng(0)
# Official counts of the small sets below, as tools/prepare_data.py counts.
SIZES = {
    'cifar10': dict(train=60, test=7),
    'cifar100': dict(train=60, test=7),
    'svhn': dict(train=61, test=7),
    'food101': dict(train=30, test=6),
    'aircraft': dict(train=4, val=3, test=3),
    'flowers102': dict(train=3, val=3, test=5),
    'caltech101': dict(images=65, classes=2),
    'voc07': dict(trainval=5, test=4),
    'imagenette': dict(train=4, val=3),
    'cifar10jpeg': dict(train=4, test=2),
}
# A class that sorts differently in lists and folders, and one of two words.
FOODS = ('cheese_plate', 'cheesecake', 'waffles')
VARIANTS = ('737-200', 'Beechcraft 1900', 'F-16A/B')
VOC_OBJECTS = {
    # Image: (class, whether difficult) of its objects.
    'train': [
        [('dog', 0), ('cat', 1)],
        [('dog', 1), ('dog', 0), ('car', 0)],
        [('sheep', 1)],
    ],
    'val': [[('person', 0)], [('person', 0), ('bus', 0)]],
    'test': [[('dog', 0)], [('cat', 0)], [('bird', 0)], [('boat', 1)]],
}


def write_official(name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    WRITERS[name](folder)


def write_image(path, size=(20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{line}\n' for line in lines))


def write_pickle(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


def cifar_batch(num, num_classes, key):
    data = RNG.integers(0, 256, (num, 3072), dtype=np.uint8)
    labels = [index % num_classes for index in range(num)]
    # The official files are of Python 2: their str is str to the readers.
    return {'data': data, key: labels, 'batch_label': 'a batch'}


def write_cifar10(folder):
    root = folder / 'cifar-10-batches-py'
    for number in range(1, 6):
        batch = cifar_batch(12, 3, 'labels')
        write_pickle(root / f'data_batch_{number}', batch)
    write_pickle(root / 'test_batch', cifar_batch(7, 3, 'labels'))
    write_pickle(root / 'batches.meta', {'label_names': ['airplane']})


def write_cifar100(folder):
    root = folder / 'cifar-100-python'
    write_pickle(root / 'train', cifar_batch(60, 5, 'fine_labels'))
    write_pickle(root / 'test', cifar_batch(7, 5, 'fine_labels'))
    write_pickle(root / 'meta', {'fine_label_names': ['apple']})


def write_svhn(folder):
    for split, size in SIZES['svhn'].items():
        images = RNG.integers(0, 256, (32, 32, 3, size), dtype=np.uint8)
        # The digit 0 is class 10 in the files.
        labels = (np.arange(size) % 3 * 5)[:, None] % 11 + (
            np.arange(size) % 3 == 0
        )[:, None] * 10
        content = dict(X=images, y=labels.astype(np.uint8))
        savemat(folder / f'{split}_32x32.mat', content)


def write_food101(folder):
    root = folder / 'food-101'
    for split, num in (('train', 10), ('test', 2)):
        lists = {
            food: [f'{food}/{split}{index}' for index in range(num)]
            for food in FOODS
        }
        names = [name for group in lists.values() for name in group]
        write_lines(root / 'meta' / f'{split}.txt', names)
        (root / 'meta' / f'{split}.json').write_text(json.dumps(lists))
        for name in names:
            write_image(root / 'images' / f'{name}.jpg')
    write_lines(root / 'meta' / 'classes.txt', FOODS)


def write_aircraft(folder):
    root = folder / 'fgvc-aircraft-2013b' / 'data'
    number = 34958
    rows = {}
    for split, num in SIZES['aircraft'].items():
        rows[split] = []
        for index in range(num):
            number += 7
            write_image(root / 'images' / f'{number:07d}.jpg')
            rows[split].append(f'{number:07d} {VARIANTS[index % 3]}')
    rows['trainval'] = rows['train'] + rows['val']
    for split, lines in rows.items():
        write_lines(root / f'images_variant_{split}.txt', lines)
    write_lines(root / 'variants.txt', VARIANTS)


def write_flowers102(folder):
    for index in range(1, 12):
        write_image(folder / 'jpg' / f'image_{index:05d}.jpg')
    labels = (np.arange(11)[None] % 3 + 1).astype(np.uint8)
    savemat(folder / 'imagelabels.mat', dict(labels=labels))
    ids = np.array([[3, 1, 2, 9, 8, 10, 11, 7, 4, 5, 6]], np.uint16)
    parts = dict(trnid=ids[:, :3], valid=ids[:, 3:6], tstid=ids[:, 6:])
    savemat(folder / 'setid.mat', parts)


def write_caltech101(folder):
    root = folder / 'caltech-101' / '101_ObjectCategories'
    sizes = dict(BACKGROUND_Google=4, Leopards=34, wrench=31)
    for category, num in sizes.items():
        for index in range(1, num + 1):
            path = root / category / f'image_{index:04d}.jpg'
            write_image(path, size=(4, 5))
    (root / 'BACKGROUND_Google' / 'tmp').write_text('of the archive')


def write_voc07(folder):
    root = folder / 'VOCdevkit' / 'VOC2007'
    number = 0
    ids = {}
    for split, images in VOC_OBJECTS.items():
        ids[split] = []
        for objects in images:
            number += 1
            name = f'{number:06d}'
            ids[split].append(name)
            write_image(root / 'JPEGImages' / f'{name}.jpg')
            xml = ''.join(
                f'<object><name>{kind}</name><difficult>{difficult}'
                '</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9'
                '</xmax><ymax>9</ymax></bndbox></object>'
                for kind, difficult in objects
            )
            annotation = (
                f'<annotation><filename>{name}.jpg</filename><size>'
                f'<width>30</width><height>20</height></size>{xml}'
                '</annotation>'
            )
            write_lines(root / 'Annotations' / f'{name}.xml', [annotation])
    ids['trainval'] = ids['train'] + ids['val']
    for split, names in ids.items():
        write_lines(root / 'ImageSets' / 'Main' / f'{split}.txt', names)


def write_tree(root, sizes, classes, suffix):
    for split, num in sizes.items():
        for index in range(num):
            kind = classes[index % len(classes)]
            write_image(root / split / kind / f'{index:04d}{suffix}')


def write_imagenette(folder):
    root = folder / 'imagenette2'
    wnids = ('n01440764', 'n02102040')
    write_tree(root, SIZES['imagenette'], wnids, '.JPEG')


def write_cifar10jpeg(folder):
    write_tree(folder, SIZES['cifar10jpeg'], ('airplane', 'truck'), '.jpg')


WRITERS = {name: globals()[f'write_{name}'] for name in SIZES}


# Of the folder that ``write_official`` wrote: what a loader is given.
ROOTS = dict(
    cifar10='.',
    cifar100='.',
    svhn='.',
    food101='food-101',
    aircraft='fgvc-aircraft-2013b',
    flowers102='.',
    caltech101='caltech-101',
    voc07='VOCdevkit/VOC2007',
)


def loader_root(name, folder) -> Path:
    return folder / ROOTS[name]
