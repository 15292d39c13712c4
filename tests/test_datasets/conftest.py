import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def image_tree(tmp_path):
    """Five images in two class folders, 9 high and 11 wide."""
    rng = np.random.default_rng(0)
    root = tmp_path / 'images'
    for name in ('cat/a', 'cat/b', 'cat/c', 'dog/a', 'dog/b'):
        path = root / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return root
