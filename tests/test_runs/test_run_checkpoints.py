import shutil

import pytest
import torch

from mmisl.runs import find_checkpoint


@pytest.fixture
def work_dir(tmp_path):
    """Whole checkpoints of epochs 2 and 10; that of epoch 11 is torn."""
    for epoch in (2, 10, 11):
        torch.save(dict(epoch=epoch), tmp_path / f'epoch_{epoch}.pth')
    torn = tmp_path / 'epoch_11.pth'
    torn.write_bytes(torn.read_bytes()[:-30])
    return tmp_path


@pytest.mark.parametrize(
    'last, expected',
    [
        (None, 'epoch_10.pth'),
        ('', 'epoch_10.pth'),
        ('/gone/epoch_7.pth', 'epoch_10.pth'),
        ('/gone/epoch_2.pth', 'epoch_2.pth'),
        ('epoch_11.pth', 'epoch_10.pth'),
        ('epoch_2.pth', 'epoch_2.pth'),
    ],
)
def test_find_checkpoint__last_or_latest_whole(work_dir, last, expected):
    if last is not None:
        target = str(work_dir / last) if last else ''
        (work_dir / 'last_checkpoint').write_text(target)
    assert find_checkpoint(work_dir) == work_dir / expected


def test_find_checkpoint__of_a_copied_folder(work_dir, tmp_path_factory):
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_2.pth'))
    copy = shutil.copytree(work_dir, tmp_path_factory.mktemp('copy') / 'a')
    assert find_checkpoint(copy) == copy / 'epoch_2.pth'
    (copy / 'epoch_2.pth').unlink()
    assert find_checkpoint(copy) == work_dir / 'epoch_2.pth'
