import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmisl.models import LabelMiner
from mmisl.structures import NeighborGraph

NUM_SAMPLES, NUM_CLASSES = 90, 3


@pytest.fixture
def labels(tmp_path):
    """Classes, and the file that holds them."""
    values = torch.arange(NUM_SAMPLES) % NUM_CLASSES
    path = tmp_path / 'labels.npy'
    np.save(path, values.numpy())
    return values, path


def make_views(num_samples=NUM_SAMPLES):
    return F.normalize(torch.randn(2, num_samples, 4), dim=-1)


def mine(miner, views, quota):
    """Edges, best first, with their graph."""
    graph = NeighborGraph(views.shape[1])
    summary = miner.mine(views, views[0], graph, quota, seed=0)
    return summary.accepted, graph


@pytest.mark.parametrize('purity', [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize('quota', [0.5, 1.5])
def test_mine__has_the_purity_at_any_quota(labels, purity, quota):
    classes, path = labels
    miner = LabelMiner(str(path), purity=purity, topk=20)
    edges, graph = mine(miner, make_views(), quota)
    right = (classes[edges.src] == classes[edges.dst]).sum()
    assert graph.num_edges == int(quota * NUM_SAMPLES / 2)
    # Clocks of two rates are at most one tick off.
    assert abs(int(right) - purity * graph.num_edges) <= 1


@pytest.mark.parametrize('source', ['nearest', 'random'])
def test_mine__edges_of_earlier_rounds_do_not_count(labels, source):
    """The graph holds right pairs alone, and many that would be chosen."""
    classes, path = labels
    views = make_views()
    graph = NeighborGraph(NUM_SAMPLES)
    same = (classes.unsqueeze(0) == classes.unsqueeze(1)).triu(1).nonzero()
    graph.add_edges(*same[::2].T)
    held = graph.num_edges
    quota = 2 * (held + 40.5) / NUM_SAMPLES
    miner = LabelMiner(str(path), purity=0.5, topk=20, source=source)
    edges = miner.mine(views, views[0], graph, quota, seed=0).accepted
    assert graph.num_edges == held + 40
    assert int((classes[edges.src] == classes[edges.dst]).sum()) == 20


def test_mine__each_kind_is_the_nearest_of_it(labels):
    """All pairs of one class by falling cosine, by hand."""
    classes, path = labels
    views = make_views()
    mean = F.normalize(views.mean(0), dim=1)
    cosine = (mean @ mean.T).triu(1)
    cosine[classes.unsqueeze(0) != classes.unsqueeze(1)] = -2
    cosine[torch.ones_like(cosine).tril().bool()] = -2
    expected = cosine.flatten().topk(45).indices

    edges, _ = mine(
        LabelMiner(str(path), topk=NUM_SAMPLES - 1), views, quota=1.0
    )

    assert torch.equal(edges.src * NUM_SAMPLES + edges.dst, expected)


def test_mine__proposes_nothing_of_a_kind_that_is_not_wanted(labels):
    """20 nearest rows hold too few of one class for so many pairs."""
    classes, path = labels
    edges, graph = mine(LabelMiner(str(path), topk=4), make_views(), 30.0)
    assert 0 < graph.num_edges < 30 * NUM_SAMPLES / 2
    assert (classes[edges.src] == classes[edges.dst]).all()


def test_mine__reads_the_file_of_extract_features(labels, tmp_path):
    values, path = labels
    archive = tmp_path / 'features.npz'
    np.savez(archive, labels=values.numpy(), features=np.zeros((90, 2)))
    views = make_views()
    (one, _), (other, _) = (
        mine(LabelMiner(str(file)), views, 1.0) for file in (path, archive)
    )
    assert torch.equal(one.src, other.src)
    assert torch.equal(one.dst, other.dst)


def test_mine__mutual_pairs_are_on_both_lists(labels):
    classes, path = labels
    views = make_views()
    miner = LabelMiner(str(path), topk=6, mutual=True)
    edges, _ = mine(miner, views, quota=30.0)

    cosine = F.normalize(views.mean(0), dim=1)
    cosine = (cosine @ cosine.T).fill_diagonal_(-2)
    lists = [set(row) for row in cosine.topk(6).indices.tolist()]
    expected = {
        (one, other)
        for one in range(NUM_SAMPLES)
        for other in range(one + 1, NUM_SAMPLES)
        if other in lists[one]
        and one in lists[other]
        and classes[one] == classes[other]
    }
    assert expected
    assert set(zip(edges.src.tolist(), edges.dst.tolist())) == expected


def test_mine__a_file_that_is_missing(tmp_path):
    path = tmp_path / 'none.npy'
    with pytest.raises(FileNotFoundError, match='none.npy does not exist; wr'):
        mine(LabelMiner(str(path)), make_views(), 1.0)


def test_mine__an_archive_without_labels(tmp_path):
    path = tmp_path / 'features.npz'
    np.savez(path, features=np.zeros((90, 2)))
    with pytest.raises(ValueError, match="has arrays features, but no 'lab"):
        mine(LabelMiner(str(path)), make_views(), 1.0)


def test_mine__labels_of_another_set_are_refused(labels):
    views = make_views(NUM_SAMPLES + 1)
    with pytest.raises(ValueError, match=r'\(90,\).*has 91 samples'):
        mine(LabelMiner(str(labels[1])), views, 1.0)


@pytest.mark.parametrize('purity', [-0.1, 1.1])
def test_init__purity_out_of_range(purity):
    with pytest.raises(ValueError, match=f'purity must lie in.*got {purity}'):
        LabelMiner('labels.npy', purity=purity)


@pytest.mark.parametrize('purity', [0.25, 1.0])
def test_mine__drawn_pairs_have_the_purity_too(labels, purity):
    classes, path = labels
    miner = LabelMiner(str(path), purity=purity, topk=20, source='random')
    edges, graph = mine(miner, make_views(), quota=1.5)
    right = (classes[edges.src] == classes[edges.dst]).sum()
    assert graph.num_edges == int(1.5 * NUM_SAMPLES / 2)
    assert abs(int(right) - purity * graph.num_edges) <= 1


def test_mine__drawn_pairs_hang_on_the_seed_and_not_on_the_features(labels):
    path = str(labels[1])

    def drawn(seed):
        views = make_views()
        graph = NeighborGraph(NUM_SAMPLES)
        LabelMiner(path, source='random').mine(
            views, views[0], graph, 2.0, seed=seed
        )
        return graph.neighbors(torch.arange(NUM_SAMPLES))[1].tolist()

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_init__source():
    with pytest.raises(ValueError, match="source must be 'nearest' or 'rand"):
        LabelMiner('labels.npy', source='drawn')
