"""Counts the images of a prepared set, part by part.

A part counts the images that can be used: those of its list whose file is
there, or the files in its folders.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Counts = dict[str, int]
Counter = Callable[[Path], Counts]
_PICKLED = {
    ('_codecs', 'encode'),
    ('numpy', 'dtype'),
    ('numpy', 'ndarray'),
    ('numpy._core.multiarray', '_reconstruct'),
    ('numpy.core.multiarray', '_reconstruct'),
}


def count_files(patterns: Mapping[str, str]) -> Counter:
    """Files by part; ``patterns`` are those of ``Path.glob``."""
    return lambda root: {
        part: sum(1 for _ in root.glob(pattern))
        for part, pattern in patterns.items()
    }


def count_listed(
    lists: Mapping[str, str], files: Iterable[str], first_word: bool = False
) -> Counter:
    """Lines of lists whose files are all there.

    Args:
        lists (Mapping[str, str]): List of every part.
        files (Iterable[str]): Paths of an image's files, ``{}`` standing for
            its line.
        first_word (bool): Whether the name ends at the first blank.
            Defaults to False.
    """
    files = tuple(files)

    def count(root: Path) -> Counts:
        there = [_files_below(root, file) for file in files]
        return {
            part: sum(
                all(
                    file.format(name) in names
                    for file, names in zip(files, there)
                )
                for name in _read_names(root / path, first_word)
            )
            for part, path in lists.items()
        }

    return count


def _files_below(root: Path, file: str) -> set[str]:
    """Paths from ``root`` of all files that might match ``file``."""
    folder = file.partition('{}')[0]
    return {
        Path(path, name).relative_to(root).as_posix()
        for path, _, names in os.walk(root / folder)
        for name in names
    }


def _read_names(path: Path, first_word: bool) -> list[str]:
    if not path.is_file():
        return []
    lines = path.read_text().splitlines()
    return [line.split()[0] if first_word else line.strip() for line in lines]


def count_flowers(root: Path) -> Counts:
    """Flowers-102: ids by part in ``setid.mat``."""
    keys = dict(train='trnid', val='valid', test='tstid')
    if not all(
        (root / f'{x}.mat').is_file() for x in ('setid', 'imagelabels')
    ):
        return dict.fromkeys(keys, 0)
    ids = _load_mat(root / 'setid.mat')
    files = _files_below(root, 'jpg/{}')
    return {
        part: sum(f'jpg/image_{i:05d}.jpg' in files for i in ids[key].flat)
        for part, key in keys.items()
    }


def count_svhn(root: Path) -> Counts:
    """SVHN: images in each ``.mat``, by its header alone."""
    from scipy.io import whosmat

    counts = {}
    for part in ('train', 'test'):
        path = root / f'{part}_32x32.mat'
        shapes: dict[str, tuple[int, ...]] = {}
        if path.is_file():
            with _named(path):
                shapes = {name: shape for name, shape, _ in whosmat(path)}
        counts[part] = shapes.get('X', (0,))[-1]
    return counts


def count_caltech(root: Path) -> Counts:
    """Caltech-101: images and classes without the background."""
    folders = [
        folder
        for folder in root.glob('101_ObjectCategories/*')
        if folder.is_dir() and folder.name != 'BACKGROUND_Google'
    ]
    images = sum(1 for folder in folders for _ in folder.glob('*.jpg'))
    return dict(images=images, classes=len(folders))


def count_pickled(files: Mapping[str, Iterable[str]]) -> Counter:
    """CIFAR: rows of ``data`` in the batches of each part."""
    return lambda root: {
        part: sum(_count_rows(root / file) for file in batches)
        for part, batches in files.items()
    }


def _count_rows(path: Path) -> int:
    if not path.is_file():
        return 0
    with _named(path):
        reader = _ArrayUnpickler(
            io.BytesIO(path.read_bytes()), encoding='latin1'
        )
        return len(reader.load()['data'])


class _ArrayUnpickler(pickle.Unpickler):
    """Reads arrays and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PICKLED:
            raise pickle.UnpicklingError(f'{module}.{name} is no array')
        return super().find_class(module, name)


def _load_mat(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    with _named(path):
        return loadmat(path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file whose reading failed."""
    try:
        yield
    # scipy and pickle promise no list of errors.
    except Exception as error:
        raise ValueError(
            f'{path} is damaged ({type(error).__name__}: {error})'
        ) from error
