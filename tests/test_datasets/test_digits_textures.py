import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from mmisl.datasets import make_digits_textures
from mmisl.datasets.digits_textures import compose_digit


@pytest.fixture(scope='module')
def digits_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'deep' / 'digits'
    make_digits_textures(root)
    return root


@pytest.fixture
def copied_root(digits_root, tmp_path):
    """A copy that a test may damage."""
    root = tmp_path / 'copy'
    for path in digits_root.rglob('*.*'):
        target = root / path.relative_to(digits_root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return root


def load(root, split):
    paths = sorted(root.glob(f'{split}/*/*.png'))
    pixels = [np.asarray(Image.open(path)) for path in paths]
    labels = [int(path.parent.name) for path in paths]
    return np.stack(pixels), np.array(labels), [int(p.stem) for p in paths]


def tree_digest(root):
    return {
        path.relative_to(root): hashlib.sha256(path.read_bytes()).digest()
        for path in root.rglob('*.*')
    }


def test_make__every_digit_once_with_its_label(digits_root):
    train, train_labels, train_ids = load(digits_root, 'train')
    test, test_labels, test_ids = load(digits_root, 'test')

    assert train.shape == (1437, 32, 32, 3)
    assert test.shape == (360, 32, 32, 3)
    assert sorted(train_ids + test_ids) == list(range(1797))
    target = load_digits().target
    np.testing.assert_array_equal(target[train_ids], train_labels)
    np.testing.assert_array_equal(target[test_ids], test_labels)
    # Stratified: every class has its fifth in the test set.
    share = np.bincount(test_labels) / np.bincount(target)
    np.testing.assert_allclose(share, 360 / 1797, atol=0.005)


def test_make__pixels_mislead(digits_root):
    train, train_labels, _ = load(digits_root, 'train')
    test, test_labels, _ = load(digits_root, 'test')
    knn = KNeighborsClassifier(20)
    knn.fit(train.reshape(1437, -1) / 255, train_labels)
    score = knn.score(test.reshape(360, -1) / 255, test_labels)
    # On the digits alone the same rule is right for 97 of 100.
    assert 0.45 < score < 0.65


def test_make__same_bytes_again(digits_root, tmp_path):
    again = make_digits_textures(tmp_path / 'again')
    assert again == json.loads((digits_root / 'manifest.json').read_text())
    assert tree_digest(tmp_path / 'again') == tree_digest(digits_root)
    assert [path.name for path in tmp_path.iterdir()] == ['again']


def test_make__complete_folder_is_kept(digits_root):
    before = {p: p.stat().st_mtime_ns for p in digits_root.rglob('*')}
    manifest = make_digits_textures(digits_root)
    assert {p: p.stat().st_mtime_ns for p in digits_root.rglob('*')} == before
    assert (manifest['train'], manifest['test']) == (1437, 360)


def test_make__damaged_image(copied_root):
    image = next(copied_root.glob('train/7/*.png'))
    image.write_bytes(image.read_bytes()[:-1])
    with pytest.raises(ValueError, match='copy exists, but is not a complete'):
        make_digits_textures(copied_root)


def test_make__missing_image(copied_root):
    next(copied_root.glob('test/3/*.png')).unlink()
    with pytest.raises(ValueError, match='delete it or name another folder'):
        make_digits_textures(copied_root)


def test_make__other_seed(copied_root):
    with pytest.raises(ValueError, match='digits_textures folder of seed 1'):
        make_digits_textures(copied_root, seed=1)


def test_make__foreign_folder_is_left_alone(tmp_path):
    (tmp_path / 'thesis.txt').write_text('precious')
    with pytest.raises(ValueError, match='is not a complete'):
        make_digits_textures(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


def test_make__link_to_an_empty_folder(tmp_path, monkeypatch):
    """As where images lie on another disk."""
    disk, root = tmp_path / 'disk', tmp_path / 'digits'
    disk.mkdir()
    root.symlink_to(disk)
    monkeypatch.setattr(
        Image.Image, 'save', lambda img, path: Path(path).write_bytes(b'x')
    )
    manifest = make_digits_textures(root)
    assert json.loads((disk / 'manifest.json').read_text()) == manifest
    assert root.is_symlink()
    assert sorted(tmp_path.iterdir()) == [root, disk]


def test_make__interruption_leaves_nothing(tmp_path, monkeypatch):
    saved = []

    def save_few(img, path):
        saved.append(path)
        if len(saved) > 3:
            raise OSError('disk full')
        Path(path).write_bytes(b'image')

    monkeypatch.setattr(Image.Image, 'save', save_few)
    with pytest.raises(OSError, match='disk full'):
        make_digits_textures(tmp_path / 'digits')
    assert list(tmp_path.iterdir()) == []


def test_make__another_process_was_faster(digits_root, tmp_path, monkeypatch):
    root = tmp_path / 'digits'

    def lose_the_race(source, target):
        Path(source).replace(target)
        raise OSError('directory not empty')

    monkeypatch.setattr('os.rename', lose_the_race)
    assert make_digits_textures(root) == make_digits_textures(digits_root)


def test_compose_digit__ink_stands_out():
    strokes = load_digits().images[0]
    luma = np.array([0.299, 0.587, 0.114])
    blank = compose_digit(np.zeros((8, 8)), np.random.default_rng(4)) @ luma
    drawn = compose_digit(strokes, np.random.default_rng(4)) @ luma
    changed = np.abs(drawn - blank) > 1

    assert 40 < changed.sum() < 500
    # All of the texture is on one side of the ink.
    ink = np.median(drawn[changed])
    assert np.abs(blank - ink).min() > 0.25 * 255
