import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from reference import gan as oracle
from torch import nn

from mmisl.models.gans import (
    OBJECTIVES,
    AdversarialTrainer,
    GANReport,
    ProxyGenerator,
    TripletDiscriminator,
    adversarial_training,
)
from mmisl.models.gans.adversarial_training import (
    best_report,
    evaluate,
    should_stop,
)

FEAT_DIM = 6


def report(iteration, gap=0.5):
    return GANReport(iteration, 0.7, 0.7, gap, 0.3)


def history_of(gaps, interval=10):
    return [report(interval * (i + 1), gap) for i, gap in enumerate(gaps)]


def unit_triplet(num_rows=8):
    feats = torch.randn(3, num_rows, FEAT_DIM, dtype=torch.float64)
    return F.normalize(feats, dim=-1).unbind()


def make_players(trainer):
    """Generator, discriminator and both optimizers, in float64."""
    networks = ProxyGenerator(FEAT_DIM), TripletDiscriminator(FEAT_DIM)
    networks = tuple(network.double() for network in networks)
    return *networks, *(trainer.adam(network) for network in networks)


def fit(trainer, players, batches=None, held_out=None, on_report=None):
    generator, discriminator, *optimizers = players
    return trainer.fit(
        generator,
        discriminator,
        tuple(optimizers),
        itertools.cycle(batches or [unit_triplet()]),
        held_out or unit_triplet(),
        on_report or (lambda report: None),
    )


def states_of(players):
    return [copy.deepcopy(player.state_dict()) for player in players]


def assert_equal_states(got, expected):
    torch.testing.assert_close(got, expected, atol=0, rtol=0)


# Gaps of evaluations at iterations 10, 20, ...; min_iters; the best's index.
@pytest.mark.parametrize(
    'gaps, min_iters, best',
    [
        ([0.4], 10, 0),
        ([0.4, 0.1, 0.3], 10, 1),
        ([0.4, -0.3, 0.35], 10, 1),  # nearer to 0, though negative
        ([0.4, 0.35, -0.9], 10, 1),
        ([0.0, 0.5, 0.3], 20, 2),  # before min_iters nothing counts
        ([0.0, 0.5, 0.3], 30, 2),
        ([0.2, 0.2, 0.2], 10, 0),  # of equal ones the first
        ([0.0, 0.5], 99, 1),  # none counts yet: the last
    ],
)
def test_best_report__table(gaps, min_iters, best):
    history = history_of(gaps)
    assert best_report(history, min_iters) is history[best]


@pytest.mark.parametrize(
    'gaps, min_iters, patience, stop',
    [
        ([], 10, 1, False),
        ([0.4], 10, 1, False),
        ([0.4, 0.5], 10, 1, True),
        ([0.4, 0.3], 10, 1, False),
        ([0.4, 0.5], 10, 2, False),
        ([0.4, 0.5, 0.6], 10, 2, True),
        ([0.4, 0.5, 0.3], 10, 2, False),
        ([0.4, 0.5, -0.5], 10, 2, True),
        ([0.4, 0.4, 0.4], 10, 2, True),  # equal is no better balance
        ([0.0, 0.5, 0.6], 20, 2, False),  # patience starts at min_iters
        ([0.0, 0.5, 0.6, 0.7], 20, 2, True),
        ([0.0, 0.5, 0.6, 0.7], 99, 1, False),
    ],
)
def test_should_stop__table(gaps, min_iters, patience, stop):
    history = history_of(gaps)
    assert should_stop(history, min_iters=min_iters, patience=patience) is stop


def scripted(monkeypatch, gaps):
    """Let evaluations return these gaps, whatever the networks do."""
    remaining = iter(gaps)
    monkeypatch.setattr(
        adversarial_training,
        'evaluate',
        lambda generator, discriminator, held_out, iteration, objective: (
            report(iteration, next(remaining))
        ),
    )


@pytest.mark.parametrize(
    'gaps, best', [([0.1, 0.4, 0.2, 0.3, 0.5], 6), ([0.1, 0.4, 0.3, 0.2], 8)]
)
def test_fit__keeps_the_best_not_the_last(monkeypatch, gaps, best):
    # min_iters hides the first gap; patience 2, or max_iters, ends the rest.
    scripted(monkeypatch, gaps)
    trainer = AdversarialTrainer(
        1e-3, min_iters=3, max_iters=8, eval_interval=2, patience=2
    )
    players = make_players(trainer)
    seen = {}
    kept = fit(
        trainer,
        players,
        on_report=lambda report: seen.update(
            {report.iteration: states_of(players)}
        ),
    )
    assert kept.iteration == best
    assert list(seen) == [2, 4, 6, 8]
    assert_equal_states(states_of(players), seen[best])
    for other in set(seen) - {best}:
        with pytest.raises(AssertionError):
            assert_equal_states(states_of(players), seen[other])


def test_fit__stops_when_patience_ends(monkeypatch):
    scripted(monkeypatch, [0.3, 0.4, 0.5, 0.0])
    trainer = AdversarialTrainer(
        min_iters=2, max_iters=100, eval_interval=2, patience=2
    )
    iterations = []
    kept = fit(
        trainer,
        make_players(trainer),
        on_report=lambda report: iterations.append(report.iteration),
    )
    assert iterations == [2, 4, 6]
    assert kept.iteration == 2


def test_fit__last_iteration_is_evaluated(monkeypatch):
    scripted(monkeypatch, [0.3, 0.2])
    trainer = AdversarialTrainer(
        min_iters=4, max_iters=5, eval_interval=3, patience=9
    )
    iterations = []
    kept = fit(
        trainer,
        make_players(trainer),
        on_report=lambda report: iterations.append(report.iteration),
    )
    assert iterations == [3, 5]
    assert kept.iteration == 5


def test_fit__steps_match_plain_loop():
    batches = [unit_triplet(), unit_triplet(5), unit_triplet()]
    trainer = AdversarialTrainer(
        1e-2, min_iters=3, max_iters=3, eval_interval=3
    )
    players = make_players(trainer)
    twins = tuple(copy.deepcopy(player) for player in players[:2])
    fit(trainer, players, batches)
    generator, discriminator = twins
    optim_g, optim_d = (
        torch.optim.Adam(network.parameters(), lr=1e-2) for network in twins
    )
    bce = F.binary_cross_entropy_with_logits
    for a, p, n in batches:
        ones, zeros = torch.ones(len(a)).double(), torch.zeros(len(a)).double()
        proxy = generator(a, p, n)
        loss_d = 0.5 * bce(discriminator(a, p, n), ones)
        for triplet in ((a, p, proxy), (a, proxy, n)):
            loss_d = loss_d + 0.25 * bce(discriminator(*triplet), zeros)
        optim_d.zero_grad()
        loss_d.backward(retain_graph=True)
        optim_d.step()
        # The same proxy, judged by the discriminator after its step.
        loss_g = sum(
            0.5 * bce(discriminator(*triplet), ones)
            for triplet in ((a, p, proxy), (a, proxy, n))
        )
        optim_g.zero_grad()
        loss_g.backward()
        optim_g.step()
    for own, twin in zip(players[:2], twins, strict=True):
        for got, expected in zip(
            own.parameters(), twin.parameters(), strict=True
        ):
            torch.testing.assert_close(got, expected, atol=1e-10, rtol=0)


def test_fit__hinge_and_spectral_norm_match_plain_loop():
    # Each plain step is one forward of all triplets: one power iteration.
    batches = [unit_triplet(), unit_triplet(5), unit_triplet()]
    trainer = AdversarialTrainer(
        1e-2, min_iters=3, max_iters=3, eval_interval=1, loss='hinge'
    )
    generator = ProxyGenerator(FEAT_DIM).double()
    discriminator = TripletDiscriminator(FEAT_DIM, spectral_norm=True).double()
    twins = copy.deepcopy((generator, discriminator))
    players = (generator, discriminator)
    fit(trainer, (*players, *map(trainer.adam, players)), batches)
    optim_g, optim_d = (
        torch.optim.Adam(network.parameters(), lr=1e-2) for network in twins
    )
    for a, p, n in batches:
        proxy = twins[0](a, p, n)
        stacked = torch.cat([a, a, a]), torch.cat([p, p, proxy])
        third = torch.cat([n, proxy, n])
        judged = twins[1](*(x.detach() for x in (*stacked, third)))
        real, as_negative, as_positive = judged.split(len(a))
        loss_d = (1 - real).clamp_min(0).mean() / 2
        for fake in (as_negative, as_positive):
            loss_d = loss_d + (1 + fake).clamp_min(0).mean() / 4
        optim_d.zero_grad()
        loss_d.backward()
        optim_d.step()
        judged = twins[1](
            *(x[len(a) :] for x in (*stacked, third))
        )  # the two triplets with a proxy
        optim_g.zero_grad()
        (-judged.mean()).backward()
        optim_g.step()
    for own, twin in zip(players, twins, strict=True):
        torch.testing.assert_close(
            own.state_dict(), twin.state_dict(), atol=1e-10, rtol=0
        )
    assert not discriminator.training  # what it scores next changes nothing


def linear_layers(network):
    return [
        (layer.weight, layer.bias)
        for layer in network.layers
        if isinstance(layer, nn.Linear)
    ]


def test_evaluate__matches_oracle():
    generator, discriminator, *_ = make_players(AdversarialTrainer())
    a, p, n = unit_triplet()
    got = evaluate(generator, discriminator, (a, p, n), 42)
    proxy = oracle.generate(a, p, n, layers=linear_layers(generator))
    judge = linear_layers(discriminator)
    real, app, apn = (
        oracle.discriminate(*triplet, layers=judge)
        for triplet in ((a, p, n), (a, p, proxy), (a, proxy, n))
    )
    assert got.iteration == 42
    assert got.generator_loss == pytest.approx(
        oracle.generator_loss(app, apn).item(), abs=1e-10
    )
    assert got.discriminator_loss == pytest.approx(
        oracle.discriminator_loss(real, app, apn).item(), abs=1e-10
    )
    gap = sum(r - (s + t) / 2 for r, s, t in zip(real, app, apn)) / len(a)
    assert got.gap == pytest.approx(gap.item(), abs=1e-10)
    near = sum(x @ (y + z) / 2 for x, y, z in zip(proxy, p, n)) / len(a)
    assert got.proxy_similarity == pytest.approx(near.item(), abs=1e-10)


def test_evaluate__hinge_has_the_balance_of_the_scores():
    generator, discriminator, *_ = make_players(AdversarialTrainer())
    triplet = unit_triplet()
    by_entropy = evaluate(generator, discriminator, triplet, 42)
    by_hinge = evaluate(
        generator, discriminator, triplet, 42, OBJECTIVES['hinge']
    )
    assert by_hinge.gap == by_entropy.gap
    a, p, n = triplet
    proxy = generator(a, p, n)
    real, app, apn = (
        discriminator(*judged).tolist()
        for judged in (triplet, (a, p, proxy), (a, proxy, n))
    )
    assert by_hinge.generator_loss == pytest.approx(
        -sum(app + apn) / (2 * len(a)), abs=1e-10
    )
    loss_d = sum(max(0, 1 - logit) for logit in real) / 2
    loss_d += sum(max(0, 1 + logit) for logit in app + apn) / 4
    assert by_hinge.discriminator_loss == pytest.approx(
        loss_d / len(a), abs=1e-10
    )


def test_fit__divergence_is_explained():
    trainer = AdversarialTrainer(min_iters=2, max_iters=4, eval_interval=2)
    broken = tuple(feats * float('nan') for feats in unit_triplet())
    with pytest.raises(
        RuntimeError, match='diverged at iteration 2.*nan.*lower its lr'
    ):
        fit(trainer, make_players(trainer), [unit_triplet(), broken])


@pytest.mark.parametrize(
    'slip, text',
    [
        (dict(eval_interval=0), 'need 0 < eval_interval.*got 0, 2000, 20000'),
        (dict(eval_interval=3000), 'got 3000, 2000, 20000'),
        (dict(max_iters=1999), 'got 200, 2000, 1999'),
        (dict(lr=0), 'lr > 0 and patience >= 1, got 0, 10'),
        (dict(patience=0), 'patience >= 1, got 0.0001, 0'),
        (dict(loss='wgan'), "must be 'bce' or 'hinge', got 'wgan'"),
    ],
)
def test_init__argument_out_of_range_is_named(slip, text):
    with pytest.raises(ValueError, match=text):
        AdversarialTrainer(**slip)
