import os
import re
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from mmisl.report import embedding
from mmisl.report.embedding import MAP_METHODS, make_map

METHODS = tuple(MAP_METHODS)


def blobs(num_samples, dim=6, num_blobs=3):
    """Unit rows in well separated groups, and the group of each."""
    rng = np.random.default_rng(1)
    label = np.arange(num_samples) % num_blobs
    feats = 4 * np.eye(dim)[label] + rng.normal(size=(num_samples, dim)) / 3
    return feats / np.linalg.norm(feats, axis=1, keepdims=True), label


@pytest.mark.parametrize('method', METHODS)
def test_make_map__near_features_lie_near(method):
    feats, label = blobs(90)

    found = make_map(feats, method)

    assert found.method == MAP_METHODS[method]
    assert found.points.shape == (90, 2)
    assert found.points.dtype == np.uint16
    points = found.points.astype(float)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (label[distance.argmin(axis=1)] == label).all()
    assert trustworthiness(feats, points, n_neighbors=5) > 0.7
    # One scale: the longer axis fills the square, the other is centred.
    low, high = points.min(axis=0), points.max(axis=0)
    longer = (high - low).argmax()
    assert (low[longer], high[longer]) == (0, 65535)
    assert np.abs((low + high) / 2 - 32767.5).max() <= 1


def test_make_map__threads_where_cores_are_only_counted(monkeypatch):
    monkeypatch.setattr(embedding, '_MANY_SAMPLES', 40)
    feats, _ = blobs(40)
    expected = make_map(feats, 'tsne')
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    np.testing.assert_array_equal(
        make_map(feats, 'tsne').points, expected.points
    )


def test_make_map__pca_is_sklearns():
    feats, _ = blobs(40)
    fitted = PCA(2, svd_solver='full')
    expected = fitted.fit_transform(feats)
    found = make_map(feats, 'pca')
    points = found.points.astype(float)
    for axis in range(2):
        correlation = np.corrcoef(points[:, axis], expected[:, axis])[0, 1]
        assert abs(correlation) == pytest.approx(1, abs=1e-6)
    spans = np.ptp(points, axis=0) / np.ptp(expected, axis=0)
    assert spans[0] == pytest.approx(spans[1], rel=1e-3)
    share = 100 * fitted.explained_variance_ratio_.sum()
    assert found.note == f'The plane shows {share:.0f} % of the variance.'


@pytest.mark.parametrize('method', METHODS)
def test_make_map__same_seed_same_map(method):
    feats, _ = blobs(50)
    first, again = make_map(feats, method), make_map(feats, method)
    np.testing.assert_array_equal(first.points, again.points)
    assert first.note == again.note
    if method != 'pca':
        other = make_map(feats, method, seed=5).points
        assert (other != first.points).any()


@pytest.mark.parametrize('num_samples', [2, 3, 4, 5, 6, 10, 31])
@pytest.mark.parametrize('method', METHODS)
def test_make_map__few_images(method, num_samples):
    """The usual perplexity, 30, needs 91 images."""
    feats, _ = blobs(num_samples)
    found = make_map(feats, method)
    assert len(np.unique(found.points, axis=0)) == num_samples
    expected = MAP_METHODS[method] if num_samples >= 5 else 'PCA'
    assert found.method == expected


@pytest.mark.parametrize('method', METHODS)
def test_make_map__features_that_are_equal(method):
    found = make_map(np.ones((7, 3)), method)
    assert (found.points == 32768).all()
    assert 'collapsed' in found.note


@pytest.mark.parametrize('method', METHODS)
def test_make_map__duplicates(method):
    feats = np.repeat(np.eye(4), 6, axis=0)
    points = make_map(feats, method).points.astype(float)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    same = np.repeat(np.repeat(np.eye(4, dtype=bool), 6, 0), 6, 1)
    assert distance[same].mean() < 0.7 * distance[~same].mean()


@pytest.mark.parametrize('method', METHODS)
def test_make_map__feature_of_zeros(method):
    feats, _ = blobs(20)
    feats[4] = 0
    assert len(np.unique(make_map(feats, method).points, axis=0)) == 20


@pytest.mark.parametrize('method', METHODS)
def test_make_map__features_of_one_value(method):
    points = make_map(np.array([[1.0], [-2], [3], [-1], [5], [2]]), method)
    assert len(np.unique(points.points, axis=0)) > 1


@pytest.mark.parametrize(
    ('feats', 'message'),
    [
        (
            np.array([[1, 2], [np.nan, 1], [1, np.inf]]),
            '2 of 3 features hold NaN or infinity, the first that of image 1',
        ),
        (np.ones(3), 'features must be (N, D) and not empty, got shape (3,)'),
        (np.ones((0, 3)), 'got shape (0, 3)'),
    ],
)
def test_make_map__wrong_features(feats, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_map(feats)


def test_make_map__wrong_method():
    with pytest.raises(ValueError, match="of tsne, umap, pca, got 'mds'"):
        make_map(np.eye(3), 'mds')


@pytest.mark.parametrize(
    ('method', 'module', 'package'),
    [('umap', 'umap', 'umap-learn'), ('tsne', 'openTSNE', 'openTSNE')],
)
def test_make_map__library_is_missing(monkeypatch, method, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    expected = f'^{package} is not installed; install it with pip install '
    with pytest.raises(ImportError, match=expected):
        make_map(blobs(9)[0], method)
