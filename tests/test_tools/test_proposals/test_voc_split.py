"""The images that proposals are made for."""

import pytest


@pytest.fixture
def find_split(import_tool):
    return import_tool('proposing.voc_split').find_split


@pytest.mark.parametrize('below', ['', 'VOC2007'])
def test_find_split__keys_in_the_order_of_the_list(find_split, devkit, below):
    split = find_split(devkit / below, 'trainval')
    assert list(split.images) == [
        'JPEGImages/000005.jpg',
        'JPEGImages/000002.jpg',
        'JPEGImages/000009.jpg',
        'JPEGImages/000001.jpg',
    ]
    assert all(path.is_file() for path in split.images.values())


def test_find_split__no_voc(find_split, tmp_path):
    with pytest.raises(FileNotFoundError, match='prepare_data.py voc07'):
        find_split(tmp_path / 'nothing', 'trainval')


def test_find_split__another_split(find_split, devkit):
    lists = devkit / 'VOC2007' / 'ImageSets' / 'Main'
    (lists / 'dog_trainval.txt').touch()
    with pytest.raises(FileNotFoundError, match='there are: trainval$'):
        find_split(devkit, 'test')


def test_find_split__empty_list(find_split, devkit):
    lists = devkit / 'VOC2007' / 'ImageSets' / 'Main'
    (lists / 'test.txt').touch()
    with pytest.raises(ValueError, match='test.txt is empty'):
        find_split(devkit, 'test')


def test_find_split__names_a_missing_image(find_split, devkit):
    (devkit / 'VOC2007' / 'JPEGImages' / '000009.jpg').unlink()
    with pytest.raises(FileNotFoundError) as caught:
        find_split(devkit, 'trainval')
    assert '000009.jpg does not exist (1 of 4 are missing)' in str(
        caught.value
    )


def test_check_decodes__names_an_image_that_was_cut_short(import_tool, devkit):
    check = import_tool('proposing.voc_split').check_decodes
    path = devkit / 'VOC2007' / 'JPEGImages' / '000009.jpg'
    check(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r'000009\.jpg does not decode'):
        check(path)
    path.write_text('no picture')
    with pytest.raises(ValueError, match=r'000009\.jpg does not decode'):
        check(path)
