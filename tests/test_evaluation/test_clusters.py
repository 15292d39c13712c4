import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from mmisl.evaluation import cluster_statistics, cluster_warnings

NUM_CLUSTERS = 6
ROWS = torch.tensor(
    [[0, 0, 1, 1, 1, 5, 5, 2, 2, 0], [3, 3, 3, 3, 3, 3, 3, 0, 0, 0]],
    dtype=torch.int32,
)
LABELS = torch.tensor([4, 4, 2, 2, 0, 0, 2, 4, -1, -1])


def test_statistics__without_labels():
    assert cluster_statistics(ROWS, NUM_CLUSTERS) == dict(
        num_clusterings=2,
        num_clusters=6,
        empty_share=6 / 12,
        largest_share=0.7,
    )


def test_statistics__purity_and_nmi():
    stats = cluster_statistics(ROWS, NUM_CLUSTERS, LABELS)
    # Of the 8 with a class: clusters 0, 1, 5 and 2 in turn.
    correct = 0
    for cluster in range(NUM_CLUSTERS):
        votes = {}
        for number, label in zip(ROWS[0].tolist(), LABELS.tolist()):
            if number == cluster and label >= 0:
                votes[label] = votes.get(label, 0) + 1
        correct += max(votes.values(), default=0)
    assert correct == 2 + 2 + 1 + 1
    assert stats['cluster_purity'] == correct / 8
    expected = normalized_mutual_info_score(LABELS[:8], ROWS[0, :8])
    assert stats['nmi'] == pytest.approx(expected)
    assert 0.3 < expected < 0.9


def test_statistics__no_known_label():
    stats = cluster_statistics(ROWS, NUM_CLUSTERS, torch.full((10,), -1))
    assert not {'cluster_purity', 'nmi'} & set(stats)


def test_statistics__other_number_of_labels():
    with pytest.raises(ValueError, match=r'each of the 10 samples, got \(9,'):
        cluster_statistics(ROWS, NUM_CLUSTERS, LABELS[:9])


def test_warnings__collapse():
    (warning,) = cluster_warnings(cluster_statistics(ROWS, NUM_CLUSTERS))
    assert warning.startswith('one cluster holds 70 % of all samples; feat')
    assert not cluster_warnings(cluster_statistics(ROWS[:1], NUM_CLUSTERS))
    # One of two clusters has to have half of the samples.
    halves = torch.tensor([[0, 0, 1]])
    assert not cluster_warnings(cluster_statistics(halves, 2))
