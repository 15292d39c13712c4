"""The check of VOC's files: what it refuses, and what it lets pass."""

import mmcv
import pytest
import voc_sets
from voc_sets import FAULTS, LISTS, OBJECTS, ROOT, Thing, write_voc, write_xml

from mmisl.detection.voc_files import VOCLayout, check_voc_split, read_split

CLASSES = """
    aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog
    horse motorbike person pottedplant sheep sofa train tvmonitor
""".split()


def check(folder, split='trainval'):
    list_file = folder / LISTS / f'{split}.txt'
    check_voc_split(list_file, VOCLayout(folder / ROOT), CLASSES)


@pytest.mark.parametrize('fault', FAULTS)
def test_check__fault_is_one_line(fault, tmp_path):
    spoil, kind, words = FAULTS[fault]
    spoil(write_voc(tmp_path))
    with pytest.raises(kind, match=words) as caught:
        check(tmp_path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('split', ['trainval', 'test'])
def test_check__whole_set_passes(split, tmp_path):
    check(write_voc(tmp_path), split)


def test_check__fault_elsewhere_is_not_of_this_split(tmp_path):
    FAULTS['torn XML'][0](write_voc(tmp_path))
    check(tmp_path, 'test')


@pytest.mark.parametrize(
    'thing',
    [
        Thing('dog', (40, 30, 40, 30)),  # the last pixel
        Thing('dog', (1, 1, 1, 30)),  # a column
        Thing('dog', (1.5, 2.25, 39.75, 30)),  # as in some files of VOC2012
        Thing('dog', (1, 1, 2, 2), difficult=None),
    ],
)
def test_check__rare_boxes_pass(thing, tmp_path):
    write_xml(write_voc(tmp_path), '000005', [thing])
    check(tmp_path)


def test_check__size_may_be_missing(tmp_path):
    path = write_voc(tmp_path) / ROOT / 'Annotations' / '000005.xml'
    body = ''.join(map(voc_sets.thing_xml, OBJECTS['000005']))
    path.write_text(f'<annotation>{body}</annotation>')
    check(tmp_path)
    # The image is asked instead.
    path.write_text(path.read_text().replace('>40<', '>41<'))
    with pytest.raises(ValueError, match=r'x in \[1, 40\] and y in \[1, 30\]'):
        check(tmp_path)


def test_read_split__keeps_the_order(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_bytes(b'000009\r\n000003\r\n000005')
    assert read_split(path) == ['000009', '000003', '000005']


def test_exif__would_turn_the_image(tmp_path):
    # Why there is a check of it.
    write_voc(tmp_path)
    path = str(tmp_path / ROOT / 'JPEGImages' / '000005.jpg')
    assert mmcv.imread(path).shape == (30, 40, 3)
    voc_sets.turned(tmp_path)
    assert mmcv.imread(path).shape == (40, 30, 3)
