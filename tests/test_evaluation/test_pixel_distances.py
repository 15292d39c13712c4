import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from mmisl.evaluation import PixelDistances


@pytest.fixture
def images():
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (37, 4, 5, 3), dtype=np.uint8)


def all_distances(images):
    flat = images.reshape(len(images), -1) / 255
    return cdist(flat, flat) / np.sqrt(flat.shape[1])


def test_between__agrees_with_scipy(images):
    src, dst = np.divmod(np.arange(37 * 37), 37)
    found = PixelDistances(images, num_pairs=10).between(src, dst)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found.reshape(37, 37), all_distances(images), atol=1e-6
    )


def test_between__black_and_white_are_one_apart():
    images = np.stack([np.zeros((2, 2, 3)), np.full((2, 2, 3), 255)])
    distances = PixelDistances(images.astype(np.uint8), num_pairs=4)
    np.testing.assert_allclose(
        distances.between(np.array([0, 1, 1]), np.array([1, 0, 1])), [1, 1, 0]
    )
    # Pairs are of different images, and of two images there is one pair.
    assert distances.median == 1


def test_between__no_pair(images):
    none = np.zeros(0, dtype=np.int64)
    assert PixelDistances(images).between(none, none).shape == (0,)


def test_mean_between__of_all_pairs_and_of_some(images):
    src, dst = np.divmod(np.arange(37 * 37), 37)
    exact = all_distances(images)
    distances = PixelDistances(images, num_pairs=10)
    assert distances.mean_between(src, dst) == pytest.approx(exact.mean())
    some = distances.mean_between(src, dst, max_pairs=700)
    assert some != pytest.approx(exact.mean(), abs=1e-6)
    assert some == pytest.approx(exact.mean(), abs=3e-2)
    assert some == distances.mean_between(src, dst, max_pairs=700)


def test_median__of_all_pairs_of_different_images(images):
    flat = images.reshape(37, -1) / 255
    median = np.median(pdist(flat)) / np.sqrt(flat.shape[1])
    distances = PixelDistances(images, num_pairs=20_000)
    assert distances.median == pytest.approx(median, abs=2e-3)
    assert distances.num_samples == 37


def test_median__of_a_seed(images):
    first, again, other = (
        PixelDistances(images, num_pairs=9, seed=seed).median
        for seed in (4, 4, 5)
    )
    assert first == again != other


@pytest.mark.parametrize(('num_images', 'num_pairs'), [(1, 5), (3, 0)])
def test_pixel_distances__too_few(images, num_images, num_pairs):
    with pytest.raises(ValueError, match='at least 2 images and 1 pair'):
        PixelDistances(images[:num_images], num_pairs=num_pairs)
