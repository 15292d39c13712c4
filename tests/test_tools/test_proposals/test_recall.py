"""tools/make_proposals.py recall."""

import numpy as np
import pytest
from block_pictures import write_objects, write_picture
from mmdet.evaluation.functional import eval_recalls
from PIL import Image

from mmisl.detection import write_proposals

SIZE = (60, 80)
BLOCK = (10, 10, 29, 29)


def proposals(*boxes):
    bboxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    scores = np.linspace(1, 0, len(bboxes), dtype=np.float32)
    return {'bboxes': bboxes, 'scores': scores}


@pytest.fixture
def devkit(tmp_path):
    """Three images: objects of 20 x 20 pixels, one of them difficult."""
    folder = tmp_path / 'VOCdevkit' / 'VOC2007'
    images = {
        'a': [(BLOCK, 0), ((40, 10, 59, 29), 0)],
        'b': [(BLOCK, 1)],
        'c': [(BLOCK, 0), ((40, 30, 59, 49), 1), ((0, 40, 19, 59), 0)],
    }
    for name, objects in images.items():
        write_picture(folder / 'JPEGImages' / f'{name}.jpg', SIZE, BLOCK)
        write_objects(folder, name, SIZE, objects)
    lists = folder / 'ImageSets' / 'Main'
    lists.mkdir(parents=True)
    (lists / 'test.txt').write_text('a\nb\nc\n')
    return tmp_path / 'VOCdevkit'


def test_recall__worked_out_by_hand(run, devkit, tmp_path):
    # With both corners inside, a shift of 5 columns leaves 15 x 20 of
    # 2 x 400 - 300 pixels: IoU 0.6; a shift of 3 leaves 340 / 460: 0.739.
    # a: one object at 0.6 by the first, the other at 1 by the third box;
    # c: one at 0.739 by the second, the other by none.
    write_proposals(
        tmp_path / 'p.pkl',
        {
            'JPEGImages/a.jpg': proposals(
                (15, 10, 34, 29), (0, 0, 79, 59), (40, 10, 59, 29)
            ),
            'JPEGImages/b.jpg': proposals(),
            'JPEGImages/c.jpg': proposals((0, 0, 5, 5), (13, 10, 32, 29)),
        },
    )
    printed = run(
        'recall', devkit, 'test', tmp_path / 'p.pkl', '--out',
        tmp_path / 'new' / 'r.png',
    )  # fmt: skip
    assert '4 objects' in printed and '3 images' in printed
    # 5 proposals in 3 images; 3 and 2 of 4 objects are found.
    lines = [line.strip('│ ') for line in printed.splitlines()]
    (row,) = [line for line in lines if line.startswith('3 ')]
    assert [cell.strip() for cell in row.split('│')] == [
        '3', '2', '75.0%', '50.0%',
    ]  # fmt: skip
    with Image.open(tmp_path / 'new' / 'r.png') as plot:
        assert plot.format == 'PNG' and min(plot.size) > 300


def test_measure_recall__counts_by_hand(import_tool):
    module = import_tool('proposing.recall_curve')
    objects = {
        'a': np.array([BLOCK, (40, 10, 59, 29)], dtype=np.float32),
        'b': np.zeros((0, 4), dtype=np.float32),
        'c': np.array([BLOCK], dtype=np.float32),
    }
    bboxes = {
        'a': proposals((15, 10, 34, 29), BLOCK, (43, 10, 62, 29))['bboxes'],
        'b': proposals(BLOCK)['bboxes'],
        'c': proposals()['bboxes'],
    }
    curve = module.measure_recall(objects, bboxes, [1, 2, 3, 9], [0.5, 0.7])
    np.testing.assert_allclose(curve.means, [2 / 3, 1, 4 / 3, 4 / 3])
    thirds = [[1, 0], [1, 1], [2, 2], [2, 2]]
    np.testing.assert_allclose(curve.recalls, np.array(thirds) / 3)
    assert (curve.num_objects, curve.num_images) == (3, 3)


def test_measure_recall__is_that_of_mmdet_where_mmdet_can(import_tool):
    # Equally many boxes in every image, and objects so far apart that no
    # proposal is the nearest of two: mmdet gives each to one object only.
    module = import_tool('proposing.recall_curve')
    rng = np.random.default_rng(0)
    corners = np.array([(0, 0), (50, 0), (0, 50)])
    objects, bboxes = {}, {}
    for key in 'abcde':
        objects[key] = np.hstack([corners, corners + 30]).astype(np.float32)
        near = objects[key].repeat(6, axis=0)
        noise = rng.integers(-5, 6, near.shape)
        bboxes[key] = rng.permutation(near + noise).astype(np.float32)
    counts, ious = [1, 4, 10, 18], [0.5, 0.7]
    curve = module.measure_recall(objects, bboxes, counts, ious)
    theirs = eval_recalls(
        list(objects.values()),
        list(bboxes.values()),
        counts,
        ious,
        use_legacy_coordinate=True,
        logger='silent',
    )
    np.testing.assert_allclose(curve.recalls, theirs)
    assert 0 < theirs.min() < theirs.max() == 1


def test_measure_recall__refuses_images_without_objects(import_tool):
    module = import_tool('proposing.recall_curve')
    none = {'a': np.zeros((0, 4), dtype=np.float32)}
    with pytest.raises(ValueError, match='none of the 1 images'):
        module.measure_recall(none, none, [1], [0.5])


def test_recall__a_file_for_another_split(run, devkit, tmp_path):
    write_proposals(tmp_path / 'p.pkl', {'JPEGImages/z.jpg': proposals()})
    with pytest.raises(ValueError, match='is it for another split'):
        run(
            'recall', devkit, 'test', tmp_path / 'p.pkl', '--out',
            tmp_path / 'r.png',
        )  # fmt: skip
    assert not (tmp_path / 'r.png').exists()


def test_recall__out_is_a_png(run, devkit, tmp_path):
    with pytest.raises(ValueError, match=r'must end with \.png'):
        run('recall', devkit, 'test', 'p.pkl', '--out', tmp_path / 'r.jpg')
