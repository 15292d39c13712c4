import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOOL = Path(__file__).parents[2] / 'tools' / 'browse_dataset.py'
CONFIG = """
train_dataloader = dict(
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='mmpretrain.CustomDataset',
            data_root={root!r},
            with_label=False,
            pipeline=[
                dict(type='mmpretrain.LoadImageFromFile'),
                dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
                dict(
                    type='mmpretrain.torchvision/RandomResizedCrop', size=32
                ),
                dict(type='mmpretrain.PackInputs'),
            ],
        ),
    ),
)
"""


@pytest.fixture
def config(tmp_path):
    """Config of three images, 64x64: red, green and blue noise."""
    rng = np.random.default_rng(0)
    folder = tmp_path / 'images'
    folder.mkdir()
    for channel, name in enumerate(('0red', '1green', '2blue')):
        pixels = np.zeros((64, 64, 3), np.uint8)
        pixels[..., channel] = rng.integers(100, 256, (64, 64))
        Image.fromarray(pixels).save(folder / f'{name}.png')
    path = tmp_path / 'config.py'
    path.write_text(CONFIG.format(root=str(folder)))
    return path


@pytest.fixture(scope='module')
def main():
    """The tool's entry point; tools are scripts, not a package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOL.parent))
        return runpy.run_path(str(TOOL))['main']


def test_main__one_row_for_each_image(main, config, tmp_path):
    out = tmp_path / 'new' / 'views.png'
    main([str(config), str(out), '--num', '3', '--views', '2'])

    sheet = np.asarray(Image.open(out)).astype(int)
    assert sheet.shape == (3 * 132 + 4, 3 * 132 + 8, 3)
    for row in range(3):
        cells = [
            sheet[row * 132 + 4 :, left:][:128, :128]
            for left in (4, 132 + 8, 264 + 8)
        ]
        for cell in cells:
            assert cell.mean((0, 1)).argmax() == row  # its own colour
        assert not np.array_equal(cells[1], cells[2])


def test_main__two_views_at_once(main, config, tmp_path):
    text = config.read_text().replace(
        """dict(
                    type='mmpretrain.torchvision/RandomResizedCrop', size=32
                ),""",
        """dict(
                    type='mmpretrain.MultiView',
                    num_views=2,
                    transforms=[[dict(
                        type='mmpretrain.torchvision/RandomResizedCrop',
                        size=32,
                    )]],
                ),""",
    )
    config.write_text(text)
    out = tmp_path / 'views.png'
    main([str(config), str(out), '--num', '1', '--views', '1'])
    sheet = np.asarray(Image.open(out)).astype(int)
    assert sheet.shape == (132 + 4, 3 * 132 + 8, 3)
    first, second = sheet[4:132, 140:268], sheet[4:132, 272:400]
    assert first.mean((0, 1)).argmax() == second.mean((0, 1)).argmax() == 0
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('x.png', '--num', '4'), 'error: --num (4) must be in [1, 3]'),
        (('x.png', '--num', '0'), 'error: --num (0) must be in [1, 3]'),
        (('x.png', '--views', '0'), 'error: --views (0) must be at least 1'),
        (('x.jpg',), 'error: OUT (x.jpg) must end with .png'),
    ],
)
def test_main__slip_in_an_argument(main, config, args, message):
    with pytest.raises(SystemExit, match=f'^{re.escape(message)}'):
        main([str(config), *args])


def test_main__no_training_set(main, tmp_path):
    config = tmp_path / 'empty.py'
    config.write_text('a = 1\n')
    with pytest.raises(SystemExit, match='has no train_dataloader.dataset$'):
        main([str(config), 'x.png'])


def test_main__data_set_without_indices(main, config):
    text = config.read_text().replace(
        "type='InstanceDataset'", "times=2,\ntype='RepeatDataset'"
    )
    config.write_text(text)
    with pytest.raises(SystemExit, match='an InstanceDataset, got RepeatDat'):
        main([str(config), 'x.png'])


def test_script__fails_with_one_line(tmp_path):
    result = subprocess.run(
        [sys.executable, TOOL, tmp_path / 'no_config.py', 'x.png'],
        cwd=TOOL.parents[1],
        env={**os.environ, 'PYTHONPATH': str(TOOL.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert 'no_config.py' in result.stderr.splitlines()[-1]
    assert 'Traceback' not in result.stderr
