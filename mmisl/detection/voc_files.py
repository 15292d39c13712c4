"""Checks the files of a detection set in VOC's layout before they are read.

What readers pass over in silence, or stop at hours later, is one line here:
it names the file, the object, what was found, what is allowed, and the cure.
Only XML files and the headers of JPEG files are read.

Source: the annotation guidelines and the development kit of VOC2007. Pixels
are numbered from 1 and both ends of a box belong to it, so a box of a whole
image is ``1, 1, width, height``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

SIDES = ('xmin', 'ymin', 'xmax', 'ymax')
GET_VOC = 'get VOC2007 with: python tools/prepare_data.py voc07'


@dataclass(frozen=True)
class VOCLayout:
    """Where a set in VOC's layout keeps its files.

    Attributes:
        root: Folder of the set, such as ``data/VOCdevkit/VOC2007``.
        images: Folder of the JPEG files inside ``root``.
        annotations: Folder of the XML files inside ``root``.
    """

    root: Path
    images: str = 'JPEGImages'
    annotations: str = 'Annotations'

    def image(self, name: str) -> Path:
        """Path of the JPEG file of an image."""
        return self.root / self.images / f'{name}.jpg'

    def annotation(self, name: str) -> Path:
        """Path of the XML file of an image."""
        return self.root / self.annotations / f'{name}.xml'


def check_voc_split(
    list_file: str | Path, layout: VOCLayout, classes: Collection[str]
) -> None:
    """Insist that every file of a split is there and makes sense.

    Args:
        list_file (str | Path): Names of the images, one a line, as in
            ``ImageSets/Main/trainval.txt``.
        layout (VOCLayout): Where images and annotations are.
        classes (Collection[str]): Classes that an object may have.

    Raises:
        FileNotFoundError: If a folder, the list, an XML file or a JPEG file
            is missing.
        ValueError: If the list is empty, has a line that is no name, or names
            an image twice; if an XML file does not parse, or is not about
            its JPEG file; if a JPEG file is none, or says that it wants to
            be turned; if an object has an unknown class, a box that is no
            box of the image, or a ``difficult`` other than 0 and 1.
    """
    _check_folders(layout)
    names = read_split(list_file)
    known = frozenset(classes)
    for name in names:
        _check_annotation(layout.annotation(name), layout.image(name), known)


def read_split(list_file: str | Path) -> list[str]:
    """Names of the images of a split, in their order.

    Raises:
        FileNotFoundError: If there is no such list.
        ValueError: If it is empty, a line is no name, or a name comes twice.
    """
    path = Path(list_file)
    if not path.is_file():
        raise FileNotFoundError(
            f'list of images {path} does not exist; check ann_file, or '
            f'{GET_VOC}'
        )
    lines: dict[str, int] = {}
    for number, name in enumerate(path.read_text().splitlines(), start=1):
        if [name] != name.split():
            raise ValueError(
                f'{path}, line {number} ({name!r}) must be the name of one '
                'image and nothing else; lists of a single class, which have '
                'a second column, are no splits'
            )
        if name in lines:
            raise ValueError(
                f'{path} names image {name} twice, in lines {lines[name]} '
                f'and {number}; take one of them out'
            )
        lines[name] = number
    if not lines:
        raise ValueError(
            f'{path} is empty, but a split needs an image; {GET_VOC}'
        )
    return list(lines)


def _check_folders(layout: VOCLayout) -> None:
    for folder in (
        layout.root,
        layout.root / layout.images,
        layout.root / layout.annotations,
    ):
        if not folder.is_dir():
            raise FileNotFoundError(
                f'VOC folder {folder} does not exist; check data_root and '
                f'data_prefix.sub_data_root, or {GET_VOC}'
            )


def _check_annotation(
    path: Path, image: Path, classes: frozenset[str]
) -> None:
    """Check one XML file against its JPEG file."""
    root = _parse(path)
    size = _image_size(image)
    _check_size(root, size, path, image)
    for number, item in enumerate(root.iterfind('object'), start=1):
        name = item.findtext('name')
        where = f'{path}, object {number} ({name})'
        if name not in classes:
            raise ValueError(
                f'{where}: its class must be one of '
                f'{", ".join(sorted(classes))}; mend the file, or name the '
                "class in the data set's metainfo.classes, or in leave_out "
                'to do without it'
            )
        difficult = item.findtext('difficult', default='0').strip()
        if difficult not in ('0', '1'):
            raise ValueError(
                f'{where}: difficult ({difficult!r}) must be 0 or 1; mend '
                'the file'
            )
        _check_box(item.find('bndbox'), size, where)


def _parse(path: Path) -> ET.Element:
    try:
        return ET.parse(path).getroot()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'annotation {path} does not exist; unpack the set again, or '
            f'take {path.stem} out of the list'
        ) from error
    except ET.ParseError as error:
        raise ValueError(
            f'{path} does not parse as XML: {error}; unpack the set again'
        ) from error


def _image_size(path: Path) -> tuple[int, int]:
    """Width and height that the header of a JPEG file states."""
    try:
        with Image.open(path, formats=['JPEG']) as image:
            turn = image.getexif().get(ExifTags.Base.Orientation, 1)
            size = image.size
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'image {path} does not exist; unpack the set again, or take '
            f'{path.stem} out of the list'
        ) from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f'{path} is no JPEG file; unpack the set again'
        ) from error
    if turn != 1:
        # mmcv turns it while loading; the boxes stay as they are.
        raise ValueError(
            f'{path}: its EXIF orientation ({turn}) must be 1, upright, or '
            'boxes would not lie where they belong; write the image anew '
            'without the tag'
        )
    return size


def _check_size(
    root: ET.Element, size: tuple[int, int], path: Path, image: Path
) -> None:
    """Compare a stated size, which may be missing, with the image's."""
    stated = root.find('size')
    if stated is None:
        return
    got = tuple(
        stated.findtext(key, '').strip() for key in ('width', 'height')
    )
    if got != tuple(map(str, size)):
        raise ValueError(
            f'{path}: its size ({" x ".join(got)}) must be that of {image}, '
            f'{size[0]} x {size[1]}; they do not belong together, or one of '
            'them was resized'
        )


def _check_box(
    box: ET.Element | None, size: tuple[int, int], where: str
) -> None:
    """Check ``1 <= min <= max <= size`` in x and y; fractions are allowed."""
    if box is None:
        raise ValueError(f'{where}: it has no bndbox; mend the file')
    texts = [box.findtext(side, '').strip() for side in SIDES]
    stated = ', '.join(map('{} {}'.format, SIDES, texts))
    try:
        xmin, ymin, xmax, ymax = map(float, texts)
    except ValueError as error:
        raise ValueError(
            f'{where}: its box ({stated}) must be four numbers; mend the file'
        ) from error
    if xmin > xmax or ymin > ymax:
        raise ValueError(
            f'{where}: its box ({stated}) is inverted; xmin <= xmax and '
            'ymin <= ymax are needed; mend the file'
        )
    width, height = size
    # Also false for NaN.
    if not (1 <= xmin <= xmax <= width and 1 <= ymin <= ymax <= height):
        raise ValueError(
            f'{where}: its box ({stated}) must lie in its image, x in '
            f'[1, {width}] and y in [1, {height}]; pixels are numbered from '
            '1; mend the file'
        )
