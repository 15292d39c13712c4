import io

import numpy as np
import pytest
from PIL import Image

from mmisl.report.sprites import TILES, broken_tile, make_sprites

NUM_IMAGES = 1030  # of which a sheet holds 1,024


def coloured(position):
    """A plain image whose colour says which it is, 20 wide and 16 high."""
    colour = (position % 8 * 32, position // 8 % 8 * 32, position // 64 * 14)
    return Image.new('RGB', (20, 16), colour)


def decode(sprites):
    """(N, tile, tile, 3) uint8, the tiles in their order."""
    tile, tiles = sprites.tile, []
    for sheet in sprites.sheets:
        image = Image.open(io.BytesIO(sheet))
        assert image.format == 'WEBP'
        pixels = np.asarray(image.convert('RGB'))
        rows = len(pixels) // tile
        assert rows <= sprites.rows
        assert pixels.shape == (rows * tile, sprites.columns * tile, 3)
        grid = pixels.reshape(rows, tile, sprites.columns, tile, 3)
        tiles.extend(grid.swapaxes(1, 2).reshape(-1, tile, tile, 3))
    return np.stack(tiles)


@pytest.fixture(scope='module')
def sprites():
    return make_sprites(coloured, NUM_IMAGES, max_bytes=10**6)


def test_make_sprites__tile_i_is_image_i(sprites):
    tiles = decode(sprites)
    assert (sprites.columns, sprites.rows) == (32, 32)
    assert len(sprites.sheets) == 2
    assert sprites.tile == 16  # no larger than the images but for a multiple
    for position in range(NUM_IMAGES):
        middle = tiles[position, 5:11, 4:12].astype(int)
        expected = np.asarray(coloured(position).getpixel((0, 0)))
        assert np.abs(middle - expected).max() <= 12, position


def test_make_sprites__whole_image_in_the_middle(sprites):
    tiles = decode(sprites)
    # 20 x 16 at 16 pixels is 16 x 13: one row above, two below.
    assert np.abs(tiles[0, 0].astype(int) - 238).max() < 60
    assert tiles[0, 2:13].mean() < 20
    assert np.abs(tiles[0, 15].astype(int) - 238).max() < 60


def test_make_sprites__stay_below_the_budget():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (60, 64, 64, 3), dtype=np.uint8)

    def load(position):
        return Image.fromarray(noise[position])

    sizes = []
    for budget in (30_000, 90_000, 400_000):
        sprites = make_sprites(load, len(noise), max_bytes=budget)
        assert sum(map(len, sprites.sheets)) <= budget
        sizes.append(sprites.tile)
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1] == 64
    least = make_sprites(load, len(noise), max_bytes=1)
    assert least.tile == TILES[-1]


def test_make_sprites__broken_images_are_marked():
    def load(position):
        if position == 3:
            raise OSError('truncated file')
        return coloured(position)

    sprites = make_sprites(load, 5, max_bytes=10**6)

    assert sprites.broken == {3: 'OSError: truncated file'}
    tiles = decode(sprites)
    marked = np.asarray(broken_tile(sprites.tile)).astype(int)
    assert np.abs(tiles[3] - marked).mean() < 12
    assert len(np.unique(marked)) == 2  # grey and a cross
    assert np.abs(tiles[2] - marked).mean() > 40


def test_make_sprites__all_broken():
    def load(position):
        raise FileNotFoundError(f'no {position}.jpg')

    sprites = make_sprites(load, 2, max_bytes=10**6)
    assert sprites.broken == {
        0: 'FileNotFoundError: no 0.jpg',
        1: 'FileNotFoundError: no 1.jpg',
    }


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGBA', 'CMYK', 'I;16'])
def test_make_sprites__any_mode(mode):
    sprites = make_sprites(
        lambda position: Image.new(mode, (3, 50)), 2, max_bytes=10**6
    )
    assert not sprites.broken
    assert sprites.tile == 48


def test_make_sprites__files_are_decoded_at_a_fraction(tmp_path):
    gradient = np.linspace(0, 255, 600).astype(np.uint8)
    pixels = np.repeat(np.tile(gradient, (400, 1))[..., None], 3, axis=2)
    path = tmp_path / 'large.jpg'
    Image.fromarray(pixels).save(path)
    sprites = make_sprites(lambda i: Image.open(path), 1, max_bytes=10**6)
    tile = decode(sprites)[0]
    assert sprites.tile == 96
    row = tile[48].mean(axis=1)
    expected = np.asarray(
        Image.fromarray(pixels).resize((96, 64), Image.Resampling.BOX)
    )[32].mean(axis=1)
    assert np.abs(row - expected).max() < 6


def test_make_sprites__no_image():
    with pytest.raises(ValueError, match='num_images must be at least 1'):
        make_sprites(coloured, 0, max_bytes=10)
