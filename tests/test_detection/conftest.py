"""The real images of VOC2007 that tests of detection use."""

import zipfile
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).parents[3] / 'shared' / 'data' / 'voc2007_subset.zip'


@pytest.fixture(scope='session')
def real_voc(tmp_path_factory):
    """Folder that holds ``VOCdevkit/VOC2007``: 400 + 290 images."""
    if not ARCHIVE.is_file():
        pytest.skip(f'{ARCHIVE.name} is not in ../shared/data')
    folder = tmp_path_factory.mktemp('real_voc')
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder
