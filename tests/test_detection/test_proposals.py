import pickle

import numpy as np
import pytest
from mmengine.structures import InstanceData

from mmisl.detection.proposals import (
    check_proposals,
    proposal_key,
    read_proposals,
    write_proposals,
)


def entry(num=3):
    corners = np.arange(4 * num, dtype=np.float32).reshape(num, 4)
    corners[:, 2:] += 5
    scores = np.linspace(1, 0, num, dtype=np.float32)
    return {'bboxes': corners, 'scores': scores}


def dump(path, value):
    path.write_bytes(pickle.dumps(value))
    return path


def test_proposal_key__is_folder_and_name():
    path = '/data/VOCdevkit/VOC2007/JPEGImages/000001.jpg'
    assert proposal_key(path) == 'JPEGImages/000001.jpg'


def test_read_proposals__gives_what_was_written(tmp_path):
    written = {'JPEGImages/b.jpg': entry(2), 'JPEGImages/a.jpg': entry(0)}
    path = tmp_path / 'new folder' / 'p.pkl'
    write_proposals(path, written)
    read = read_proposals(path)
    assert list(read) == ['JPEGImages/b.jpg', 'JPEGImages/a.jpg']
    for key in written:
        np.testing.assert_array_equal(
            read[key]['bboxes'], written[key]['bboxes']
        )
    assert [file.name for file in path.parent.iterdir()] == ['p.pkl']


def test_read_proposals__takes_instance_data_of_mmdet(tmp_path):
    data = {'JPEGImages/a.jpg': InstanceData(**entry())}
    read = read_proposals(dump(tmp_path / 'p.pkl', data))
    assert read['JPEGImages/a.jpg']['bboxes'].shape == (3, 4)


def test_read_proposals__names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no\.pkl does not exist'):
        read_proposals(tmp_path / 'no.pkl')


@pytest.mark.parametrize('content', [b'', b'no pickle', b'\x80\x04}'])
def test_read_proposals__refuses_what_is_no_pickle(tmp_path, content):
    path = tmp_path / 'p.pkl'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'p\.pkl is no proposals file'):
        read_proposals(path)


BROKEN = [
    (
        {'a': InstanceData(x=np.zeros(1))},
        'a: expected bboxes and scores, got Inst',
    ),
    ([1, 2], 'it holds list, expected a dict'),
    ({'a': np.zeros((2, 4))}, 'a: expected bboxes and scores, got ndarray'),
    ({'a': {'bboxes': np.zeros((2, 4))}}, 'a: expected bboxes and scores'),
    ({'a': {**entry(), 'bboxes': np.zeros((3, 5))}}, r'got \(3, 5\)'),
    ({'a': {**entry(), 'scores': np.zeros(2)}}, r'scores of shape \(2,\)'),
    ({'a': {**entry(1), 'bboxes': np.array([[0, 0, np.nan, 1]])}}, 'finite'),
    (
        {'a': {**entry(1), 'bboxes': np.array([[3, 0, 2, 1]])}},
        r'x1 <= x2 and y1 <= y2, got the box \[3, 0, 2, 1\]',
    ),
]


@pytest.mark.parametrize('content, words', BROKEN)
def test_read_proposals__names_a_malformed_entry(tmp_path, content, words):
    with pytest.raises(ValueError, match=words) as caught:
        read_proposals(dump(tmp_path / 'p.pkl', content))
    assert str(tmp_path / 'p.pkl') in str(caught.value)
    assert '\n' not in str(caught.value)


def test_check_proposals__passes_in_any_order():
    check_proposals({'b': entry(), 'a': entry()}, ['a', 'b'], 'p.pkl')


def test_check_proposals__names_images_without_proposals():
    with pytest.raises(ValueError) as caught:
        check_proposals({'b': entry()}, ['a', 'b', 'c'], 'p.pkl')
    text = str(caught.value)
    assert 'p.pkl holds no proposals for a and 1 more of 3 images;' in text


def test_check_proposals__names_images_of_another_split():
    proposals = {'x': entry(), 'a': entry(), 'y': entry()}
    with pytest.raises(ValueError) as caught:
        check_proposals(proposals, ['a', 'b'], 'p.pkl')
    assert str(caught.value).startswith(
        'p.pkl holds no proposals for b of 2 images and proposals for x and '
        '1 more outside the data set (is it for another split?)'
    )
