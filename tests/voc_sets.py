"""Small detection sets in VOC's layout, and ways to spoil them.

``write_voc(folder)`` writes four images, two of ``trainval`` and two of
``test``. Every entry of ``FAULTS`` spoils one file of that and knows what is
said then.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path('VOCdevkit', 'VOC2007')
LISTS = ROOT / 'ImageSets' / 'Main'
SIZES = {  # width, height
    '000005': (40, 30),
    '000007': (24, 36),
    '000001': (40, 30),
    '000002': (33, 25),
}
SPLITS = dict(trainval=['000005', '000007'], test=['000001', '000002'])


@dataclass(frozen=True)
class Thing:
    """An object: class, box as VOC numbers it, whether it is difficult."""

    kind: str
    box: tuple
    difficult: str | None = '0'


OBJECTS = {
    '000005': [
        Thing('dog', (1, 1, 40, 30)),  # all of the image
        Thing('cat', (3, 4, 12, 20), difficult='1'),
    ],
    '000007': [Thing('person', (5, 6, 24, 36), difficult=None)],
    '000001': [Thing('dog', (10, 2, 30, 28)), Thing('car', (1, 1, 9, 9))],
    '000002': [Thing('cat', (2, 2, 20, 20))],
}


def write_voc(folder):
    """Write all of it; gives ``folder``."""
    for name, size in SIZES.items():
        write_image(folder, name, size)
        write_xml(folder, name)
    for split, names in SPLITS.items():
        write_list(folder, split, names)
    return folder


def write_image(folder, name, size, **options):
    path = folder / ROOT / 'JPEGImages' / f'{name}.jpg'
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path, **options)


def write_xml(folder, name, things=None, size=None):
    width, height = size or SIZES[name]
    body = ''.join(map(thing_xml, things or OBJECTS[name]))
    path = folder / ROOT / 'Annotations' / f'{name}.xml'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<annotation><size><width>{width}</width><height>{height}</height>'
        f'<depth>3</depth></size>{body}</annotation>'
    )


def thing_xml(thing):
    sides = ('xmin', 'ymin', 'xmax', 'ymax')
    box = ''.join(f'<{s}>{v}</{s}>' for s, v in zip(sides, thing.box))
    mark = thing.difficult
    difficult = '' if mark is None else f'<difficult>{mark}</difficult>'
    return (
        f'<object><name>{thing.kind}</name>{difficult}'
        f'<bndbox>{box}</bndbox></object>'
    )


def write_list(folder, split, names):
    path = folder / LISTS / f'{split}.txt'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{name}\n' for name in names))


def spoil_cat(**changes):
    """Change the second object of image 000005."""

    def spoil(folder):
        dog, cat = OBJECTS['000005']
        write_xml(folder, '000005', [dog, replace(cat, **changes)])

    return spoil


def remove(*parts):
    return lambda folder: (folder / ROOT).joinpath(*parts).unlink()


def rename(part):
    def spoil(folder):
        path = folder / part
        path.rename(path.with_name('elsewhere'))

    return spoil


def overwrite(*parts, text):
    return lambda folder: (folder / ROOT).joinpath(*parts).write_text(text)


def no_box(folder):
    path = folder / ROOT / 'Annotations' / '000005.xml'
    text = path.read_text().replace('bndbox>', 'box>')
    path.write_text(text)


def turned(folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    write_image(folder, '000005', SIZES['000005'], exif=exif)


XML = r'VOC2007/Annotations/000005\.xml'
CAT = rf'{XML}, object 2 \(cat\)'
# What spoils the set -> the error and its words.
FAULTS = {
    'no folder': (
        rename('VOCdevkit'),
        FileNotFoundError,
        r'^VOC folder .*VOC2007 does not exist; check data_root and '
        r'data_prefix\.sub_data_root, or get VOC2007 with: python '
        r'tools/prepare_data\.py voc07$',
    ),
    'no JPEGImages': (
        rename(ROOT / 'JPEGImages'),
        FileNotFoundError,
        r'^VOC folder .*VOC2007/JPEGImages does not exist; check',
    ),
    'no Annotations': (
        rename(ROOT / 'Annotations'),
        FileNotFoundError,
        r'^VOC folder .*VOC2007/Annotations does not exist; check',
    ),
    'no list': (
        remove('ImageSets', 'Main', 'trainval.txt'),
        FileNotFoundError,
        r'^list of images .*Main/trainval\.txt does not exist; check ann_file',
    ),
    'empty list': (
        overwrite('ImageSets', 'Main', 'trainval.txt', text=''),
        ValueError,
        r'trainval\.txt is empty, but a split needs an image',
    ),
    'list of a class': (
        overwrite('ImageSets', 'Main', 'trainval.txt', text='000005 -1\n'),
        ValueError,
        r"trainval\.txt, line 1 \('000005 -1'\) must be the name of one image",
    ),
    'blank line': (
        overwrite('ImageSets', 'Main', 'trainval.txt', text='000005\n\n'),
        ValueError,
        r"trainval\.txt, line 2 \(''\) must be the name of one image",
    ),
    'twice': (
        overwrite(
            'ImageSets', 'Main', 'trainval.txt',
            text='000005\n000007\n000005\n',
        ),
        ValueError,
        r'trainval\.txt names image 000005 twice, in lines 1 and 3; take one',
    ),
    'no XML': (
        remove('Annotations', '000005.xml'),
        FileNotFoundError,
        rf'^annotation .*{XML} does not exist; .* take 000005 out of the list',
    ),
    'torn XML': (
        overwrite('Annotations', '000005.xml', text='<annotation><size>'),
        ValueError,
        rf'{XML} does not parse as XML: no element found: line 1, column 18; '
        'unpack',
    ),
    'no JPEG': (
        remove('JPEGImages', '000007.jpg'),
        FileNotFoundError,
        r'^image .*JPEGImages/000007\.jpg does not exist; .* take 000007 out',
    ),
    'no image inside': (
        overwrite('JPEGImages', '000007.jpg', text='<html>gone</html>'),
        ValueError,
        r'JPEGImages/000007\.jpg is no JPEG file; unpack the set again',
    ),
    'turned by EXIF': (
        turned,
        ValueError,
        r'JPEGImages/000005\.jpg: its EXIF orientation \(6\) must be 1, upri',
    ),
    'size of another image': (
        lambda folder: write_xml(folder, '000005', size=(30, 40)),
        ValueError,
        rf'{XML}: its size \(30 x 40\) must be that of .*JPEGImages/000005'
        r'\.jpg, 40 x 30; they do not belong together',
    ),
    'unknown class': (
        spoil_cat(kind='unicorn'),
        ValueError,
        rf'{XML}, object 2 \(unicorn\): its class must be one of aeroplane, '
        r'bicycle, .*, tvmonitor; mend the file, or name the class in .*'
        r'metainfo\.classes, or in leave_out',
    ),
    'not a flag': (
        spoil_cat(difficult='yes'),
        ValueError,
        rf"{CAT}: difficult \('yes'\) must be 0 or 1",
    ),
    'no box': (
        no_box,
        ValueError,
        rf'{XML}, object 1 \(dog\): it has no bndbox; mend the file',
    ),
    'not a number': (
        spoil_cat(box=(3, 'four', 12, 20)),
        ValueError,
        rf'{CAT}: its box \(xmin 3, ymin four, xmax 12, ymax 20\) must be '
        'four numbers',
    ),
    'NaN': (
        spoil_cat(box=(3, 4, 'nan', 20)),
        ValueError,
        rf'{CAT}: its box \(xmin 3, ymin 4, xmax nan, ymax 20\) must lie in',
    ),
    'inverted': (
        spoil_cat(box=(12, 4, 3, 20)),
        ValueError,
        rf'{CAT}: its box \(xmin 12, ymin 4, xmax 3, ymax 20\) is inverted; '
        'xmin <= xmax and ymin <= ymax are needed',
    ),
    'from 0': (
        spoil_cat(box=(0, 4, 12, 20)),
        ValueError,
        rf'{CAT}: its box \(xmin 0, ymin 4, xmax 12, ymax 20\) must lie in '
        r'its image, x in \[1, 40\] and y in \[1, 30\]; pixels are numbered '
        'from 1',
    ),
    'below the image': (
        spoil_cat(box=(3, 4, 12, 31)),
        ValueError,
        rf'{CAT}: .*ymax 31\) must lie in its image',
    ),
    'right of the image': (
        spoil_cat(box=(3, 4, 40.5, 20)),
        ValueError,
        rf'{CAT}: .*xmax 40\.5, ymax 20\) must lie in its image',
    ),
}  # fmt: skip
