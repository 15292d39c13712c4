import numpy as np
import pytest
import torch
from lightly.utils.benchmarking.knn import knn_predict
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import normalize

from mmisl.evaluation import knn_accuracy, knn_votes, vote_ranks
from mmisl.evaluation.knn import NO_VOTE


@pytest.fixture
def data():
    # Class centres plus noise, so that votes are neither all right nor all
    # wrong; lengths differ, as those of raw pixels do.
    generator = torch.Generator().manual_seed(3)
    centers = torch.randn(4, 6, generator=generator)
    gallery_labels = torch.randint(4, (53,), generator=generator)
    query_labels = torch.randint(4, (19,), generator=generator)
    gallery = centers[gallery_labels] + 1.5 * torch.randn(
        53, 6, generator=generator
    )
    queries = centers[query_labels] + 1.5 * torch.randn(
        19, 6, generator=generator
    )
    return queries, gallery, query_labels, gallery_labels


def sklearn_shares(queries, gallery, labels, k, temperature):
    classifier = KNeighborsClassifier(
        n_neighbors=min(k, len(gallery)),
        weights=lambda distance: np.exp((1 - distance) / temperature),
        metric='cosine',
        algorithm='brute',
    )
    classifier.fit(gallery.double().numpy(), labels.numpy())
    return torch.from_numpy(
        classifier.predict_proba(queries.double().numpy())
    ).float()


@pytest.mark.parametrize('k', [1, 7, 53, 200])
@pytest.mark.parametrize('temperature', [0.07, 1.0])
def test_knn_votes__agree_with_sklearn(data, k, temperature):
    queries, gallery, _, labels = data
    votes = knn_votes(
        queries,
        gallery,
        labels,
        num_classes=4,
        k=k,
        temperature=temperature,
    )
    expected = sklearn_shares(queries, gallery, labels, k, temperature)
    shares = votes / votes.sum(1, keepdim=True)
    torch.testing.assert_close(shares, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ('chunk_size', 'gallery_chunk_size'), [(1, 53), (5, 10), (19, 1), (8, 60)]
)
def test_knn_votes__chunks_do_not_matter(data, chunk_size, gallery_chunk_size):
    queries, gallery, _, labels = data
    votes = knn_votes(
        queries,
        gallery,
        labels,
        num_classes=4,
        k=12,
        chunk_size=chunk_size,
        gallery_chunk_size=gallery_chunk_size,
    )
    whole = knn_votes(queries, gallery, labels, num_classes=4, k=12)
    torch.testing.assert_close(votes, whole)


def test_knn_votes__tiny_temperature_neither_overflows_nor_vanishes():
    # exp(1 / 1e-4) is infinite and exp(-1 / 1e-4) is zero in float32.
    votes = knn_votes(
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([[0.0, 1.0], [1.0, 0.0]]),
        torch.tensor([0, 2]),
        num_classes=3,
        temperature=1e-4,
    )
    assert votes[0, 2] == 1
    assert 0 < votes[0, 0] < 1e-30
    assert votes[0, 1] == 0


def test_knn_votes__half_precision_gallery_votes_in_float32(data):
    queries, gallery, _, labels = data
    votes = knn_votes(
        queries.half(), gallery.half(), labels, num_classes=4, k=9
    )
    expected = knn_votes(
        queries.half().float(),
        gallery.half().float(),
        labels,
        num_classes=4,
        k=9,
    )
    assert votes.dtype == torch.float32
    torch.testing.assert_close(votes, expected)


def test_knn_votes__no_query():
    votes = knn_votes(
        torch.zeros(0, 3), torch.rand(5, 3), torch.arange(5), num_classes=6
    )
    assert votes.shape == (0, 6)


@pytest.mark.parametrize(
    ('changes', 'match'),
    [
        (dict(k=0), 'k must be greater than 0, got 0'),
        (dict(temperature=0.0), 'temperature must be greater.*got 0.0'),
        (dict(queries=torch.ones(2, 4)), '4 dimensions, the gallery has 3'),
        (dict(queries=torch.ones(3)), r'must be \(Q, D\), got \(3,\)'),
        (dict(gallery=torch.ones(3)), r'must be \(M, D\), got \(3,\)'),
        (dict(gallery=torch.ones(0, 3)), 'at least one row.*got 0 rows'),
        (dict(labels=torch.zeros(4).long()), r'got 5 rows.*shape \(4,\)'),
        (dict(labels=torch.full((5,), 2)), r'num_classes = 2\), got 2 in'),
        (dict(labels=torch.full((5,), -1)), 'at least 0, got -1.*labelled'),
        (
            dict(queries=torch.tensor([[1.0, 2.0, torch.nan]] * 2)),
            '2 rows of the queries.*diverged',
        ),
        (
            dict(
                gallery=torch.tensor([[1.0, 2.0, 3.0]] * 4 + [[torch.inf] * 3])
            ),
            '1 rows of the gallery.*diverged',
        ),
    ],
)
def test_knn_votes__bad_input(changes, match):
    arguments = dict(
        queries=torch.ones(2, 3),
        gallery=torch.ones(5, 3),
        labels=torch.tensor([0, 1, 0, 1, 0]),
        num_classes=2,
    )
    with pytest.raises(ValueError, match=match):
        knn_votes(**{**arguments, **changes})


def test_vote_ranks__ties_and_missing_votes():
    votes = torch.tensor([[0.5, 2.0, 2.0, 0.0]] * 4)
    ranks = vote_ranks(votes, torch.arange(4))
    assert ranks.tolist() == [2, 0, 1, NO_VOTE]


@pytest.mark.parametrize('k', [3, 20])
def test_knn_accuracy__top1_agrees_with_sklearn(data, k):
    queries, gallery, query_labels, gallery_labels = data
    accuracy = knn_accuracy(
        queries,
        gallery,
        query_labels=query_labels,
        gallery_labels=gallery_labels,
        k=k,
        topk=(1, 2),
    )
    shares = sklearn_shares(queries, gallery, gallery_labels, k, 0.1)
    best = shares.topk(2).indices == query_labels[:, None]
    assert accuracy['top1'] == pytest.approx(
        100 * best[:, 0].double().mean().item()
    )
    assert accuracy['top2'] == pytest.approx(
        100 * best.any(1).double().mean().item()
    )
    assert 0 < accuracy['top1'] < accuracy['top2'] < 100


def test_knn_accuracy__three_classes_have_a_top5():
    accuracy = knn_accuracy(
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]),
        query_labels=torch.tensor([2]),
        gallery_labels=torch.tensor([0, 1, 2]),
    )
    assert accuracy == {'top1': 0.0, 'top5': 100.0}


def test_knn_accuracy__class_missing_from_the_gallery_is_never_right():
    accuracy = knn_accuracy(
        torch.rand(4, 3),
        torch.rand(6, 3),
        query_labels=torch.tensor([0, 7, 7, 7]),
        gallery_labels=torch.zeros(6, dtype=torch.int64),
        topk=(1, 50),
    )
    assert accuracy == {'top1': 25.0, 'top50': 25.0}


@pytest.mark.parametrize('num_labels', [0, 3])
def test_knn_accuracy__labels_must_match_queries(num_labels):
    with pytest.raises(ValueError, match=rf'got \({num_labels},\) labels'):
        knn_accuracy(
            torch.rand(num_labels and 2, 3),
            torch.rand(6, 3),
            query_labels=torch.zeros(num_labels, dtype=torch.int64),
            gallery_labels=torch.zeros(6, dtype=torch.int64),
        )


@pytest.mark.parametrize('k', [1, 5, 30])
def test_knn_votes__decides_as_lightly_does(k):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(41) % 4
    centres = torch.randn(4, 6, generator=generator)
    gallery = centres[labels] + torch.randn(41, 6, generator=generator)
    queries = torch.randn(23, 6, generator=generator)
    gallery, queries = normalize(gallery, dim=1), normalize(queries, dim=1)
    votes = knn_votes(
        queries, gallery, labels, num_classes=4, k=k, temperature=0.1
    )
    expected = knn_predict(
        queries, gallery.T, labels, num_classes=4, knn_k=k, knn_t=0.1
    )
    # lightly sorts all classes, also those that nobody voted for.
    assert torch.equal(votes.argmax(1), expected[:, 0])
