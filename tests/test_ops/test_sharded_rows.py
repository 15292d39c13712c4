"""Rows dealt out over 2 and 4 ranks are those of the whole matrix."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from ranks import run_on_ranks

from mmisl.ops import (
    ShardedRows,
    bank_logsumexp,
    bank_softmax,
    bank_softmax_kl,
    move_rows,
    nearest_rows,
)
from mmisl.ops.sharded_rows import num_local_rows

NUM_ROWS, DIM = 11, 5
# Of four ranks; fewer ranks take several. One asks nothing, one for copies.
QUERIES = [[4, 0, 10, 10, 3], [], [7], [1, 2]]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def unit(*shape, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return F.normalize(rows, dim=-1).to(dtype)


def own_queries():
    share = 4 // get_world_size()
    begin = get_rank() * share
    queries = sum(QUERIES[begin : begin + share], [])
    return torch.tensor(queries, dtype=torch.int64)


def shard(whole):
    local = whole[get_rank() :: get_world_size()].clone()
    return ShardedRows(local, len(whole))


def look_up():
    whole = torch.arange(NUM_ROWS * DIM, dtype=torch.float32)
    whole = whole.view(NUM_ROWS, DIM)
    rows = shard(whole)
    shared = torch.tensor([1, 10, 5, 1])
    return dict(
        shape=list(rows.shape),
        own=rows[own_queries()],
        shared=rows.with_shared_queries()[shared],
        collected=[rows.collect(size) for size in (1, 2, 3, 100)],
        mapped=rows.map(lambda part: 2 * part[:, :2])[own_queries()],
    )


def softmax(dtype, temperature, shared, with_mean):
    """Values and gradient; weights of the loss by sample, not by rank."""
    bank = unit(NUM_ROWS, DIM, seed=1, dtype=dtype)
    samples = torch.arange(4) if shared else own_queries()
    feats = unit(NUM_ROWS, DIM, seed=2, dtype=dtype)[samples]
    weight = unit(NUM_ROWS, DIM, seed=3, dtype=dtype)[samples]
    feats.requires_grad_()
    rows = shard(bank)
    if shared:
        rows = rows.with_shared_queries()
    lse, mean = bank_softmax(feats, rows, temperature, chunk_rows=2)
    loss = (lse * weight[:, 0]).sum()
    if with_mean:
        loss = loss + (mean * weight).sum()
    loss.backward()
    alone = bank_logsumexp(feats.detach(), rows, temperature)
    leaf = feats.detach().requires_grad_()
    targets = bank[(samples + 1) % NUM_ROWS]
    lse_too, kl = bank_softmax_kl(leaf, targets, rows, temperature)
    (lse_too * weight[:, 1] + kl * weight[:, 0]).sum().backward()
    found = [lse, mean, feats.grad, alone, kl, leaf.grad]
    return [value.detach() for value in found]


def search(shared):
    """Rows with ties: 4 and 9 are equal, and so are 2 and 3."""
    bank = unit(NUM_ROWS, DIM, seed=1, dtype=torch.float32)
    bank[9], bank[3] = bank[4], bank[2]
    samples = torch.arange(4) if shared else own_queries()
    rows = shard(bank)
    if shared:
        rows = rows.with_shared_queries()
    return [
        nearest_rows(bank[samples], rows, k, exclude=exclude)
        for k in (1, 3, 20)
        for exclude in (None, samples)
    ]


CASES = [
    (dtype, temperature, shared, with_mean)
    for dtype in TOLERANCE
    for temperature in (0.01, 0.07, 1.0)
    for shared in (False, True)
    for with_mean in (False, True)
]


def run_all():
    return dict(
        look_up=look_up(),
        softmax=[softmax(*case) for case in CASES],
        search=[search(shared) for shared in (False, True)],
    )


def dense(dtype, temperature, samples, with_mean):
    """The same from the (B, N) matrix, in float64."""
    bank = unit(NUM_ROWS, DIM, seed=1, dtype=dtype).double()
    feats = unit(NUM_ROWS, DIM, seed=2, dtype=dtype).double()[samples]
    weight = unit(NUM_ROWS, DIM, seed=3, dtype=dtype).double()[samples]
    feats.requires_grad_()
    logits = feats @ bank.T / temperature
    lse, mean = logits.logsumexp(1), logits.softmax(1) @ bank
    loss = (lse * weight[:, 0]).sum()
    if with_mean:
        loss = loss + (mean * weight).sum()
    loss.backward()
    leaf = feats.detach().requires_grad_()
    own = (leaf @ bank.T / temperature).log_softmax(1)
    targets = bank[(torch.tensor(samples) + 1) % NUM_ROWS]
    other = (targets @ bank.T / temperature).log_softmax(1)
    kl = (own.exp() * (own - other)).sum(1)
    lse_too = (leaf @ bank.T / temperature).logsumexp(1)
    (lse_too * weight[:, 1] + kl * weight[:, 0]).sum().backward()
    found = [lse, mean, feats.grad, lse, kl, leaf.grad]
    return [value.detach() for value in found]


@pytest.fixture(scope='module', params=[1, 2, 4])
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f'ranks{request.param}')
    return run_on_ranks(run_all, request.param, folder)


def test_getitem__rows_wherever_they_are(results):
    whole = torch.arange(NUM_ROWS * DIM, dtype=torch.float32)
    whole = whole.view(NUM_ROWS, DIM)
    asked = sum(QUERIES, [])
    found = [result['look_up'] for result in results]
    assert torch.equal(torch.cat([f['own'] for f in found]), whole[asked])
    assert torch.equal(
        torch.cat([f['mapped'] for f in found]), 2 * whole[asked, :2]
    )
    for result in found:
        assert result['shape'] == [NUM_ROWS, DIM]
        assert torch.equal(result['shared'], whole[[1, 10, 5, 1]])


def test_collect__whole_matrix_on_the_main_rank_alone(results):
    whole = torch.arange(NUM_ROWS * DIM, dtype=torch.float32)
    main, *others = (result['look_up']['collected'] for result in results)
    for collected in main:
        assert torch.equal(collected, whole.view(NUM_ROWS, DIM))
    assert others == [[None] * 4] * len(others)


@pytest.mark.parametrize('index', range(len(CASES)), ids=map(str, CASES))
def test_bank_softmax__shards_match_dense(results, index):
    dtype, temperature, shared, with_mean = CASES[index]
    samples = list(range(4)) if shared else sum(QUERIES, [])
    expected = dense(dtype, temperature, samples, with_mean)
    parts = [result['softmax'][index] for result in results]
    for position, reference in enumerate(expected):
        got = [part[position] for part in parts]
        # A KL is a difference of logits of size 1 / T, and its gradient
        # multiplies them by 1 / T: float32 keeps no more digits there, in
        # the dense form either.
        scale = max(
            1.0,
            float(reference.abs().max()),
            1 / temperature if position == 4 else 0,
            temperature**-2 if position == 5 else 0,
        )
        tolerance = dict(atol=TOLERANCE[dtype] * scale, rtol=0)
        for one in got if shared else [torch.cat(got)]:
            assert one.dtype == dtype
            torch.testing.assert_close(one.double(), reference, **tolerance)


@pytest.mark.parametrize('shared', [False, True])
def test_nearest_rows__shards_give_the_bits_of_one_process(results, shared):
    bank = unit(NUM_ROWS, DIM, seed=1, dtype=torch.float32)
    bank[9], bank[3] = bank[4], bank[2]
    samples = torch.tensor(list(range(4)) if shared else sum(QUERIES, []))
    cases = [(k, e) for k in (1, 3, 20) for e in (None, samples)]
    for index, (k, exclude) in enumerate(cases):
        expected = nearest_rows(bank[samples], bank, k, exclude=exclude)
        found = [result['search'][shared][index] for result in results]
        if not shared:
            found = [[torch.cat(parts) for parts in zip(*found)]]
        for similarity, row in found:
            assert torch.equal(similarity, expected[0])
            assert torch.equal(row, expected[1])


def test_nearest_rows__shards_refuse_an_approximate_search():
    rows = ShardedRows(torch.zeros(NUM_ROWS, DIM), NUM_ROWS)
    with pytest.raises(ValueError, match="'faiss_ivf' does not search a shar"):
        nearest_rows(torch.zeros(2, DIM), rows, 1, backend='faiss_ivf')


def test_init__wrong_share_is_refused():
    with pytest.raises(ValueError, match='holds 11 of 11 rows, got 10'):
        ShardedRows(torch.zeros(10, DIM), NUM_ROWS)


def test_num_local_rows__of_one_process():
    assert num_local_rows(NUM_ROWS) == NUM_ROWS


def test_move_rows__whole_and_sharded():
    whole = unit(NUM_ROWS, DIM, seed=0)
    meta = torch.device('meta')
    assert move_rows(whole, meta).device == meta
    moved = move_rows(ShardedRows(whole, NUM_ROWS, shared_queries=True), meta)
    assert moved.device == meta and moved.shape == (NUM_ROWS, DIM)
    assert moved.shared_queries
