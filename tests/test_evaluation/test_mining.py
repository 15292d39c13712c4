import pytest
import torch

from mmisl.evaluation import graph_statistics, mining_warnings
from mmisl.structures import NeighborGraph


def make_graph(num_samples, edges):
    graph = NeighborGraph(num_samples)
    src, dst = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    graph.add_edges(src, dst)
    return graph


def test_graph_statistics__agree_with_a_loop_over_edges():
    generator = torch.Generator().manual_seed(1)
    pairs = torch.randint(137, (310, 2), generator=generator)
    hub = torch.stack([torch.full((60,), 5), torch.arange(60)], dim=1)
    graph = make_graph(137, torch.cat([pairs, hub]).tolist())
    labels = torch.randint(3, (137,), generator=generator)
    edges = {
        frozenset(pair)
        for pair in torch.cat([pairs, hub]).tolist()
        if pair[0] != pair[1]
    }
    degrees = [sum(i in edge for edge in edges) for i in range(137)]
    mean = sum(degrees) / 137

    stats = graph_statistics(graph.indptr, graph.indices, labels)

    assert stats == pytest.approx(
        dict(
            num_edges=len(edges),
            mean_degree=mean,
            max_degree=max(degrees),
            coverage=sum(degree > 0 for degree in degrees) / 137,
            num_hubs=sum(d > 20 and d > 10 * mean for d in degrees),
            hub_share=sum(sorted(degrees)[-2:]) / sum(degrees),
            purity=sum(len({int(labels[i]) for i in e}) == 1 for e in edges)
            / len(edges),
        )
    )
    assert stats['num_hubs'] == 1


def test_graph_statistics__no_edges():
    graph = make_graph(4, [])
    stats = graph_statistics(
        graph.indptr, graph.indices, torch.tensor([0, 1, 0, 1])
    )
    assert stats == dict(
        num_edges=0,
        mean_degree=0,
        max_degree=0,
        coverage=0,
        num_hubs=0,
        hub_share=0,
    )


def test_graph_statistics__no_labels_no_purity():
    graph = make_graph(3, [(0, 2)])
    stats = graph_statistics(graph.indptr, graph.indices)
    assert 'purity' not in stats
    assert stats['mean_degree'] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ('labels', 'purity'),
    [([2, 2, 1, -1], 0.5), ([-1, 2, -1, -1], None)],
)
def test_graph_statistics__unknown_labels_do_not_count(labels, purity):
    graph = make_graph(4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    stats = graph_statistics(graph.indptr, graph.indices, torch.tensor(labels))
    assert stats.get('purity') == purity


def test_graph_statistics__many_neighbours_on_average_are_no_hub():
    # Complete graph: everyone has 30 neighbours.
    edges = [(i, j) for i in range(31) for j in range(i)]
    graph = make_graph(31, edges)
    assert graph_statistics(graph.indptr, graph.indices)['num_hubs'] == 0


def test_graph_statistics__twenty_neighbours_are_no_hub():
    for degree, num_hubs in ((20, 0), (21, 1)):
        edges = [(0, i) for i in range(1, degree + 1)]
        graph = make_graph(500, edges)
        stats = graph_statistics(graph.indptr, graph.indices)
        assert stats['num_hubs'] == num_hubs


def test_graph_statistics__bad_input():
    graph = make_graph(3, [(0, 2)])
    with pytest.raises(ValueError, match=r'each of the 3 .*got shape \(2,\)'):
        graph_statistics(graph.indptr, graph.indices, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match='N >= 1 samples, got 1'):
        graph_statistics(graph.indptr[:1], graph.indices)


HEALTHY = dict(num_edges=50, mean_degree=1.0, max_degree=7, num_hubs=0)


def warn(stats=None, requested=50, accepted=50, gan_gap=None):
    return mining_warnings(
        {**HEALTHY, **(stats or {})},
        requested_edges=requested,
        accepted_edges=accepted,
        gan_gap=gan_gap,
    )


@pytest.mark.parametrize('gan_gap', [None, 0.0, 0.5, -0.5])
def test_mining_warnings__none_if_all_is_well(gan_gap):
    assert warn(gan_gap=gan_gap) == []


def test_mining_warnings__nothing_asked_for():
    assert warn(requested=0, accepted=0) == []


@pytest.mark.parametrize(
    ('arguments', 'start', 'cure'),
    [
        (
            dict(accepted=0),
            'no edge mined (50 asked for)',
            '; where the miner has them, lower score_thr and sim_thr or raise',
        ),
        (
            dict(accepted=49),
            'quota not met: 49 of 50 edges',
            'lower the quota or, where the miner has them, lower score_thr',
        ),
        (
            dict(stats=dict(num_hubs=2, max_degree=862)),
            'hubs: 2 samples',
            'max_degree',
        ),
        (
            dict(gan_gap=0.83),
            'unbalanced GAN: the discriminator tells proxies from real '
            'neighbours (gap 0.83)',
            "generator='residual'",
        ),
        (
            dict(gan_gap=-0.7),
            'unbalanced GAN: the discriminator prefers proxies to real '
            'neighbours (gap -0.70)',
            'raise its learning rate',
        ),
        (dict(gan_gap=float('nan')), 'the GAN diverged', 'learning rate'),
    ],
)
def test_mining_warnings__one_line_with_a_cure(arguments, start, cure):
    (warning,) = warn(**arguments)
    assert warning.startswith(start)
    assert cure in warning
    assert '\n' not in warning


def test_mining_warnings__hubs_name_the_largest():
    (warning,) = warn(dict(num_hubs=1, max_degree=862))
    assert 'the largest with 862' in warning


def test_mining_warnings__several_at_once():
    warnings = warn(dict(num_hubs=1), accepted=3, gan_gap=0.9)
    assert [w.split(':')[0] for w in warnings] == [
        'quota not met',
        'hubs',
        'unbalanced GAN',
    ]
