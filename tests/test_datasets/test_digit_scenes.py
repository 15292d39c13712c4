import hashlib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from mmisl.datasets import SCENE_CLASSES, make_digit_scenes
from mmisl.datasets.digit_drawing import load_digits as load_with_split
from mmisl.datasets.digit_scenes import compose_scene
from mmisl.datasets.scene_objects import Placement, annotate

NUMBERS = dict(num_trainval=51, num_test=9)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'deep' / 'scenes'
    make_digit_scenes(root, **NUMBERS)
    return root


@pytest.fixture(scope='module')
def folder(root):
    return root / 'VOCdevkit' / 'VOC2007'


def names_of(folder, split):
    return (folder / 'ImageSets' / 'Main' / f'{split}.txt').read_text().split()


def objects_of(folder):
    return [
        item
        for path in sorted((folder / 'Annotations').iterdir())
        for item in ET.parse(path).iter('object')
    ]


def bbox_of(item):
    sides = ('xmin', 'ymin', 'xmax', 'ymax')
    return [int(item.find(f'bndbox/{side}').text) for side in sides]


def stock_of(split):
    strokes, labels, indices = load_with_split()
    return strokes[indices[split]], labels[indices[split]]


def tree_digest(root):
    return {
        path.relative_to(root): hashlib.sha256(path.read_bytes()).digest()
        for path in root.rglob('*.*')
    }


def test_make__lists_are_those_of_voc(folder):
    everything = [f'{number:06d}' for number in range(1, 61)]
    assert names_of(folder, 'trainval') == everything[:51]
    assert names_of(folder, 'test') == everything[51:]
    assert names_of(folder, 'train') == everything[:25]
    assert names_of(folder, 'val') == everything[25:51]
    for name, suffix in (('JPEGImages', 'jpg'), ('Annotations', 'xml')):
        paths = sorted((folder / name).iterdir())
        assert [path.stem for path in paths] == everything
        assert {path.suffix for path in paths} == {f'.{suffix}'}


def test_make__annotations_are_complete(folder):
    for path in (folder / 'Annotations').iterdir():
        tree = ET.parse(path).getroot()
        image = folder / 'JPEGImages' / tree.find('filename').text
        with Image.open(image) as img:
            assert (image.stem, img.mode) == (path.stem, 'RGB')
            assert img.size == tuple(
                int(tree.find(f'size/{side}').text)
                for side in ('width', 'height')
            )
        assert 1 <= len(tree.findall('object')) <= 5


def test_make__boxes_count_from_one_and_stay_inside(folder):
    boxes = np.array([bbox_of(item) for item in objects_of(folder)])
    # Digits are cut off on every side, so both ends of the range are met.
    np.testing.assert_array_equal(boxes.min(0)[:2], [1, 1])
    np.testing.assert_array_equal(boxes.max(0)[2:], [128, 128])
    assert (boxes[:, 2:] - boxes[:, :2] >= 2).all()


def test_make__all_kinds_of_objects(folder):
    objects = objects_of(folder)
    names = [item.find('name').text for item in objects]
    assert set(names) == set(SCENE_CLASSES)
    for flag in ('truncated', 'difficult'):
        share = np.mean([int(item.find(flag).text) for item in objects])
        assert 0.1 < share < 0.4
    heights = [y2 - y1 + 1 for _, y1, _, y2 in map(bbox_of, objects)]
    assert min(heights) < 16 and max(heights) > 50


def test_make__digits_of_the_splits_differ(root, tmp_path):
    strokes, labels, indices = load_with_split()
    assert len(set(indices['train']) & set(indices['test'])) == 0
    assert len(indices['train']) + len(indices['test']) == len(labels)
    np.testing.assert_array_equal(strokes, load_digits().images)
    # Which stock a scene was made of is seen by making it again.
    folder = root / 'VOCdevkit' / 'VOC2007' / 'JPEGImages'
    for split, number in (('train', 51), ('test', 52)):
        rng = np.random.default_rng((0, number))
        img, _ = compose_scene(*stock_of(split), rng)
        Image.fromarray(img).save(tmp_path / 'again.jpg', quality=95)
        written = folder / f'{number:06d}.jpg'
        assert written.read_bytes() == (tmp_path / 'again.jpg').read_bytes()


def test_make__same_bytes_again(root, tmp_path):
    again = make_digit_scenes(tmp_path / 'again', **NUMBERS)
    assert (again['trainval'], again['test']) == (51, 9)
    assert tree_digest(tmp_path / 'again') == tree_digest(root)
    assert [path.name for path in tmp_path.iterdir()] == ['again']


def test_make__another_seed_makes_other_scenes(root, tmp_path):
    make_digit_scenes(tmp_path / 'other', seed=1, **NUMBERS)
    mine, other = (
        sorted(Path(where).rglob('*.jpg')) for where in (root, tmp_path)
    )
    same = [a.read_bytes() == b.read_bytes() for a, b in zip(mine, other)]
    assert len(same) == 60 and not any(same)


def test_make__complete_folder_is_kept(root):
    before = {p: p.stat().st_mtime_ns for p in root.rglob('*')}
    make_digit_scenes(root, **NUMBERS)
    assert {p: p.stat().st_mtime_ns for p in root.rglob('*')} == before


@pytest.mark.parametrize('numbers', [dict(NUMBERS, num_test=8), {}])
def test_make__other_numbers(root, numbers):
    with pytest.raises(ValueError, match='is not a complete digit_scenes'):
        make_digit_scenes(root, **numbers)


def test_make__damaged_annotation(tmp_path):
    root = tmp_path / 'scenes'
    make_digit_scenes(root, num_trainval=2, num_test=1)
    next(root.rglob('000002.xml')).write_text('<annotation/>\n')
    with pytest.raises(ValueError, match='delete it or name another folder'):
        make_digit_scenes(root, num_trainval=2, num_test=1)


@pytest.mark.parametrize('numbers', [(1, 1), (2, 0)])
def test_make__too_few_scenes(tmp_path, numbers):
    with pytest.raises(ValueError, match='must be at least 2'):
        make_digit_scenes(
            tmp_path / 'scenes', num_trainval=numbers[0], num_test=numbers[1]
        )
    assert list(tmp_path.iterdir()) == []


def test_make__interruption_leaves_nothing(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError('disk full')

    monkeypatch.setattr(ET, 'indent', fail)  # when the first JPEG is there
    with pytest.raises(OSError, match='disk full'):
        make_digit_scenes(tmp_path / 'scenes', **NUMBERS)
    assert list(tmp_path.iterdir()) == []


def test_compose_scene__ink_is_where_the_boxes_are():
    luma = np.array([0.299, 0.587, 0.114])
    stock = stock_of('test')
    for seed in range(20):
        img, objects = compose_scene(*stock, np.random.default_rng(seed))
        # Ink is brighter by a third of the range, half of it at its edge;
        # a texture varies by 0.06.
        bright = img @ luma
        bright = bright > np.median(bright) + 0.1 * 255
        near = np.zeros_like(bright)
        for item in objects:
            left, top, right, bottom = item.bbox
            near[
                max(top - 2, 0) : bottom + 3, max(left - 2, 0) : right + 3
            ] = True
            crop = bright[top : bottom + 1, left : right + 1]
            assert all(
                edge.any()
                for edge in (crop[0], crop[-1], crop[:, 0], crop[:, -1])
            )
        # Outside lie only scraps of digits that cannot be named.
        assert (bright & ~near).sum() < 60


def place(mask, side=20):
    """A digit of a scene of 30x30, nothing of it cut off."""
    return Placement(0, (0, 0, side), mask, mask > 0.5)


def block(rows, cols):
    mask = np.zeros((30, 30))
    mask[slice(*rows), slice(*cols)] = 1
    return mask


def annotate_one(*placements):
    return annotate(list(placements), np.array([7]))[0]


def test_annotate__whole_digit():
    found = annotate_one(place(block((3, 23), (5, 15))))
    assert (found.label, found.bbox) == (7, (5, 3, 14, 22))
    assert not found.truncated and not found.difficult


def test_annotate__covered_from_one_side():
    # 7 of 20 rows are hidden: 35 % of the extent, and of the ink.
    back = place(block((3, 23), (5, 15)))
    found = annotate_one(back, place(block((16, 30), (0, 30))))
    assert found.bbox == (5, 3, 14, 15)
    assert found.truncated and not found.difficult


def test_annotate__covered_in_the_middle():
    # 12 of 20 rows are hidden, but the box still shows the whole extent.
    back = place(block((3, 23), (5, 15)))
    found = annotate_one(back, place(block((7, 19), (0, 30))))
    assert found.bbox == (5, 3, 14, 22)
    assert not found.truncated and found.difficult


def test_annotate__next_to_nothing_is_seen():
    # 2 of 20 rows: no object, so the first is the one in front.
    back = place(block((3, 23), (5, 15)))
    front = place(block((5, 30), (0, 30)))
    assert annotate_one(back, front).bbox == (0, 5, 29, 29)


def test_annotate__cut_by_the_border():
    # Of 10 columns that it had, 6 are in the scene.
    whole = np.zeros((30, 40), dtype=bool)
    whole[3:23, 24:34] = True
    placement = Placement(0, (24, 3, 20), block((3, 23), (24, 30)), whole)
    found = annotate_one(placement)
    assert found.bbox == (24, 3, 29, 22)
    assert found.truncated and not found.difficult


def test_annotate__tiny_digit():
    assert annotate_one(place(block((3, 13), (5, 11)), side=12)).difficult


def test_annotate__later_digits_hide_earlier_ones_only():
    back, front = block((3, 23), (5, 15)), block((3, 23), (10, 20))
    found = annotate([place(back), place(front)], np.array([7]))
    assert [item.bbox for item in found] == [(5, 3, 9, 22), (10, 3, 19, 22)]
