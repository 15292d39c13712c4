"""The images of a split of VOC2007, in the order of its list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mmisl.detection import proposal_key, read_split

_YEAR = 'VOC2007'
_LISTS = Path('ImageSets', 'Main')
_CURE = 'tools/prepare_data.py voc07 puts the set in place'


@dataclass(frozen=True)
class VOCSplit:
    """A split.

    Attributes:
        folder: The folder ``VOC2007``, or the one that was named in its
            place.
        name: Such as ``trainval``.
        list_file: The list of its images.
        images: Path of each image by its key in files of proposals, in the
            order of the list.
    """

    folder: Path
    name: str
    list_file: Path
    images: dict[str, Path]


def find_split(data_root: Path, name: str) -> VOCSplit:
    """Find the images that the list of a split names.

    Args:
        data_root (Path): ``VOCdevkit``, or ``VOC2007`` in it.
        name (str): Split, such as ``trainval``.

    Raises:
        FileNotFoundError: If the folder, the list or an image is missing.
        ValueError: If the list makes no sense.
    """
    folder = _find_folder(data_root)
    list_file = _find_list(folder, name)
    paths = [
        folder / 'JPEGImages' / f'{image_id}.jpg'
        for image_id in read_split(list_file)
    ]
    check_exist(paths)
    images = {proposal_key(path): path for path in paths}
    return VOCSplit(folder, name, list_file, images)


def check_exist(paths: Sequence[Path]) -> None:
    """Insist that every image of a split is there.

    Raises:
        FileNotFoundError: If one is not.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'image {missing[0]} does not exist ({len(missing)} of '
            f'{len(paths)} are missing); {_CURE}'
        )


def _find_folder(data_root: Path) -> Path:
    for folder in (data_root / _YEAR, data_root):
        if (folder / _LISTS).is_dir():
            return folder
    raise FileNotFoundError(
        f'DATA_ROOT ({data_root}) must be VOCdevkit or {_YEAR} in it, and '
        f'holds no folder {_LISTS}; {_CURE}'
    )


def _find_list(folder: Path, name: str) -> Path:
    path = folder / _LISTS / f'{name}.txt'
    if not path.is_file():
        known = sorted(
            file.stem
            for file in path.parent.glob('*.txt')
            if '_' not in file.stem  # those name the images of a class
        )
        raise FileNotFoundError(
            f'SPLIT {name} has no list ({path}); there are: '
            f'{", ".join(known) or "none"}'
        )
    return path


def check_decodes(path: Path) -> None:
    """Insist that an image decodes to its end.

    OpenCV makes up the pixels that a file cut short has lost.

    Raises:
        ValueError: If it does not.
    """
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(
            f'image {path} does not decode ({error}); put the file of the '
            'data set in its place'
        ) from error
