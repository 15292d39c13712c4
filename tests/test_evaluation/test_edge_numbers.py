import numpy as np
import pytest

from mmisl.evaluation import PixelDistances, edge_numbers
from mmisl.structures import ScoredEdges

NUM_SAMPLES, NUM_CLASSES = 61, 3


def make_edges(pairs, num_samples=NUM_SAMPLES, *, directed=False, cosine=None):
    src, dst = np.array(sorted(pairs), dtype=np.int32).reshape(-1, 2).T
    if cosine is None:
        cosine = np.linspace(0.9, 0.1, len(src))
    return ScoredEdges(
        num_samples=num_samples,
        src=src,
        dst=dst,
        score=np.full(len(src), np.nan, dtype=np.float32),
        cosine=np.asarray(cosine, dtype=np.float32),
        added=np.zeros(len(src), dtype=np.uint16),
        directed=directed,
    )


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def draw_pairs(rng, num, *, directed):
    """Pairs of different samples; number 5 is a hub, the last is alone."""
    pairs = rng.integers(0, NUM_SAMPLES - 1, (num, 2)).tolist()
    pairs += [(other, 5) for other in range(0, NUM_SAMPLES - 1)]
    kept = {(a, b) for a, b in pairs if a != b}
    return kept if directed else {tuple(sorted(pair)) for pair in kept}


def neighbors_of(edges, sample):
    """(cosine, neighbour) of a sample, by a loop over the edges."""
    found = []
    for src, dst, cosine in zip(edges.src, edges.dst, edges.cosine):
        if src == sample:
            found.append((-cosine, dst))
        elif dst == sample and not edges.directed:
            found.append((-cosine, src))
    return [neighbor for _, neighbor in sorted(found)]


@pytest.mark.parametrize('directed', [False, True])
def test_edge_numbers__agree_with_loops(rng, directed):
    pairs = draw_pairs(rng, 70, directed=directed)
    cosine = rng.permutation(len(pairs)) / len(pairs)
    edges = make_edges(pairs, directed=directed, cosine=cosine)
    labels = rng.integers(-1, NUM_CLASSES, NUM_SAMPLES)
    images = rng.integers(0, 256, (NUM_SAMPLES, 2, 2, 3), dtype=np.uint8)
    distances = PixelDistances(images, num_pairs=300)

    numbers = edge_numbers(edges, labels, pixel_distance=distances)

    listed = [neighbors_of(edges, i) for i in range(NUM_SAMPLES)]
    mean = sum(map(len, listed)) / NUM_SAMPLES
    # How many have a sample for a neighbour.
    degrees = [sum(i in row for row in listed) for i in range(NUM_SAMPLES)]
    known = [(a, b) for a, b in pairs if labels[a] >= 0 and labels[b] >= 0]
    far = []
    for a, b in pairs:
        apart = images[a].astype(float) - images[b]
        if np.sqrt((apart**2).mean()) / 255 > distances.median:
            far.append((a, b))
    hits = [
        any(labels[j] == labels[i] for j in listed[i][:10])
        for i in range(NUM_SAMPLES)
        if labels[i] >= 0
    ]

    def purity(some):
        return sum(labels[a] == labels[b] for a, b in some) / len(some)

    assert numbers == pytest.approx(
        dict(
            num_edges=len(pairs),
            mean_degree=mean,
            max_degree=max(degrees),
            coverage=sum(map(bool, listed)) / NUM_SAMPLES,
            num_hubs=sum(d > 20 and d > 10 * mean for d in degrees),
            hub_share=max(degrees) / sum(degrees),
            purity=purity(known),
            recall_at_10=sum(hits) / len(hits),
            share_far=len(far) / len(pairs),
            purity_far=purity([pair for pair in far if pair in known]),
            num_pixel_edges=len(pairs),
        )
    )
    assert numbers['num_hubs'] == 1
    assert 0 < numbers['share_far'] < 1
    assert numbers['recall_at_10'] < 1  # the last sample is alone


def test_edge_numbers__recall_looks_at_ten_and_no_further():
    # Sample 0 has 11 neighbours; the eleventh alone is of its class.
    pairs = [(0, other) for other in range(1, 12)]
    labels = np.array([1] + [2] * 10 + [1])
    edges = make_edges(pairs, 12)
    numbers = edge_numbers(edges, labels)
    assert numbers['recall_at_10'] == pytest.approx(1 / 12)  # sample 11
    # With the order turned round it is the first of ten.
    edges = make_edges(pairs, 12, cosine=edges.cosine[::-1])
    numbers = edge_numbers(edges, labels)
    assert numbers['recall_at_10'] == pytest.approx(2 / 12)


def test_edge_numbers__unknown_labels_never_match():
    edges = make_edges([(0, 1), (2, 3)], 5)
    numbers = edge_numbers(edges, np.array([-1, -1, 0, -1, 0]))
    assert 'purity' not in numbers
    assert numbers['recall_at_10'] == 0


def test_edge_numbers__nothing_known_of_images(rng):
    edges = make_edges(draw_pairs(rng, 9, directed=False))
    bare = edge_numbers(edges)
    assert bare == edge_numbers(edges, np.full(NUM_SAMPLES, -1))
    assert not {'purity', 'recall_at_10', 'share_far'} & set(bare)


def test_edge_numbers__no_edges():
    images = np.random.randint(0, 256, (4, 2, 2), dtype=np.uint8)
    numbers = edge_numbers(
        make_edges([], 4),
        np.array([0, 1, 0, 1]),
        pixel_distance=PixelDistances(images),
    )
    assert numbers['num_pixel_edges'] == numbers['mean_degree'] == 0
    assert numbers['recall_at_10'] == 0
    assert not {'purity', 'share_far', 'purity_far'} & set(numbers)


def test_edge_numbers__a_sample_of_the_edges_for_the_pixels(rng):
    pairs = draw_pairs(rng, 900, directed=True)
    edges = make_edges(pairs, directed=True)
    images = rng.integers(0, 256, (NUM_SAMPLES, 2, 2), dtype=np.uint8)
    distances = PixelDistances(images, num_pairs=300)
    whole, first, again, other = (
        edge_numbers(
            edges, pixel_distance=distances, max_pixel_edges=limit, seed=seed
        )
        for limit, seed in ((10_000, 0), (401, 0), (401, 0), (401, 3))
    )
    assert whole['num_pixel_edges'] == len(pairs)
    assert first['num_pixel_edges'] == 401
    assert first == again
    assert first['share_far'] != other['share_far']
    assert first['share_far'] == pytest.approx(whole['share_far'], abs=0.08)
    # What needs no pixels is of all edges.
    assert first['num_edges'] == whole['num_edges'] == len(pairs)


def test_edge_numbers__other_images():
    images = np.zeros((3, 2, 2), dtype=np.uint8)
    with pytest.raises(ValueError, match='3 images, but the edges over 4'):
        edge_numbers(
            make_edges([(0, 1)], 4), pixel_distance=PixelDistances(images)
        )


def test_edge_numbers__labels_of_other_samples():
    with pytest.raises(ValueError, match='each of the 4 samples'):
        edge_numbers(make_edges([(0, 1)], 4), np.zeros(3, dtype=np.int64))


def test_edge_numbers__no_pixel_edges():
    with pytest.raises(ValueError, match='max_pixel_edges must be at least 1'):
        edge_numbers(make_edges([(0, 1)], 4), max_pixel_edges=0)
