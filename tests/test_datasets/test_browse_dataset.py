import os
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
        tool = runpy.run_path(str(TOOL))
        yield lambda argv: tool['run_tool'](
            tool['main'], tool['parse_args'](argv)
        )


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


@pytest.mark.parametrize('num_views', [1, 2])
def test_main__augmented_on_the_device(main, config, tmp_path, num_views):
    """The pipeline gives whole images; the preprocessor turns them grey."""
    crop = """dict(
                    type='mmpretrain.torchvision/RandomResizedCrop', size=32
                ),"""
    text = config.read_text()
    assert crop in text
    config.write_text(
        text.replace(crop, '')
        + f"""
data_preprocessor = dict(
    type='AugmentingPreprocessor',
    augments=[
        dict(type='BatchRandomGrayscale', p=1.0),
        dict(type='BatchRandomResizedCrop', size=32),
    ],
    mean=[120.0, 110, 100],
    std=[60.0, 50, 40],
    num_views={num_views},
)
"""
    )
    out = tmp_path / 'views.png'
    main([str(config), str(out), '--num', '1', '--views', '2'])
    sheet = np.asarray(Image.open(out)).astype(int)
    assert sheet.shape[1] == (1 + 2 * num_views) * 132 + 8
    cells = [
        sheet[4:132, 140 + 132 * view :][:, :128]
        for view in range(2 * num_views)
    ]
    for cell in cells:
        assert np.ptp(cell, axis=2).max() <= 1
    for one, other in zip(cells, cells[1:]):
        assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('x.png', '--num', '4'), 'error: --num (4) must be in [1, 3]'),
        (('x.png', '--num', '0'), 'error: --num (0) must be in [1, 3]'),
        (('x.png', '--views', '0'), 'error: --views (0) must be at least 1'),
        (('x.jpg',), 'error: OUT (x.jpg) must end with .png'),
        (
            ('x.png', '--cfg-options', 'train_dataloadr.x=3'),
            'error: train_dataloadr.x: train_dataloadr does not exist',
        ),
    ],
)
def test_main__slip_in_an_argument(main, config, args, message, capsys):
    with pytest.raises(SystemExit, match='^1$'):
        main([str(config), *args])
    assert capsys.readouterr().err.startswith(message)


def test_main__no_training_set(main, tmp_path, capsys):
    config = tmp_path / 'empty.py'
    config.write_text('a = 1\n')
    with pytest.raises(SystemExit, match='^1$'):
        main([str(config), 'x.png'])
    assert 'has no train_dataloader.dataset' in capsys.readouterr().err


def test_main__data_set_without_indices(main, config, capsys):
    text = config.read_text().replace(
        "type='InstanceDataset'", "times=2,\ntype='RepeatDataset'"
    )
    config.write_text(text)
    with pytest.raises(SystemExit, match='^1$'):
        main([str(config), 'x.png'])
    assert 'an InstanceDataset, got RepeatDat' in capsys.readouterr().err


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
