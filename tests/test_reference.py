"""The oracle itself, against numbers by hand and code nobody here wrote."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.bank import update_bank
from reference.entropy import entropy_candidates
from reference.gan import (
    DISCRIMINATOR_WIDTHS,
    GENERATOR_WIDTHS,
    discriminate,
    discriminator_loss,
    generate,
    generator_loss,
)
from reference.knn import weighted_knn
from reference.losses import hard_positive_index, isl_losses
from reference.mining import mine_view, select_edges
from reference.triplets import hardest_negative, semi_hard_negative
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

DEGREES = (0, 30, 60, 90, 120, 150)


def _random_unit(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(shape, generator=generator, dtype=torch.float64)
    return F.normalize(vectors, dim=-1)


def _on_circle(*degrees: float) -> Tensor:
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def _gradient(scalar: Tensor, feats: Tensor) -> Tensor:
    return torch.autograd.grad(scalar, feats, retain_graph=True)[0]


def _assert_same(got: Tensor, expected: Tensor, feats: Tensor) -> None:
    """Equal values and equal gradients with respect to feats."""
    torch.testing.assert_close(got, expected, atol=1e-10, rtol=0)
    torch.testing.assert_close(
        _gradient(got, feats), _gradient(expected, feats), atol=1e-10, rtol=0
    )


def test_isl_losses__no_neighbors_is_cross_entropy():
    feats = _random_unit(3, 5, seed=0).requires_grad_()
    bank = _random_unit(7, 5, seed=1)
    losses = isl_losses(
        feats,
        [6, 0, 6],
        [set() for _ in range(7)],
        bank,
        temperature=0.1,
        hard_positive_weight=0.5,
    )
    expected = F.cross_entropy(feats @ bank.T / 0.1, torch.tensor([6, 0, 6]))
    _assert_same(losses['loss_instance'], expected, feats)
    for name in ('loss_neighbor', 'loss_hard_positive'):
        assert losses[name] == 0
        assert _gradient(losses[name], feats).abs().max() == 0


@pytest.mark.parametrize('mode, chosen', [('nearest', 2), ('hardest', 5)])
def test_isl_losses__mixed_batch_matches_torch(mode, chosen):
    feats = _random_unit(3, 2, seed=2).requires_grad_()
    bank = _on_circle(0, 200, 20, 300, 90, 170, 45)
    neighbors = [{2, 4, 5}, set(), {0}, set(), {0}, {0}, set()]
    losses = isl_losses(
        feats,
        [1, 0, 3],
        neighbors,
        bank,
        temperature=0.2,
        hard_positive_weight=0.3,
        hard_positive=mode,
    )
    log_p = F.log_softmax(feats @ bank.T / 0.2, dim=1)
    log_q = F.log_softmax(bank[chosen] @ bank.T / 0.2, dim=0)
    # The whole batch of 3 divides each term, whatever number it concerns.
    instance = -(log_p[0, 1] + log_p[2, 3]) / 3
    neighbor = -log_p[1, [0, 2, 4, 5]].exp().sum().log() / 3
    divergence = F.kl_div(log_q, log_p[1], reduction='sum', log_target=True)
    _assert_same(losses['loss_instance'], instance, feats)
    _assert_same(losses['loss_neighbor'], neighbor, feats)
    _assert_same(losses['loss_hard_positive'], 0.3 * divergence / 3, feats)


def test_isl_losses__two_orthogonal_rows_by_hand():
    feats = torch.eye(2, dtype=torch.float64)[:1].requires_grad_()
    losses = isl_losses(
        feats,
        [0],
        [{1}, {0}],
        torch.eye(2, dtype=torch.float64),
        temperature=1.0,
        hard_positive_weight=0.5,
    )
    # p = (e, 1) / (e + 1), q = (1, e) / (e + 1): log p - log q = (1, -1).
    assert losses['loss_neighbor'].item() == pytest.approx(0, abs=1e-15)
    assert losses['loss_hard_positive'].item() == pytest.approx(
        0.5 * (math.e - 1) / (math.e + 1), abs=1e-15
    )


def test_isl_losses__bank_gets_no_gradient_and_dtype_is_kept():
    bank = _random_unit(5, 3, seed=3).float().requires_grad_()
    feats = _random_unit(2, 3, seed=4).float().requires_grad_()
    neighbors: list[set[int]] = [{1}, {0}, set(), set(), set()]
    losses = isl_losses(
        feats,
        [0, 4],
        neighbors,
        bank,
        temperature=0.1,
        hard_positive_weight=0.5,
    )
    sum(losses.values()).backward()
    assert bank.grad is None
    assert {loss.dtype for loss in losses.values()} == {torch.float32}


def test_isl_losses__small_temperature_does_not_overflow():
    feats = _random_unit(2, 3, seed=5).float()
    bank = torch.cat([feats, -feats])
    losses = isl_losses(
        feats,
        [2, 1],
        [set() for _ in range(4)],
        bank,
        temperature=0.005,
        hard_positive_weight=0.5,
    )
    expected = F.cross_entropy(feats @ bank.T / 0.005, torch.tensor([2, 1]))
    torch.testing.assert_close(losses['loss_instance'], expected)


def test_isl_losses__padded_row_is_refused():
    feats = _random_unit(1, 3, seed=5)
    with pytest.raises(ValueError, match=r'sample_idx \(-1\).*\[0, 4\)'):
        isl_losses(
            feats,
            [-1],
            [set()] * 4,
            _random_unit(4, 3, seed=6),
            temperature=0.1,
            hard_positive_weight=0.5,
        )


def test_hard_positive_index__tie_gives_lowest_index():
    bank = _on_circle(0, 90, 30)[[0, 1, 2, 1, 2]]
    neighbors = {4, 3, 2, 1}
    assert hard_positive_index(0, neighbors, bank=bank) == 2
    assert hard_positive_index(0, neighbors, bank=bank, mode='hardest') == 1


def test_hard_positive_index__unknown_mode_is_named():
    with pytest.raises(ValueError, match=r"'soft'.*'nearest' or 'hardest'"):
        hard_positive_index(0, {1}, bank=torch.eye(2), mode='soft')


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_isl_losses__any_batch_equals_closed_form(data, seed):
    num_samples = data.draw(st.integers(2, 8))
    dim = data.draw(st.integers(1, 4))
    temperature = data.draw(st.sampled_from([0.05, 0.1, 1.0]))
    mode = data.draw(st.sampled_from(['nearest', 'hardest']))
    samples = st.integers(0, num_samples - 1)
    sample_idx = data.draw(st.lists(samples, min_size=1, max_size=4))
    neighbors = [data.draw(st.sets(samples)) - {i} for i in range(num_samples)]
    feats = _random_unit(len(sample_idx), dim, seed=seed).requires_grad_()
    bank = _random_unit(num_samples, dim, seed=seed + 1)
    losses = isl_losses(
        feats,
        sample_idx,
        neighbors,
        bank,
        temperature=temperature,
        hard_positive_weight=0.5,
        hard_positive=mode,
    )

    # L(f) = logsumexp_n(v_n . f / T), mu = sum_j p_j v_j. Attraction is
    # L(f) - logsumexp_{j in P}(v_j . f / T), divergence
    # mu . (f - v_h) / T - L(f) + L(v_h), with gradient
    # (1 / T) sum_j p_j (z_j - z_mean) v_j, z_j = v_j . (f - v_h) / T.
    attraction = feats.sum() * 0
    divergence = feats.sum() * 0
    divergence_gradient = torch.zeros_like(feats)
    for row, (feat, i) in enumerate(zip(feats, sample_idx, strict=True)):
        logits = bank @ feat / temperature
        positives = sorted(neighbors[i] | {i})
        attraction = attraction + logits.logsumexp(0)
        attraction = attraction - logits[positives].logsumexp(0)
        if not neighbors[i]:
            continue
        h = hard_positive_index(i, neighbors[i], bank=bank, mode=mode)
        prob = logits.softmax(0)
        difference = (feat - bank[h]) / temperature
        divergence = divergence + (prob @ bank) @ difference
        divergence = divergence - logits.logsumexp(0)
        divergence = divergence + (bank @ bank[h] / temperature).logsumexp(0)
        z = bank @ difference
        divergence_gradient[row] = (prob * (z - prob @ z)) @ bank / temperature
    scale = 1 / len(sample_idx)
    both = losses['loss_instance'] + losses['loss_neighbor']
    _assert_same(both, attraction * scale, feats)
    hard_positive = losses['loss_hard_positive']
    _assert_same(hard_positive, 0.5 * divergence * scale, feats)
    torch.testing.assert_close(
        _gradient(hard_positive, feats),
        0.5 * divergence_gradient.detach() * scale,
        atol=1e-10,
        rtol=0,
    )


def test_update_bank__momentum_weighs_the_new_feature():
    bank = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    feats = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    new_bank = update_bank(bank, [0, -1], feats, momentum=0.75)
    # (0.25, 0.75) has length sqrt(10) / 4.
    expected = torch.tensor([1.0, 3.0]) / math.sqrt(10)
    torch.testing.assert_close(new_bank[0], expected)
    assert torch.equal(new_bank[1:], bank[1:])
    assert torch.equal(bank[0], torch.tensor([1.0, 0.0]))


def test_update_bank__repeated_sample_uses_plain_mean():
    bank = torch.eye(3, dtype=torch.float64)
    feats = torch.eye(3, dtype=torch.float64)[[1, 0, 2]]
    new_bank = update_bank(bank, [0, 1, 0], feats, momentum=0.5)
    # Mean (0, .5, .5), not scaled to length 1: (.5, .25, .25) / norm.
    expected = torch.tensor([2.0, 1.0, 1.0]).double() / math.sqrt(6)
    torch.testing.assert_close(new_bank[0], expected)


@pytest.mark.parametrize(
    'draws, excluded, expected',
    [([3, 1, 4, 4], {0}, 1), ([3, 1, 4], {0, 1}, 3), ([5, 2, 2], set(), 2)],
)
def test_hardest_negative__largest_allowed_cosine(draws, excluded, expected):
    bank = _on_circle(*DEGREES)
    anchor = _on_circle(10)[0]
    assert hardest_negative(anchor, draws, bank, excluded) == expected


def test_hardest_negative__all_excluded_is_refused():
    with pytest.raises(ValueError, match=r'draws \(2 of them\)'):
        hardest_negative(torch.ones(2), [0, 0], torch.eye(2), {0})


@pytest.mark.parametrize(
    'positive, draws, excluded, expected',
    [
        (45, [1, 3, 2, 5], set(), 2),  # row 1 is closer than the positive
        (45, [1, 3, 2, 5], {2}, 3),
        (160, [1, 4, 2, 3], set(), 4),  # none below: the furthest
    ],
)
def test_semi_hard_negative__below_the_positive(
    positive, draws, excluded, expected
):
    got = semi_hard_negative(
        _on_circle(0)[0],
        draws,
        _on_circle(*DEGREES),
        excluded,
        positive=_on_circle(positive)[0],
    )
    assert got == expected


def test_semi_hard_negative__row_of_the_positive_is_not_below():
    bank = _on_circle(*DEGREES)
    anchor = _on_circle(0)[0]
    got = semi_hard_negative(anchor, [2, 3], bank, set(), positive=bank[2])
    assert got == 3


def _torch_mlp(widths: tuple[int, ...]) -> nn.Sequential:
    torch.manual_seed(7)
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers[:-1]).double()


def _weights(mlp: nn.Sequential) -> list[tuple[Tensor, Tensor]]:
    return [(fc.weight, fc.bias) for fc in mlp if isinstance(fc, nn.Linear)]


# Parameter counts of the released networks.
@pytest.mark.parametrize(
    'widths, num_params',
    [(GENERATOR_WIDTHS, 147_968), (DISCRIMINATOR_WIDTHS, 57_601)],
)
def test_networks__match_torch_layers(widths, num_params):
    mlp = _torch_mlp(widths)
    assert sum(param.numel() for param in mlp.parameters()) == num_params
    triplet = _random_unit(3, 2, 128, seed=8)
    raw = mlp(torch.cat(list(triplet), dim=1))
    if widths[-1] == 1:
        got = discriminate(*triplet, layers=_weights(mlp))
        expected = raw[:, 0].sigmoid()
    else:
        got = generate(*triplet, layers=_weights(mlp))
        expected = F.normalize(raw, dim=1)
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)


def test_gan_losses__match_binary_cross_entropy():
    real = torch.tensor([0.9, 0.6, 0.7], dtype=torch.float64)
    app = torch.tensor([0.2, 0.3, 0.8], dtype=torch.float64)
    apn = torch.tensor([0.4, 0.1, 0.5], dtype=torch.float64)
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    bce = F.binary_cross_entropy
    expected = 0.5 * bce(real, one) + 0.25 * (bce(app, zero) + bce(apn, zero))
    torch.testing.assert_close(discriminator_loss(real, app, apn), expected)
    expected = 0.5 * bce(app, one) + 0.5 * bce(apn, one)
    torch.testing.assert_close(generator_loss(app, apn), expected)


def test_mine_view__rule_on_a_circle():
    bank = _on_circle(0, 20, 40, 60, 350)
    # Thresholds .8 + .2 (1 - s): .82 (34.9 degrees), .9 (25.8), .8 refused.
    candidates = mine_view(
        _on_circle(10, 20, 40, 100, 350),
        torch.tensor([0.9, 0.5, 0.9, 0.9, 0.5], dtype=torch.float64),
        bank,
        score_thr=0.5,
        sim_thr=0.8,
        topk=2,
    )
    # Proxy 0: row 0 is its own, rows 1 (10), 4 (20) and 2 (30) are close
    # enough, two are looked at. Proxy 3 is too far from all. A score of
    # exactly score_thr is not enough for proxies 1 and 4.
    assert [pair[:2] for pair in candidates] == [
        (0, 1),
        (0, 4),
        (2, 1),
        (2, 3),
    ]
    cosines = [math.cos(math.radians(angle)) for angle in (10, 20, 20, 20)]
    assert [pair[2] for pair in candidates] == pytest.approx(cosines)
    assert [pair[3] for pair in candidates] == pytest.approx([0.82] * 4)


def test_mine_view__lower_score_raises_the_threshold():
    found = {}
    for score in (0.6, 0.9):
        candidates = mine_view(
            _on_circle(0, 90, 180),
            torch.tensor([score, 0.1, 0.1], dtype=torch.float64),
            _on_circle(300, 24, 34),
            score_thr=0.5,
            sim_thr=0.8,
            topk=10,
        )
        found[score] = [j for _, j, _, _ in candidates]
    # .88 is reached within 28.4 degrees, .82 within 34.9.
    assert found == {0.6: [1], 0.9: [1, 2]}


CANDIDATES = [
    (4, 1, 0.7),
    (0, 1, 0.9),
    (1, 0, 0.2),
    (2, 2, 1.0),
    (0, 3, 0.8),
    (3, 2, 0.7),
    (2, 3, 0.6),
    (0, 2, 0.7),
    (3, 4, 0.1),
]
RANKED = [(0, 1), (0, 3), (0, 2), (1, 4), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    'existing, options, expected',
    [
        ([], dict(quota=9.0), RANKED),
        ([], dict(quota=1.9), RANKED[:4]),  # floor(1.9 * 5 / 2) = 4
        ([(3, 0)], dict(quota=1.2), [(0, 1), (0, 2)]),
        ([(3, 0), (1, 2)], dict(quota=0.4), []),
        ([], dict(quota=9.0, max_degree=1), [(0, 1), (2, 3)]),
        ([(0, 4)], dict(quota=9.0, max_degree=2), [(0, 1), (1, 4), (2, 3)]),
        ([], dict(quota=9.0, mutual=True), [(0, 1), (2, 3)]),
    ],
    ids=['all', 'quota', 'known', 'full', 'cap', 'cap_known', 'mutual'],
)
def test_select_edges__by_hand(existing, options, expected):
    edges = {frozenset(pair) for pair in existing}
    got = select_edges(CANDIDATES, edges, num_samples=5, **options)
    assert got == expected


@pytest.mark.parametrize('k', [1, 4, 9])
def test_weighted_knn__matches_sklearn(k):
    gallery, queries = _random_unit(9, 3, seed=9), _random_unit(4, 3, seed=10)
    labels = [0, 2, 1, 2, 0, 1, 1, 0, 2]
    votes = weighted_knn(
        queries, gallery, labels, k=k, temperature=0.1, num_classes=3
    )
    classifier = KNeighborsClassifier(
        n_neighbors=k,
        metric='cosine',
        algorithm='brute',
        weights=lambda distance: np.exp((1 - distance) / 0.1),
    ).fit(gallery.numpy(), labels)
    expected = torch.from_numpy(classifier.predict_proba(queries.numpy()))
    torch.testing.assert_close(votes / votes.sum(1, keepdim=True), expected)


def test_weighted_knn__fewer_rows_than_k_all_vote():
    votes = weighted_knn(
        _on_circle(0),
        _on_circle(0, 60, 90),
        [3, 0, 3],
        k=200,
        temperature=0.5,
        num_classes=5,
    )
    expected = [math.e, 0, 0, math.e**2 + 1, 0]
    assert votes[0].tolist() == pytest.approx(expected)


def test_entropy_candidates__matches_torch_distribution():
    feats, bank = _random_unit(6, 3, seed=11), _random_unit(6, 3, seed=12)
    candidates = entropy_candidates(feats, bank, temperature=0.3)
    logits = feats @ bank.T / 0.3
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    nearest = logits.fill_diagonal_(-math.inf).argmax(dim=1)
    assert [i for i, _, _ in candidates] == list(range(6))
    assert [j for _, j, _ in candidates] == nearest.tolist()
    scores = [score for _, _, score in candidates]
    assert scores == pytest.approx((-entropy).tolist(), abs=1e-12)
