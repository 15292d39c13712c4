import pytest
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from ranks import run_on_ranks
from reference.scalars import by_falling_similarity

from mmisl.ops import ShardedRows, nearest_products
from mmisl.ops import nearest_products as module_function

NUM_ROWS, DIM = 11, 5
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
DEPTHS = [1, 4, 11, 30]


def unit(*shape, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return F.normalize(rows, dim=-1).to(dtype)


def in_order(products, rows):
    """By falling product."""
    products, order = products.sort(dim=1, descending=True)
    return products, rows.gather(1, order)


def weighted(products, rows):
    """A sum whose gradient differs from row to row of the bank."""
    return (products.sin() * (1 + rows)).sum()


@pytest.mark.parametrize('depth', DEPTHS)
@pytest.mark.parametrize('block_products', [1, 12, 2**23])
@pytest.mark.parametrize('bank_dtype', [None, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_nearest_products__value_and_gradient(
    dtype, bank_dtype, block_products, depth, monkeypatch
):
    globals_ = module_function.__globals__
    monkeypatch.setitem(globals_, '_BLOCK_PRODUCTS', block_products)
    monkeypatch.setitem(globals_, '_WIDENED_VALUES', 4 * DIM)
    bank = unit(NUM_ROWS, DIM, seed=1).to(bank_dtype or dtype)
    feats = unit(3, DIM, seed=2, dtype=dtype).requires_grad_()
    products, rows = nearest_products(feats, bank, depth)
    assert products.dtype == dtype
    dense = feats.detach().requires_grad_()
    full = dense @ bank.to(dtype).T
    for row, all_products in zip(rows, full):
        expected = by_falling_similarity(range(NUM_ROWS), all_products)
        assert sorted(row.tolist()) == sorted(expected[:depth])
    tolerance = dict(rtol=0, atol=TOLERANCE[dtype])
    torch.testing.assert_close(products, full.gather(1, rows), **tolerance)
    weighted(products, rows).backward()
    weighted(full.gather(1, rows), rows).backward()
    torch.testing.assert_close(
        feats.grad, dense.grad, rtol=0, atol=100 * TOLERANCE[dtype]
    )


def test_nearest_products__ties_at_the_end():
    # Rows 0, 2 and 3 are the same; one of them is left out.
    bank = unit(2, DIM, seed=1)[[0, 1, 0, 0]]
    products, rows = nearest_products(bank[:1], bank, 2)
    assert set(rows[0].tolist()) < {0, 2, 3}
    torch.testing.assert_close(products, torch.ones_like(products))
    again, same_rows = nearest_products(bank[:1], bank, 2)
    assert torch.equal(again, products) and torch.equal(same_rows, rows)


def test_nearest_products__no_feats():
    feats = torch.empty(0, DIM, requires_grad=True)
    products, rows = nearest_products(feats, torch.ones(7, DIM), 3)
    assert products.shape == rows.shape == (0, 3)
    products.sum().backward()
    assert feats.grad.shape == (0, DIM)


def test_nearest_products__bank_written_before_backward_is_refused():
    bank = unit(NUM_ROWS, DIM, seed=1)
    feats = unit(3, DIM, seed=2).requires_grad_()
    products, _ = nearest_products(feats, bank, 4)
    bank[0] = 0
    with pytest.raises(RuntimeError, match='modified by an inplace'):
        products.sum().backward()


@pytest.mark.parametrize(
    'feats, bank, k, error, text',
    [
        (torch.ones(2, 3).half(), torch.ones(4, 3), 1, TypeError,
         'feats must be float32 or float64, got torch.float16'),
        (torch.ones(2, 3), torch.ones(4, 3), 0, ValueError,
         'k must be >= 1, got 0'),
        (torch.ones(2, 3), torch.ones(4, 2), 1, ValueError,
         r'bank must be \(N >= 1, 3\) to match feats, got \(4, 2\)'),
        (torch.ones(2, 3), torch.ones(0, 3), 1, ValueError,
         r'got \(0, 3\)'),
    ],
)  # fmt: skip
def test_nearest_products__bad_input(feats, bank, k, error, text):
    with pytest.raises(error, match=text):
        nearest_products(feats, bank, k)


# Of four ranks; fewer ranks take several. One asks nothing.
SHARES = [[4, 0, 10], [], [7], [1, 2]]


def search_all():
    """Products, rows and gradient of this rank's queries, by depth."""
    share = 4 // get_world_size()
    begin = get_rank() * share
    own = torch.tensor(sum(SHARES[begin : begin + share], []), dtype=int)
    bank = unit(NUM_ROWS, DIM, seed=1)
    if get_world_size() > 1:
        local = bank[get_rank() :: get_world_size()].clone()
        bank = ShardedRows(local, NUM_ROWS)
    results = []
    for depth in DEPTHS:
        feats = unit(NUM_ROWS, DIM, seed=2)[own].requires_grad_()
        products, rows = nearest_products(feats, bank, depth)
        weighted(products, rows).backward()
        products, rows = in_order(products.detach(), rows)
        results.append([products, rows, feats.grad])
    return results


@pytest.mark.parametrize('num_ranks', [2, 4])
def test_nearest_products__shards_give_what_one_process_gives(
    num_ranks, tmp_path
):
    ranks = run_on_ranks(search_all, num_ranks, tmp_path)
    for depth, expected in enumerate(search_all()):
        for part, whole in enumerate(expected):
            found = torch.cat([results[depth][part] for results in ranks])
            torch.testing.assert_close(found, whole, rtol=0, atol=1e-12)
