"""Files of proposals, as mmdet's data sets read them.

Such a file is a pickle of a dict with one entry for each image of a split::

    {'JPEGImages/000001.jpg': {
        'bboxes': (n, 4) float32, x1 y1 x2 y2 in pixels from zero,
        'scores': (n,) float32, the best first}}

As in VOC's annotations both corners lie in the box, so a box of one pixel has
x1 = x2. n differs from image to image and may be 0. ``DumpProposals`` of
mmdet writes ``InstanceData`` in place of the inner dict, which does as well.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

_CURE = 'make the file with tools/make_proposals.py'


def proposal_key(image: str | os.PathLike[str]) -> str:
    """Key of an image: its folder and its name, as mmdet looks it up.

    Args:
        image (str | PathLike): Path of the image, with at least one folder.

    Returns:
        str: Such as ``JPEGImages/000001.jpg``.
    """
    return '/'.join(PurePath(image).parts[-2:])


def read_proposals(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file of proposals and see that every entry is well formed.

    Unpickling runs what the file says, so read none from strangers.

    Args:
        path (str | PathLike): File of proposals.

    Returns:
        dict[str, Any]: Entry of each image, in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no file of proposals, or if an entry is
            malformed.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'proposals file {path} does not exist; {_CURE}'
        )
    with open(path, 'rb') as file:
        try:
            proposals = pickle.load(file)
        # Bytes that are no pickle can ask for anything.
        except Exception as error:
            raise ValueError(
                f'{path} is no proposals file: it does not unpickle '
                f'({type(error).__name__}: {error}); {_CURE}'
            ) from error
    if not isinstance(proposals, dict):
        raise ValueError(
            f'{path} is no proposals file: it holds '
            f'{type(proposals).__name__}, expected a dict by image; {_CURE}'
        )
    for key, entry in proposals.items():
        fault = _fault(entry)
        if fault:
            raise ValueError(f'{path}, {key}: {fault}; {_CURE}')
    return proposals


def _fault(entry: Any) -> str:
    """What is wrong with the entry of an image; empty if nothing is."""
    try:
        bboxes, scores = entry['bboxes'], entry['scores']
    except (AttributeError, IndexError, KeyError, TypeError):
        return f'expected bboxes and scores, got {type(entry).__name__}'
    if np.ndim(bboxes) != 2 or np.shape(bboxes)[1] != 4:
        return f'expected bboxes of shape (n, 4), got {np.shape(bboxes)}'
    if np.shape(scores) != np.shape(bboxes)[:1]:
        return (
            f'expected one score for each of {len(bboxes)} boxes, got '
            f'scores of shape {np.shape(scores)}'
        )
    if not np.isfinite(bboxes).all():
        return 'a box holds a number that is not finite'
    inverted = (bboxes[:, 2:] < bboxes[:, :2]).any(axis=1)
    if inverted.any():
        box = np.asarray(bboxes)[inverted][0].tolist()
        return f'expected x1 <= x2 and y1 <= y2, got the box {box}'
    return ''


def check_proposals(
    proposals: Mapping[str, Any],
    keys: Iterable[str],
    path: str | os.PathLike[str],
) -> None:
    """Insist that proposals are those of a data set, no more and no less.

    Args:
        proposals (Mapping[str, Any]): Entry of each image.
        keys (Iterable[str]): Key of each image of the data set before it is
            filtered, see :func:`proposal_key`.
        path (str | PathLike): File that holds the proposals, for the message.

    Raises:
        ValueError: If an image of the data set has no entry, or if there are
            entries of other images.
    """
    wanted = dict.fromkeys(keys)
    missing = [key for key in wanted if key not in proposals]
    foreign = [key for key in proposals if key not in wanted]
    faults = []
    if missing:
        faults.append(
            f'no proposals for {_name(missing)} of {len(wanted)} images'
        )
    if foreign:
        faults.append(f'proposals for {_name(foreign)} outside the data set')
    if faults:
        split = ' (is it for another split?)' if foreign else ''
        raise ValueError(
            f'{path} holds {" and ".join(faults)}{split}; name the file of '
            f'this split, or {_CURE}'
        )


def _name(keys: list[str]) -> str:
    """The first of some keys, and how many there are besides."""
    more = f' and {len(keys) - 1} more' if len(keys) > 1 else ''
    return f'{keys[0]}{more}'


def write_proposals(
    path: Path, proposals: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
    """Write a file of proposals, whole or not at all.

    Args:
        path (Path): File to write; its folder is made.
        proposals (Mapping[str, Mapping]): Entry of each image, in the order
            of the data set.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.writing')
    with open(partial, 'wb') as file:
        # A fixed protocol, so that equal proposals give equal bytes.
        pickle.dump(dict(proposals), file, protocol=4)
    os.replace(partial, path)
