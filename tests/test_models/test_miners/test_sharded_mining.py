"""Miners over a bank on 2 and 4 ranks find the edges of one process."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from ranks import run_on_ranks

from mmisl.models.gans import triplets
from mmisl.models.miners import EntropyMiner, GANMiner, KNNMiner
from mmisl.models.miners import gan_miner as gan_module
from mmisl.models.miners import knn_miner as knn_module
from mmisl.ops import ShardedRows
from mmisl.structures import NeighborGraph

NUM_SAMPLES, DIM = 41, 6
GAN = dict(
    generator='residual',
    score_thr=0.3,
    sim_thr=0.2,
    num_draws=5,
    batch_size=16,
    max_degree=4,
    training=dict(min_iters=4, max_iters=8, eval_interval=2, lr=1e-2),
)
MINERS = {
    'gan': lambda: GANMiner(DIM, **GAN),
    'gan, semi-hard, mean view': lambda: GANMiner(
        DIM, negative='semi_hard', positive='mined', anchor='mean_view', **GAN
    ),
    'gan, shared votes': lambda: GANMiner(DIM, ranking='shared_votes', **GAN),
    'knn': lambda: KNNMiner(3),
    'knn, shared neighbours': lambda: KNNMiner(
        4, source='mean_view', ranking='shared_neighbors', num_shared=7
    ),
    'entropy': EntropyMiner,
}


def unit(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return F.normalize(rows, dim=-1).float()


def deal(whole):
    """The matrix as it is, or this rank's rows of it."""
    if get_world_size() == 1:
        return whole
    local = whole[get_rank() :: get_world_size()].clone()
    return ShardedRows(local, len(whole))


def mine(make_miner):
    torch.manual_seed(3)
    miner = make_miner()
    bank = unit(NUM_SAMPLES, DIM, seed=7)
    noise = unit(3, NUM_SAMPLES, DIM, seed=8)
    views = F.normalize(bank + 0.2 * noise, dim=-1)
    graph = NeighborGraph(NUM_SAMPLES)
    graph.add_edges(torch.tensor([0, 0, 5]), torch.tensor([1, 9, 6]))
    summary = miner.mine(
        [deal(view) for view in views], deal(bank), graph, 1.5, seed=5
    )
    return dict(
        edges=torch.stack(graph.edges()),
        num_candidates=summary.num_candidates,
        weights=miner.state_dict(),
    )


def run_all():
    modules = (gan_module, knn_module)
    before = [module._CHUNK_ROWS for module in modules]
    for module in modules:
        module._CHUNK_ROWS = 9  # five chunks: unequal shares
    values, triplets._VALUES_AT_ONCE = triplets._VALUES_AT_ONCE, 40
    try:
        return {name: mine(make) for name, make in MINERS.items()}
    finally:
        triplets._VALUES_AT_ONCE = values
        for module, size in zip(modules, before):
            module._CHUNK_ROWS = size


@pytest.fixture(scope='module')
def expected():
    return run_all()


@pytest.fixture(scope='module', params=[2, 4])
def ranks(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f'ranks{request.param}')
    return run_on_ranks(run_all, request.param, folder)


@pytest.mark.parametrize('name', MINERS)
def test_mine__shards_give_the_graph_of_one_process(expected, ranks, name):
    assert expected[name]['edges'].shape[1] > 10
    for result in ranks:
        got = result[name]
        assert torch.equal(got['edges'], expected[name]['edges'])
        assert got['num_candidates'] == expected[name]['num_candidates']
        for key, value in expected[name]['weights'].items():
            torch.testing.assert_close(got['weights'][key], value)
