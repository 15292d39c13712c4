"""k-means and whitening, against scikit-learn, faiss and brute force."""

import faiss
import numpy as np
import pytest
import torch
from mmengine.dist import get_rank, get_world_size
from ranks import run_on_ranks
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA

from mmisl.clustering import cluster_all, fit_whitening, kmeans
from mmisl.ops import ShardedRows

NUM_ROWS, DIM, NUM_CLUSTERS = 211, 5, 7
SEEDS = [3, 2**62 + 5, 8]


def blobs():
    rows, _ = make_blobs(
        NUM_ROWS, DIM, centers=NUM_CLUSTERS, random_state=2, cluster_std=1.5
    )
    return torch.from_numpy(rows).float()


def correlated(num_rows=NUM_ROWS, dim=DIM, seed=0):
    """Rows around (10, ..., 10), of other variance in every direction."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dim, dim)) * np.arange(1, dim + 1)
    return torch.from_numpy(rng.normal(size=(num_rows, dim)) @ mixing + 10)


def shard(rows):
    return ShardedRows(rows[get_rank() :: get_world_size()].clone(), len(rows))


def test_kmeans__assignments_are_nearest_centroids():
    rows = blobs()
    found = kmeans(rows, NUM_CLUSTERS, seed=1)
    distances = torch.zeros(NUM_ROWS, NUM_CLUSTERS, dtype=torch.float64)
    for i in range(NUM_ROWS):
        for c in range(NUM_CLUSTERS):
            gap = rows[i].double() - found.centroids[c].double()
            distances[i, c] = (gap * gap).sum()
    least, nearest = distances.min(1)
    assert found.assignments.dtype == torch.int32
    assert found.assignments.tolist() == nearest.tolist()
    assert found.inertia == pytest.approx(least.mean().item(), rel=1e-4)
    assert len(found.assignments.unique()) == NUM_CLUSTERS


def test_kmeans__is_as_good_as_that_of_scikit_learn():
    rows = blobs()
    runs = [
        KMeans(NUM_CLUSTERS, init='random', n_init=1, random_state=seed)
        .fit(rows.numpy())
        .inertia_
        / NUM_ROWS
        for seed in range(10)
    ]
    ours = [kmeans(rows, NUM_CLUSTERS, seed=s).inertia for s in range(10)]
    assert min(ours) == pytest.approx(min(runs), rel=1e-3)
    assert np.median(ours) < 1.2 * np.median(runs)


def test_kmeans__every_row_moves_its_centroid():
    # faiss's default would take 256 rows for each cluster.
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.normal(size=(700, 2))).float()
    rows[350:] += 50
    found = kmeans(rows, 2, seed=0)
    for members in (rows[:350], rows[350:]):
        distance = (found.centroids - members.mean(0)).norm(dim=1)
        assert distance.min() < 1e-4


def test_kmeans__same_seed_same_clusters():
    rows = blobs()
    first, again, other = (
        kmeans(rows, 20, seed=seed).assignments for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_kmeans__more_iterations_are_better():
    rows = blobs()
    short, long = (
        kmeans(rows, 20, seed=1, num_iters=n).inertia for n in (1, 20)
    )
    assert long < short


@pytest.mark.parametrize('num_clusters', [1, NUM_ROWS])
def test_kmeans__extremes(num_clusters):
    rows = blobs()
    found = kmeans(rows, num_clusters, seed=0)
    assert len(found.assignments.unique()) == num_clusters
    spread = rows.double().var(0, unbiased=False).sum().item()
    expected = spread if num_clusters == 1 else 0
    assert found.inertia == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_kmeans__copies_leave_empty_clusters():
    rows = torch.eye(3).repeat_interleave(4, 0)
    found = kmeans(rows, 6, seed=0)
    groups = found.assignments.view(3, 4)
    assert (groups == groups[:, :1]).all()  # copies stay together
    # Three of the six stay empty.
    assert found.centroids.shape == (6, 3)
    assert groups[:, 0].unique().numel() == 3
    assert found.inertia == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize('num_clusters', [0, NUM_ROWS + 1])
def test_kmeans__number_of_clusters(num_clusters):
    message = rf'num_clusters \({num_clusters}\) must lie in \[1, 211\]'
    with pytest.raises(ValueError, match=message):
        kmeans(blobs(), num_clusters, seed=0)


def test_kmeans__number_of_iterations():
    with pytest.raises(ValueError, match='num_iters must be >= 1, got 0'):
        kmeans(blobs(), 2, seed=0, num_iters=0)


def both_layouts():
    clusterings, whitenings = [], []
    for layout in (torch.Tensor.clone, shard):
        rows = layout(blobs())
        clusterings.append(
            list(cluster_all(rows, NUM_CLUSTERS, seeds=SEEDS, num_iters=15))
        )
        fitted = fit_whitening(layout(correlated()), 3)
        whitenings.append([fitted.mean, fitted.components])
    return dict(clusterings=clusterings, whitenings=whitenings)


@pytest.fixture(scope='module', params=[1, 2], ids='{} ranks'.format)
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    return run_on_ranks(both_layouts, request.param, folder)


def test_cluster_all__ranks_agree_with_single_runs(results):
    single = [
        kmeans(blobs(), NUM_CLUSTERS, seed=seed, num_iters=15)
        for seed in SEEDS
    ]
    expected = torch.stack([found.assignments for found in single])
    mean = sum(found.inertia for found in single) / len(single)
    for result in results:
        for assignments, inertia in result['clusterings']:
            assert assignments.dtype == torch.int32
            assert torch.equal(assignments, expected)
            assert inertia == pytest.approx(mean, rel=1e-12)


def test_cluster_all__refuses_what_kmeans_refuses():
    with pytest.raises(ValueError, match=r'must lie in \[1, 211\]'):
        cluster_all(blobs(), 212, seeds=[1])


def up_to_sign(found, expected):
    """Flip the columns of ``expected`` to where those of ``found`` point."""
    return expected * (found * expected).sum(0).sign()


@pytest.mark.parametrize('num_components', [1, 3, DIM])
def test_whitening__is_that_of_scikit_learn(num_components):
    rows = correlated()
    found = fit_whitening(rows, num_components)(rows).double()
    pca = PCA(num_components, whiten=True, svd_solver='full')
    expected = torch.from_numpy(pca.fit_transform(rows.numpy()))
    # It divides the variance by N - 1.
    expected *= (NUM_ROWS / (NUM_ROWS - 1)) ** 0.5
    torch.testing.assert_close(
        found, up_to_sign(found, expected), rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(
        found.T @ found / NUM_ROWS,
        torch.eye(num_components, dtype=torch.float64),
        rtol=1e-5,
        atol=1e-5,
    )


def test_whitening__is_that_of_faiss():
    rows = correlated().float()
    found = fit_whitening(rows, 3)(rows)
    matrix = faiss.PCAMatrix(DIM, 3, -0.5)
    matrix.train(rows.numpy())
    # It does not divide the covariance by N.
    expected = torch.from_numpy(matrix.apply(rows.numpy())) * NUM_ROWS**0.5
    torch.testing.assert_close(
        found, up_to_sign(found, expected), rtol=1e-3, atol=1e-3
    )


def test_whitening__sign_is_fixed():
    components = fit_whitening(correlated(), DIM).components
    for component in components:
        assert component[component.abs().argmax()] > 0


def test_whitening__projects_in_chunks():
    rows = correlated(4099)
    whitening = fit_whitening(rows, 2)
    parts = torch.cat([whitening(part) for part in rows.split(1000)])
    torch.testing.assert_close(whitening(rows), parts, rtol=1e-6, atol=1e-6)
    centred = rows - rows.mean(0)
    covariance = centred.T @ centred / len(rows)
    variances = torch.linalg.eigvalsh(covariance).flip(0)[:2]
    torch.testing.assert_close(
        whitening.components.square().sum(1), 1 / variances
    )


def test_whitening__shards_are_the_whole(results):
    alone = fit_whitening(correlated(), 3)
    for result in results:
        for found in result['whitenings']:
            torch.testing.assert_close(
                found,
                [alone.mean, alone.components],
                rtol=1e-10,
                atol=1e-10,
            )


@pytest.mark.parametrize(
    ('num_rows', 'num_components', 'most'),
    [(NUM_ROWS, 0, DIM), (NUM_ROWS, DIM + 1, DIM), (4, 4, 3)],
)
def test_whitening__number_of_components(num_rows, num_components, most):
    message = rf'num_components \({num_components}\) must lie in \[1, {most}\]'
    with pytest.raises(ValueError, match=message):
        fit_whitening(correlated(num_rows), num_components)


@pytest.mark.parametrize(('scale', 'spanned'), [(1e3, 2), (1e-6, 2), (0, 0)])
def test_whitening__rank_deficient(scale, spanned):
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6)) * scale
    rows = torch.from_numpy(flat) + 1
    message = rf'vary in {spanned} directions only.*num_components \(3\)'
    with pytest.raises(ValueError, match=message):
        fit_whitening(rows, 3)
