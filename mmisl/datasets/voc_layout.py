"""Writes annotations and lists of images as VOC2007 has them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from .scene_objects import SceneObject


def write_annotation(
    path: Path,
    objects: Sequence[SceneObject],
    *,
    classes: Sequence[str],
    size: tuple[int, int],
) -> None:
    """Write the objects of one image.

    Args:
        path (Path): ``Annotations/NAME.xml``, of ``JPEGImages/NAME.jpg``.
        objects (Sequence[SceneObject]): What is on it. Their boxes count
            from 0, those of the file from 1; both include their ends.
        classes (Sequence[str]): Names by label.
        size (tuple[int, int]): Width and height of the image.
    """
    root = ET.Element('annotation')
    _add(root, folder='VOC2007', filename=f'{path.stem}.jpg')
    width, height = size
    _add(_child(root, 'size'), width=width, height=height, depth=3)
    _add(root, segmented=0)
    for item in objects:
        node = _child(root, 'object')
        _add(
            node,
            name=classes[item.label],
            pose='Unspecified',
            truncated=int(item.truncated),
            difficult=int(item.difficult),
        )
        sides = ('xmin', 'ymin', 'xmax', 'ymax')
        one_based = {s: x + 1 for s, x in zip(sides, item.bbox, strict=True)}
        _add(_child(node, 'bndbox'), **one_based)
    ET.indent(root, '\t')
    path.write_text(ET.tostring(root, encoding='unicode') + '\n')


def write_lists(folder: Path, names: Mapping[str, Sequence[str]]) -> None:
    """Write which images are in which split.

    ``trainval`` is also written in two halves, ``train`` and ``val``.

    Args:
        folder (Path): ``ImageSets/Main``, made here.
        names (Mapping[str, Sequence[str]]): Of ``trainval`` and ``test``.
    """
    folder.mkdir(parents=True)
    half = len(names['trainval']) // 2
    lists = dict(
        names, train=names['trainval'][:half], val=names['trainval'][half:]
    )
    for split, members in lists.items():
        text = ''.join(f'{name}\n' for name in members)
        (folder / f'{split}.txt').write_text(text)


def _child(parent: ET.Element, tag: str) -> ET.Element:
    return ET.SubElement(parent, tag)


def _add(parent: ET.Element, **values: object) -> None:
    """Add a child with a text for each keyword."""
    for tag, value in values.items():
        _child(parent, tag).text = str(value)
