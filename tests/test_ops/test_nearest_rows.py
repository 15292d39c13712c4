import importlib
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from mmisl.ops import nearest_rows

module = importlib.import_module('mmisl.ops.nearest_rows')
EXACT = ['torch', 'faiss']


def unit(num_rows, feat_dim=6, dtype=torch.float32):
    return F.normalize(torch.randn(num_rows, feat_dim, dtype=dtype), dim=1)


def plain_search(queries, bank, k, exclude):
    """Rows by falling product, then by row, by plain loops over integers."""
    expected = []
    for query, left_out in zip(queries.tolist(), exclude):
        products = [sum(a * b for a, b in zip(query, row)) for row in bank]
        order = sorted(range(len(bank)), key=lambda j: (-products[j], j))
        rows = [j for j in order if j != left_out][:k]
        expected.append([(products[j], j) for j in rows])
    return expected


@st.composite
def cases(draw):
    feat_dim = draw(st.integers(1, 3))
    # Few integers, so that many products are equal.
    row = st.lists(st.integers(-1, 1), min_size=feat_dim, max_size=feat_dim)
    bank = draw(st.lists(row, min_size=1, max_size=40))
    queries = draw(st.lists(row, min_size=1, max_size=5))
    left_out = st.integers(-1, len(bank) - 1)
    exclude = draw(
        st.lists(left_out, min_size=len(queries), max_size=len(queries))
    )
    blocks = dict(
        block_queries=draw(st.integers(1, 6)),
        block_rows=draw(st.integers(1, 50)),
    )
    return queries, bank, draw(st.integers(1, 45)), exclude, blocks


@pytest.mark.parametrize('backend', EXACT)
@settings(max_examples=100, deadline=None)
@given(cases())
def test_nearest_rows__ties_come_by_row_whatever_the_blocks(backend, case):
    queries, bank, k, exclude, blocks = case
    queries = torch.tensor(queries, dtype=torch.float32)
    similarity, row = nearest_rows(
        queries,
        torch.tensor(bank, dtype=torch.float32),
        k,
        exclude=torch.tensor(exclude),
        backend=backend,
        **blocks,
    )
    expected = plain_search(queries, bank, min(k, len(bank) - 1), exclude)
    got = [list(zip(*pair)) for pair in zip(similarity.tolist(), row.tolist())]
    assert got == expected


@pytest.mark.parametrize('backend', EXACT)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('k', [1, 7, 60])
def test_nearest_rows__agrees_with_sklearn(backend, dtype, k):
    queries, bank = unit(19, dtype=dtype), unit(47, dtype=dtype)
    similarity, row = nearest_rows(queries, bank, k, backend=backend)
    searcher = NearestNeighbors(metric='cosine', algorithm='brute')
    searcher.fit(bank.double().numpy())
    distance, expected = searcher.kneighbors(
        queries.double().numpy(), n_neighbors=min(k, 47)
    )
    assert similarity.dtype == dtype
    assert row.dtype == torch.int64
    assert row.tolist() == expected.tolist()
    torch.testing.assert_close(
        similarity.double(), 1 - torch.from_numpy(distance), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize('backend', EXACT)
@pytest.mark.parametrize('blocks', [(1, 37), (64, 64), (7, 5000), (300, 999)])
def test_nearest_rows__same_bits_whatever_the_blocks(backend, blocks):
    # Copies of rows, so that neighbours differ in nothing but rounding.
    bank = unit(700, 33).repeat(3, 1)
    queries = bank[:200]
    whole = nearest_rows(queries, bank, 4, backend='torch')
    got = nearest_rows(
        queries,
        bank,
        4,
        backend=backend,
        block_queries=blocks[0],
        block_rows=blocks[1],
    )
    assert torch.equal(got[0], whole[0])
    assert torch.equal(got[1], whole[1])
    own = torch.arange(200)
    assert torch.equal(
        whole[1][:, :3], torch.stack([own, own + 700, own + 1400], dim=1)
    )


@pytest.mark.parametrize('backend', EXACT)
def test_nearest_rows__many_copies_are_searched_deeper(backend):
    # 300 copies are more than the shortlist holds at first.
    bank = torch.cat([unit(50, 33), unit(1, 33).expand(300, 33), unit(50, 33)])
    _, row = nearest_rows(bank[60:61], bank, 5, backend=backend)
    assert row.tolist() == [[50, 51, 52, 53, 54]]


@pytest.mark.parametrize('falling', [True, False])
def test_nearest_rows__order_of_the_bank_does_not_matter(falling):
    queries, bank = torch.randn(3, 4), torch.randn(53, 4)
    # Of the first query's products each block has none above those before it,
    # or nothing else.
    order = (bank @ queries[0]).sort(descending=falling).indices
    bank = bank[order]
    similarity, row = nearest_rows(
        queries, bank, 5, backend='torch', block_rows=17
    )
    expected = (queries.double() @ bank.double().T).topk(5)
    assert torch.equal(row, expected.indices)
    torch.testing.assert_close(similarity.double(), expected.values)


@pytest.mark.parametrize('backend', EXACT)
def test_nearest_rows__half_bank_is_widened(backend):
    queries, bank = unit(5), unit(23).half()
    similarity, row = nearest_rows(queries, bank, 3, backend=backend)
    expected = (queries @ bank.float().T).topk(3)
    assert similarity.dtype == torch.float32
    torch.testing.assert_close(similarity, expected.values)
    assert torch.equal(row, expected.indices)


@pytest.mark.parametrize(
    'num_queries, num_rows, exclude, columns',
    [(0, 7, False, 3), (4, 0, False, 0), (4, 1, True, 0), (4, 3, True, 2)],
)
def test_nearest_rows__too_few_rows(num_queries, num_rows, exclude, columns):
    left_out = torch.zeros(num_queries).long() if exclude else None
    similarity, row = nearest_rows(
        unit(num_queries), unit(num_rows), 3, exclude=left_out
    )
    assert similarity.shape == row.shape == (num_queries, columns)
    assert similarity.dtype == torch.float32
    assert row.dtype == torch.int64


def test_nearest_rows__ivf_tells_its_recall(monkeypatch):
    said = []
    monkeypatch.setattr(
        module, 'print_log', lambda text, **options: said.append(text)
    )
    centers = unit(20, 16)
    bank = F.normalize(centers.repeat(100, 1) + 0.05 * torch.randn(2000, 16))
    exclude = torch.arange(600)
    found = nearest_rows(
        bank[:600], bank, 5, exclude=exclude, backend='faiss_ivf'
    )
    exact = nearest_rows(bank[:600], bank, 5, exclude=exclude)
    assert not (found[1] == exclude.unsqueeze(1)).any()
    hits = (found[1].unsqueeze(2) == exact[1].unsqueeze(1)).any(2)
    assert 0.5 < hits.float().mean()
    recall = float(said[0].split('recall ')[1].split(' %')[0])
    # Every third query is looked at; the excluded row is no hit.
    expected = 100 * float(hits[::3].float().mean())
    assert recall == pytest.approx(expected, abs=0.06)
    assert said[0].endswith('of the 5 nearest rows, on 200 of 600 queries')


@pytest.mark.parametrize(
    'num_queries, num_threads, installed, expected',
    [
        (1024, 1, True, 'faiss'),
        (1023, 1, True, 'torch'),
        (1024, 2, True, 'torch'),
        (1024, 1, False, 'torch'),
    ],
)
def test_nearest_rows__auto_takes_the_faster_backend(
    monkeypatch, num_queries, num_threads, installed, expected
):
    used = []
    for name in ('TorchProducts', 'FaissProducts'):
        original = getattr(module, name)

        def spy(*arguments, name=name, original=original):
            used.append(name)
            return original(*arguments)

        monkeypatch.setattr(module, name, spy)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: num_threads)
    if not installed:
        monkeypatch.setattr(
            module.importlib.util, 'find_spec', lambda name: None
        )
    nearest_rows(unit(num_queries), unit(9), 2)
    assert used == [
        dict(torch='TorchProducts', faiss='FaissProducts')[expected]
    ]


def test_nearest_rows__missing_faiss_names_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(ImportError, match=r"pip install 'mmisl\[cpu\]'"):
        nearest_rows(unit(2), unit(5), 1, backend='faiss')


@pytest.mark.parametrize(
    'slip, text',
    [
        (dict(queries=unit(2, 5)), r'got \(2, 5\) and \(7, 6\)'),
        (dict(k=0), 'k must be >= 1, got 0'),
        (dict(exclude=torch.zeros(3)), r'one row per query, got \(3,\) for 2'),
        (dict(backend='hnsw'), "auto, torch, .* got 'hnsw'"),
    ],
)
def test_nearest_rows__bad_input_is_named(slip, text):
    arguments = dict(queries=unit(2), bank=unit(7), k=1)
    with pytest.raises(ValueError, match=text):
        nearest_rows(**{**arguments, **slip})
