"""Recall@k against torchmetrics and a search by hand."""

import pytest
import torch
from torchmetrics.retrieval import RetrievalHitRate

from mmisl.evaluation import retrieval_recall


def make(num, *, classes=5):
    return torch.randn(num, 6), torch.randint(0, classes, (num,))


def hit_rate(cosines, same, k):
    """torchmetrics' share of queries with a hit among the first k."""
    queries = torch.arange(len(cosines))[:, None].expand_as(cosines)
    metric = RetrievalHitRate(top_k=k, empty_target_action='neg')
    return 100 * float(
        metric(cosines.flatten(), same.flatten(), queries.flatten())
    )


@pytest.mark.parametrize('k', [1, 3, 10])
def test_retrieval_recall__in_a_gallery(k):
    (feats, labels), (gallery, known) = make(23), make(37)
    found = retrieval_recall(
        feats, labels, gallery=gallery, gallery_labels=known, ks=(k,)
    )
    cosines = torch.cosine_similarity(feats[:, None], gallery, dim=2)
    expected = hit_rate(cosines, labels[:, None] == known, k)
    assert found == {f'recall@{k}': pytest.approx(expected)}
    assert 0 < expected < 100 or k == 10


def test_retrieval_recall__without_the_query_itself():
    feats, labels = make(31)
    cosines = torch.cosine_similarity(feats[:, None], feats, dim=2)
    others = ~torch.eye(31, dtype=torch.bool)
    expected = hit_rate(
        cosines[others].view(31, 30),
        (labels[:, None] == labels)[others].view(31, 30),
        2,
    )
    found = retrieval_recall(feats, labels, ks=(2, 1))
    assert found['recall@2'] == pytest.approx(expected)
    assert found['recall@1'] < found['recall@2']


def test_retrieval_recall__bad_arguments():
    feats, labels = make(9)
    with pytest.raises(ValueError, match='ks must be at least 1 each'):
        retrieval_recall(feats, labels, ks=(1, 0))
    with pytest.raises(ValueError, match='gallery_labels go together'):
        retrieval_recall(feats, labels, gallery=feats)
    with pytest.raises(ValueError, match='at least 2 images .*, got 1; give'):
        retrieval_recall(feats[:1], labels[:1])
