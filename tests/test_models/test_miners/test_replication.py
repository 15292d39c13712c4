import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors

from mmisl.models.miners import edge_replication, replication_depth
from mmisl.models.miners.replication import even_sample, reliable_prefix


@pytest.mark.parametrize(
    'num_samples, depth',
    [(3, 2), (1437, 3), (10000, 20), (50000, 100), (1281167, 100)],
)
def test_replication_depth__two_in_a_thousand(num_samples, depth):
    assert replication_depth(num_samples) == depth


def make_views(num_views, num_samples=1600, dim=6, noise=0.3):
    """Views of scattered images, alike and not equal."""
    centre = torch.randn(num_samples, dim)
    views = centre + noise * torch.randn(num_views, num_samples, dim)
    return F.normalize(views, dim=-1)


def slow_replication(views, src, dst, depth):
    """The same share by scikit-learn's lists and loops."""
    num_views = len(views)
    hits = np.zeros(len(src))
    for view in range(num_views):
        first, second = views[view], views[(view + 1) % num_views]
        search = NearestNeighbors(n_neighbors=depth + 1, algorithm='brute')
        lists = search.fit(second).kneighbors(first, return_distance=False)
        for position, (one, other) in enumerate(zip(src, dst)):
            for begin, end in ((one, other), (other, one)):
                others = [row for row in lists[begin] if row != begin]
                hits[position] += end in others[:depth]
    return hits / (2 * num_views)


@pytest.mark.parametrize('num_views', [2, 3])
def test_edge_replication__as_scikit_learn(num_views):
    views = make_views(num_views)
    src = torch.randint(800, (40,))
    # Some are neighbours, some are not.
    near = (views.mean(0)[src] @ views.mean(0).T).topk(4).indices[:, 3]
    dst = torch.where(torch.arange(40) % 3 > 0, near, src + 800)

    found = edge_replication(views, src, dst)

    expected = slow_replication(
        views.numpy(), src.tolist(), dst.tolist(), replication_depth(1600)
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-7)
    assert 0 < found.mean() < 1


def test_edge_replication__of_equal_views_is_whether_they_are_near():
    """Nothing but the features decides where views do not differ."""
    view = F.normalize(torch.randn(1100, 4), dim=1)
    similarity = view @ view.T
    similarity.fill_diagonal_(-2)
    nearest = similarity.topk(2).indices
    src = torch.arange(30)

    found = edge_replication(view.expand(2, -1, -1), src, nearest[:30, 1])

    back = (nearest[nearest[:30, 1]] == src.unsqueeze(1)).any(1)
    assert torch.equal(found, (1 + back.float()) / 2)


def test_edge_replication__one_view_is_refused():
    views, src = make_views(1), torch.tensor([0])
    with pytest.raises(ValueError, match='num_views >= 2'):
        edge_replication(views, src, src + 1)


def test_reliable_prefix__no_edge():
    empty = torch.zeros(0, dtype=torch.int64)
    assert reliable_prefix(make_views(2), empty, empty, 0.5) == (0, 0.0)


def test_reliable_prefix__without_a_threshold_keeps_all():
    views = make_views(2)
    src = torch.arange(9)
    num_edges, mean = reliable_prefix(views, src, src + 9, 0)
    assert num_edges == 9
    assert mean == pytest.approx(
        float(edge_replication(views, src, src + 9).mean())
    )


def test_even_sample__is_even_and_ends_with_the_last():
    assert even_sample(5, torch.device('cpu')).tolist() == [0, 1, 2, 3, 4]
    sample = even_sample(10000, torch.device('cpu'))
    assert len(sample) == 4096 and sample[-1] == 9999
    assert set(sample.diff().tolist()) == {2, 3}
