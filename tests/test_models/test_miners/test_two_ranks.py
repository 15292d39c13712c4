"""Bank, proposals and edges of two gloo processes are those of one."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from ranks import run_on_ranks

from mmisl.models.memories import MemoryBank
from mmisl.models.miners import (
    Candidates,
    GANMiner,
    entropy_miner,
    gan_miner,
    knn_miner,
)
from mmisl.structures import NeighborGraph

NUM_SAMPLES, FEAT_DIM = 41, 6
# A sample that occurs on both ranks and twice on one, and padded copies.
STEPS = [[3, 0, 5, 3, 2, -1], [3, 6, 0, 1, 0, -1], [4, 2, 1, -1, -1, -1]]


def unit(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator), dim=-1)


def update_bank():
    """The same global batches, in equal parts over the ranks."""
    memory = MemoryBank(7, FEAT_DIM, momentum=0.3)
    for step, sample_idx in enumerate(STEPS):
        feats = unit(6, FEAT_DIM, seed=step)
        share = 6 // get_world_size()
        own = slice(get_rank() * share, (get_rank() + 1) * share)
        memory.defer_update(torch.tensor(sample_idx)[own], feats[own])
        memory.apply_update()
    return memory.bank


def gather_candidates():
    """Unequal numbers of proposals, or none at all, on each rank."""
    results = []
    for sizes in ([3, 1], [0, 2], [0, 0]):
        begin = [0, sizes[0]][get_rank()]
        own = torch.arange(begin, begin + sizes[get_rank()])
        if get_world_size() == 1:
            own = torch.arange(sum(sizes))
        gathered = Candidates(own, own + 10, own.double() / 7).gather()
        results += [gathered.src, gathered.dst, gathered.score]
    return results


def mine(chunk_rows, **options):
    """Edges, weights and observations; only rank 0 starts from seed 0."""
    gan_miner._CHUNK_ROWS = chunk_rows
    torch.manual_seed(get_rank())
    miner = GANMiner(
        FEAT_DIM,
        generator='residual',
        score_thr=0.3,
        sim_thr=0.2,
        num_draws=5,
        batch_size=16,
        max_degree=4,
        training=dict(min_iters=4, max_iters=8, eval_interval=2, lr=1e-2),
        **options,
    )
    bank = unit(NUM_SAMPLES, FEAT_DIM, seed=7)
    noise = unit(3, NUM_SAMPLES, FEAT_DIM, seed=8)
    views = F.normalize(bank + 0.2 * noise, dim=-1)
    graph = NeighborGraph(NUM_SAMPLES)
    summary = miner.mine(views, bank, graph, 2.0, seed=5)
    return dict(
        edges=torch.stack(graph.edges()),
        weights=miner.state_dict(),
        num_candidates=summary.num_candidates,
        proxies_accepted=summary.observations['proxies_accepted'],
    )


def mine_plainly(kind, chunk_rows, **options):
    """Edges of a miner without a GAN."""
    module = {'KNNMiner': knn_miner, 'EntropyMiner': entropy_miner}[kind]
    before, module._CHUNK_ROWS = module._CHUNK_ROWS, chunk_rows
    try:
        bank = unit(NUM_SAMPLES, FEAT_DIM, seed=7)
        graph = NeighborGraph(NUM_SAMPLES)
        miner = getattr(module, kind)(**options)
        summary = miner.mine(bank[None], bank, graph, 1.0, seed=5)
    finally:
        module._CHUNK_ROWS = before
    return dict(
        edges=torch.stack(graph.edges()),
        num_candidates=summary.num_candidates,
        observations=summary.observations,
    )


def run_all():
    chunk_rows = gan_miner._CHUNK_ROWS
    try:
        return dict(
            bank=update_bank(),
            gathered=gather_candidates(),
            mined=mine(8),  # 6 chunks: 3 on each of two ranks
            mined_ragged=mine(9),  # 5 chunks: 3 and 2
            mined_on_one=mine(64),  # 1 chunk: the second rank has none
            mined_spectral=mine(9, spectral_norm=True),
            mined_shared=mine(9, ranking='shared_votes'),
            mined_shared_on_one=mine(64, ranking='shared_votes'),
            knn=mine_plainly('KNNMiner', 9, topk=3),
            mutual=mine_plainly('KNNMiner', 7, topk=5, mutual=True),
            shared=mine_plainly(
                'KNNMiner', 64, topk=4, ranking='shared_neighbors'
            ),
            capped=mine_plainly('KNNMiner', 9, topk=6, max_degree=1),
            entropy=mine_plainly('EntropyMiner', 8),
        )
    finally:
        gan_miner._CHUNK_ROWS = chunk_rows


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """Of one process, and of rank 0 and 1 of two."""
    folder = tmp_path_factory.mktemp('two_ranks')
    ranks = run_on_ranks(run_all, 2, folder)
    return run_all(), *ranks


def test_apply_update__two_ranks_give_the_bank_of_one(results):
    expected, *ranks = (result['bank'] for result in results)
    for got in ranks:
        assert torch.equal(got, expected)


def test_gather__unequal_shares_in_order_of_the_ranks(results):
    expected, *ranks = (result['gathered'] for result in results)
    for gathered in ranks:
        for got, reference in zip(gathered, expected, strict=True):
            assert got.dtype == reference.dtype
            assert torch.equal(got, reference)


@pytest.mark.parametrize(
    'name',
    [
        'mined',
        'mined_ragged',
        'mined_on_one',
        'mined_spectral',
        'mined_shared',
        'mined_shared_on_one',
    ],
)
def test_mine__two_ranks_give_the_graph_of_one(results, name):
    expected, *ranks = (result[name] for result in results)
    assert expected['edges'].shape[1] == NUM_SAMPLES  # quota 2.0
    for got in ranks:
        weights = got.pop('weights')
        for key, value in expected['weights'].items():
            assert torch.equal(weights[key], value), key
        assert torch.equal(got['edges'], expected['edges'])
        assert got['num_candidates'] == expected['num_candidates']
        assert got['proxies_accepted'] == expected['proxies_accepted']


@pytest.mark.parametrize(
    'name', ['knn', 'mutual', 'shared', 'capped', 'entropy']
)
def test_mine__plain_miners_give_the_graph_of_one(results, name):
    expected, *ranks = (result[name] for result in results)
    assert expected['edges'].shape[1] >= NUM_SAMPLES // 3
    for got in ranks:
        assert torch.equal(got['edges'], expected['edges'])
        assert got['num_candidates'] == expected['num_candidates']
        assert got['observations'] == expected['observations']
