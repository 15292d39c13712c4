"""tools/prepare_data.py: sets that are not whole."""

from pathlib import Path

import pytest
from official_archives import drop_an_image, write_archives
from official_sets import write_image, write_official

from mmisl.datasets.prepared import describe_subset, read_record


def test_prepare__subset(run, tmp_path):
    _, archives = write_archives('voc07', tmp_path)
    (archives / 'VOCtest_06-Nov-2007.tar').unlink()

    line = run('voc07', '--from', archives, '--subset')

    counts = 'train 3, val 2, trainval 5, test 0 of 4'
    assert line.endswith(f'data/VOCdevkit/VOC2007: {counts}')
    folder = 'data/VOCdevkit/VOC2007'
    assert describe_subset(folder) == f'a subset of voc07: {counts}'
    # It stays one until it is moved away.
    with pytest.raises(ValueError, match='holds a subset .*move it away to'):
        run('voc07', '--from', archives)
    assert 'already' in run('voc07', '--from', archives, '--subset')


def test_prepare__wrong_counts(name, run, tool, tmp_path):
    """One image less is refused, and goes on with --subset."""
    write_official(name, tmp_path / 'tree')
    drop_an_image(name, tmp_path / 'tree')
    image_set = tool.IMAGE_SETS[name]

    with pytest.raises(ValueError) as info:
        run(name, '--from', tmp_path / 'tree')

    assert f'does not hold the official {image_set.title}: ' in str(info.value)
    assert ' of ' in str(info.value)
    assert 'with --subset it is taken as it is' in str(info.value)
    assert image_set.page in str(info.value)
    assert not Path(image_set.folder).exists()
    run(name, '--from', tmp_path / 'tree', '--subset')
    assert read_record(image_set.folder)['subset']


def test_prepare__more_images_than_official(run, tmp_path):
    write_official('imagenette', tmp_path / 'tree')
    write_image(tmp_path / 'tree/imagenette2/train/n01440764/more.JPEG')
    for options in ([], ['--subset']):
        with pytest.raises(ValueError, match='train 5 of 4, val 3; '):
            run('imagenette', '--from', tmp_path / 'tree', *options)


def test_prepare__subset_of_voc_gets_halves(run, tmp_path):
    write_official('voc07', tmp_path / 'tree')
    lists = tmp_path / 'tree/VOCdevkit/VOC2007/ImageSets/Main'
    (lists / 'train.txt').unlink()
    (lists / 'val.txt').unlink()
    (lists / 'trainval.txt').write_text('000001\n000002\n000004\n')

    line = run('voc07', '--from', tmp_path / 'tree', '--subset')

    assert line.endswith(
        'train.txt and val.txt are every other line of trainval.txt'
    )
    made = Path('data/VOCdevkit/VOC2007/ImageSets/Main')
    assert (made / 'train.txt').read_text().split() == ['000001', '000004']
    assert (made / 'val.txt').read_text().split() == ['000002']
    assert 'every other line' in describe_subset('data/VOCdevkit/VOC2007')


def test_read_record__damaged(tmp_path):
    (tmp_path / 'prepared.json').write_text('{')
    with pytest.raises(
        ValueError, match='prepared.json is damaged .*delete that file'
    ):
        read_record(tmp_path)
