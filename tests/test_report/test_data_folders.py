import re
from pathlib import Path

import pytest

from mmisl.report.data_folders import (
    make_absolute,
    override_of,
    search_places,
)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Folder that a run was started in; the present one is another."""
    (tmp_path / 'start' / 'data' / 'set').mkdir(parents=True)
    (tmp_path / 'start' / 'data' / 'list.txt').touch()
    (tmp_path / 'start' / 'work_dirs' / 'run').mkdir(parents=True)
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    return tmp_path / 'start'


def test_make_absolute__every_kind_of_path(start, tmp_path):
    places = search_places(start / 'work_dirs' / 'run')
    dataset = dict(
        type='InstanceDataset',
        dataset=dict(
            type='ConcatDataset',
            datasets=[
                dict(data_root='data/set', data_prefix='x', ann_file='y'),
                dict(
                    data_root='', data_prefix='data', ann_file='data/list.txt'
                ),
                dict(data_prefix=dict(img_path='data/set', more='')),
                dict(files=['data/list.txt']),
                dict(data_root=str(start / 'data')),
            ],
        ),
    )
    make_absolute(dataset, places, 'train_dataloader')
    data = start / 'data'
    assert dataset['dataset']['datasets'] == [
        dict(data_root=str(data / 'set'), data_prefix='x', ann_file='y'),
        dict(
            data_root='',
            data_prefix=str(data),
            ann_file=str(data / 'list.txt'),
        ),
        dict(data_prefix=dict(img_path=str(data / 'set'), more='')),
        dict(files=[str(data / 'list.txt')]),
        dict(data_root=str(data)),
    ]


def test_make_absolute__the_present_folder_comes_first(start, tmp_path):
    (tmp_path / 'here' / 'data' / 'set').mkdir(parents=True)
    dataset = dict(data_root='data/set')
    make_absolute(dataset, search_places(start / 'work_dirs' / 'run'), 'x')
    assert dataset == dict(data_root=str(tmp_path / 'here/data/set'))


@pytest.mark.parametrize(
    ('path', 'where'),
    [
        (
            'data/gone',
            'data/gone is neither in {here} nor above the work dir; start in '
            'the folder that the training was started in, or name',
        ),
        # Where a tool is started is nothing to such a path.
        ('/gone/for good', '/gone/for good does not exist; put it back, or'),
    ],
)
def test_make_absolute__nowhere(start, path, where):
    places = search_places(start / 'work_dirs' / 'run')
    expected = re.escape(
        'the images are not where the run had them: '
        + where.format(here=Path.cwd())
    )
    cure = re.escape(
        '--cfg-options gallery_dataloader.dataset.dataset.data_root=FOLDER'
    )
    with pytest.raises(FileNotFoundError, match=f'^{expected}.*{cure}$'):
        dataset = dict(dataset=dict(data_root=path))
        make_absolute(dataset, places, 'gallery_dataloader')


@pytest.mark.parametrize(
    ('dataset', 'named'),
    [
        (dict(data_root='x', ann_file='y'), 'data_root=FOLDER'),
        (dict(dataset=dict(ann_file='y')), 'dataset.ann_file=FILE'),
        (
            dict(dataset=dict(datasets=[dict(files=['a']), dict()])),
            'dataset.datasets.0.files=FILES',
        ),
        (dict(type='Digits'), 'data_root=FOLDER'),
    ],
)
def test_override_of__the_setting_that_has_the_path(dataset, named):
    expected = f'--cfg-options train_dataloader.dataset.{named}'
    assert override_of(dataset, 'train_dataloader') == expected
