import io

import pytest
import torch
import torch.nn.functional as F
from reference.gan import discriminate, generate
from reference.mining import mine_view
from torch import nn

from mmisl.models.miners import gan_miner
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
NUM_SAMPLES, FEAT_DIM, NUM_VIEWS = 13, 6, 3
EDGES = [(0, 3), (0, 7), (3, 7), (7, 9), (1, 0), (4, 10)]
BATCHES = dict(some=[7, 2, 0, 10, 11], none=[5, 2, 8], all=[9, 0, 7, 4])
SHORT = dict(min_iters=4, max_iters=8, eval_interval=2, patience=2, lr=1e-2)

HINGE = dict(spectral_norm=True, training={**SHORT, 'loss': 'hinge'})


def make_miner(**options):
    settings = dict(
        type='GANMiner',
        feat_dim=FEAT_DIM,
        generator='residual',  # so that some proxies lie near a row
        num_draws=5,
        score_thr=0.3,
        sim_thr=0.2,
        topk=4,
        batch_size=5,
        training=SHORT,
    )
    return MODELS.build({**settings, **options})


def make_inputs(dtype=torch.float32, num_samples=NUM_SAMPLES):
    """Views that scatter around their row of the bank."""
    bank = F.normalize(torch.randn(num_samples, FEAT_DIM, dtype=dtype), dim=1)
    noise = torch.randn(NUM_VIEWS, num_samples, FEAT_DIM, dtype=dtype)
    views = F.normalize(bank + 0.2 * noise, dim=-1)
    return views, bank, NeighborGraph(num_samples)


def add_edges(graph, edges=EDGES):
    graph.add_edges(*torch.tensor(edges).T)
    return graph


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def linear_layers(network):
    return [
        (layer.weight.double(), layer.bias.double())
        for layer in network.layers
        if isinstance(layer, nn.Linear)
    ]


def make_opinionated_miner(dtype, topk):
    """A miner whose proxies pass or fail, and accept some of their rows.

    An untrained discriminator scores all triplets alike, so its scores are
    spread and centred here.
    """
    miner = make_miner(
        generator='mlp', score_thr=0.5, sim_thr=-0.9, topk=topk
    ).to(dtype)
    triplet = F.normalize(torch.randn(3, 99, FEAT_DIM, dtype=dtype), dim=-1)
    last = miner.gan.discriminator.layers[-1]
    last.weight.mul_(20)
    last.bias.sub_(miner.gan.discriminator(*triplet).median())
    return miner


def by_pair(candidates):
    """{(i, j): score}, each pair once."""
    pairs = zip(candidates.src.tolist(), candidates.dst.tolist())
    scores = dict(zip(pairs, candidates.score.tolist(), strict=True))
    assert len(scores) == len(candidates)
    return scores


@pytest.mark.parametrize('topk', [1, 4, 50])
@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_propose_pass__matches_oracle(dtype, batch, topk):
    views, bank, graph = make_inputs(dtype)
    add_edges(graph)
    miner = make_opinionated_miner(dtype, topk)
    anchors = views[0, batch]
    sample_idx = torch.tensor(batch)
    arguments = (anchors, sample_idx, bank, graph)
    src, dst, cosine, limit, num_passed = miner.propose_pass(
        *arguments, seeded()
    )
    positive, negative = miner.sampler.sample(*arguments, seeded())
    a, p, n = (
        part.double() for part in (anchors, bank[positive], bank[negative])
    )
    proxy = generate(a, p, n, layers=linear_layers(miner.gan.generator))
    score = discriminate(
        a, proxy, n, layers=linear_layers(miner.gan.discriminator)
    )
    # The oracle numbers proxies by sample; those not in the batch score 0.
    proxies = torch.zeros(NUM_SAMPLES, FEAT_DIM).double()
    scores = torch.zeros(NUM_SAMPLES).double()
    proxies[sample_idx], scores[sample_idx] = proxy, score
    expected = mine_view(
        proxies,
        scores,
        bank.double(),
        score_thr=0.5,
        sim_thr=-0.9,
        topk=topk,
    )
    got = sorted(zip(*(x.tolist() for x in (src, dst, cosine, limit))))
    assert [row[:2] for row in got] == [row[:2] for row in sorted(expected)]
    for row, reference in zip(got, sorted(expected), strict=True):
        assert row == pytest.approx(reference, abs=TOLERANCE[dtype])
    assert num_passed == (scores > 0.5).sum()


def test_propose_pass__oracle_sees_both_sides_of_the_rule():
    # The test above is worth something only if proxies pass and fail, and if
    # rows of passing proxies are taken and left.
    views, bank, graph = make_inputs()
    miner = make_opinionated_miner(torch.float32, NUM_SAMPLES)
    src, *_, num_passed = miner.propose_pass(
        views[0], torch.arange(NUM_SAMPLES), bank, graph, seeded()
    )
    assert 0 < num_passed < NUM_SAMPLES
    assert 0 < len(src) < num_passed * (NUM_SAMPLES - 1)


# Of three passes: (src, dst, cosine, threshold) of what each accepts.
PASSES = [
    [(0, 3, 0.75, 0.5), (0, 5, 0.875, 0.75), (2, 0, 0.5, 0.25)],
    [(0, 3, 0.625, 0.25), (2, 0, 0.25, 0.125), (4, 12, 0.625, 0.5)],
    [(0, 3, 0.5, 0.25)],
]


@pytest.mark.parametrize(
    'ranking, expected',
    [
        (
            'margin',
            {(0, 3): 0.375, (0, 5): 0.125, (2, 0): 0.25, (4, 12): 0.125},
        ),
        (
            'similarity',
            {(0, 3): 0.75, (0, 5): 0.875, (2, 0): 0.5, (4, 12): 0.625},
        ),
        (
            'votes',
            {
                (0, 3): 3 + 0.75 / 4,
                (0, 5): 1 + 0.875 / 4,
                (2, 0): 2 + 0.5 / 4,
                (4, 12): 1 + 0.625 / 4,
            },
        ),
        (
            # Each of the 3 passes votes for the sample itself too: 0 votes
            # 3 times for 0 and for 3, once for 5; 2 3 times for 2, twice
            # for 0; 4 3 times for 4, once for 12; others for themselves.
            'shared_votes',
            {
                (0, 3): 3 * 3 + 0.75 / 4,
                (0, 5): 1 * 3 + 0.875 / 4,
                (2, 0): 2 * 3 + 0.5 / 4,
                (4, 12): 1 * 3 + 0.625 / 4,
            },
        ),
    ],
)
def test_propose__views_are_merged_and_ranked(monkeypatch, ranking, expected):
    miner = make_miner(ranking=ranking)
    passes = iter(PASSES)

    def scripted(anchors, sample_idx, bank, graph, rng, thresholds):
        src, dst, cosine, limit = zip(*next(passes))
        pairs = torch.tensor(src), torch.tensor(dst)
        return gan_miner.ProxyPairs(
            *pairs, torch.tensor(cosine), torch.tensor(limit), num_passed=2
        )

    monkeypatch.setattr(miner, 'propose_pass', scripted)
    candidates, observations = miner.propose(*make_inputs(), seed=0)
    assert by_pair(candidates) == expected
    assert candidates.score.dtype == torch.float64
    passed = observations['proxies_accepted']
    assert passed == pytest.approx(3 * 2 / (NUM_VIEWS * NUM_SAMPLES))


@pytest.mark.parametrize('chunk_rows', [5, 1024])
@pytest.mark.parametrize('anchor', ['view', 'mean_view'])
def test_propose__every_sample_is_anchor_once_a_view(
    monkeypatch, anchor, chunk_rows
):
    monkeypatch.setattr(gan_miner, '_CHUNK_ROWS', chunk_rows)
    views, bank, graph = make_inputs()
    miner = make_miner(anchor=anchor)
    seen = [[] for _ in range(NUM_SAMPLES)]
    original = miner.propose_pass

    def spy(anchors, sample_idx, *rest):
        for i, feat in zip(sample_idx.tolist(), anchors, strict=True):
            seen[i].append(feat)
        return original(anchors, sample_idx, *rest)

    monkeypatch.setattr(miner, 'propose_pass', spy)
    miner.propose(views, bank, graph, seed=0)
    expected = views
    if anchor == 'mean_view':
        expected = F.normalize(views.sum(0), dim=1).expand_as(views)
    got = torch.stack([torch.stack(feats) for feats in seen], dim=1)
    torch.testing.assert_close(got, expected)


def test_anchors__half_views_are_widened():
    views = make_inputs()[0].half()
    for anchor in ('view', 'mean_view'):
        got = make_miner(anchor=anchor).anchors(views, 1, torch.tensor([4, 2]))
        assert got.shape == (2, FEAT_DIM)
        assert got.dtype == torch.float32


@pytest.mark.parametrize('quota', [0.5, 1.0, 1.5])
@pytest.mark.parametrize(
    'ranking', ['margin', 'votes', 'shared_votes', 'similarity']
)
def test_mine__quota_is_met_exactly_best_first(ranking, quota):
    miner = make_miner(ranking=ranking)
    inputs = make_inputs()
    twin = make_miner(ranking=ranking)
    twin.load_state_dict(miner.state_dict())
    scores = by_pair(twin.propose(*inputs, seed=4)[0])
    graph = inputs[2]
    assert graph.num_edges == 0  # proposing changes nothing
    summary = miner.mine(*inputs, quota, seed=4)
    num_edges = int(quota * NUM_SAMPLES / 2)
    assert graph.num_edges == summary.num_accepted == num_edges
    assert summary.num_candidates == len(scores)
    best = {}
    for (i, j), score in scores.items():
        pair = (min(i, j), max(i, j))
        best[pair] = max(score, best.get(pair, score))
    taken = set(zip(*(ends.tolist() for ends in graph.edges())))
    assert taken == set(sorted(best, key=best.get)[-num_edges:])


def test_mine__max_degree_is_respected():
    inputs = make_inputs()
    make_miner().mine(*inputs, 9.0, seed=4)
    assert inputs[2].degrees.max() > 2
    inputs[2].clear()
    make_miner(max_degree=2).mine(*inputs, 9.0, seed=4)
    assert inputs[2].num_edges > 0
    assert inputs[2].degrees.max() == 2


def test_propose__asks_for_gradients_only_inside():
    miner = make_miner()
    before = [param.clone() for param in miner.parameters()]
    assert not any(param.requires_grad for param in miner.parameters())
    miner.propose(*make_inputs(), seed=0)
    assert not any(param.requires_grad for param in miner.parameters())
    assert all(param.grad is None for param in miner.parameters())
    changed = [
        not torch.equal(param, old)
        for param, old in zip(miner.parameters(), before, strict=True)
    ]
    assert all(changed)


def test_propose__works_where_gradients_are_off():
    inputs = make_inputs()
    miner, twin = make_miner(), make_miner()
    twin.load_state_dict(miner.state_dict())
    expected = by_pair(miner.propose(*inputs, seed=0)[0])
    with torch.no_grad():
        assert by_pair(twin.propose(*inputs, seed=0)[0]) == expected


def test_propose__depends_on_its_seed_alone():
    inputs = make_inputs()
    miner = make_miner()
    state = {name: value.clone() for name, value in miner.state_dict().items()}
    results = []
    for seed, disturbance in ((3, 1), (3, 2), (4, 1)):
        miner.load_state_dict(state)
        torch.manual_seed(disturbance)
        results.append(by_pair(miner.propose(*inputs, seed=seed)[0]))
    assert results[0] == results[1] != results[2]


@pytest.mark.parametrize('options', [{}, HINGE], ids=['released', 'hinge'])
def test_propose__networks_and_adam_persist_over_a_checkpoint(options):
    inputs = make_inputs()
    miner = make_miner(**options)
    miner.propose(*inputs, seed=1)
    file = io.BytesIO()
    torch.save(miner.state_dict(), file)
    file.seek(0)
    resumed = make_miner(**options)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    forgetful = make_miner(**options)
    forgetful.load_state_dict(miner.state_dict())
    for name in ('generator', 'discriminator'):
        assert getattr(miner.gan, f'{name}_adam').step > 0
        getattr(forgetful.gan, f'{name}_adam').step.zero_()
    expected, observed = miner.propose(*inputs, seed=2)
    got, observations = resumed.propose(*inputs, seed=2)
    assert by_pair(got) == by_pair(expected)
    assert observations == observed
    for name, value in miner.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    forgetful.propose(*inputs, seed=2)
    assert not torch.equal(
        forgetful.gan.generator.layers[0].weight,
        miner.gan.generator.layers[0].weight,
    )


def test_propose__adam_goes_on_as_one_optimizer():
    # Against torch's own Adam, kept alive over both calls.
    inputs = make_inputs()
    miner, twin = make_miner(), make_miner()
    twin.load_state_dict(miner.state_dict())
    kept = {}

    def keep(network):
        optimizer = kept.get(id(network))
        if optimizer is None:
            optimizer = torch.optim.Adam(network.parameters(), lr=SHORT['lr'])
        return kept.setdefault(id(network), optimizer)

    twin.gan.trainer.adam = keep
    for state in (twin.gan.generator_adam, twin.gan.discriminator_adam):
        state.restore = lambda optimizer: None
    for seed in (1, 2):
        miner.propose(*inputs, seed=seed)
        twin.propose(*inputs, seed=seed)
    assert len(kept) == 2
    for name, value in miner.state_dict().items():
        assert torch.equal(twin.state_dict()[name], value), name


def test_propose__spectral_norms_stay_while_mining(monkeypatch):
    # Rows of any chunk, of any rank, are scored by the same discriminator.
    monkeypatch.setattr(gan_miner, '_CHUNK_ROWS', 3)
    miner = make_miner(**HINGE).train()
    trained = {}
    fit = miner.gan.fit

    def spy(*arguments):
        report = fit(*arguments)
        trained.update({name: b.clone() for name, b in miner.named_buffers()})
        return report

    monkeypatch.setattr(miner.gan, 'fit', spy)
    miner.propose(*make_inputs(), seed=0)
    assert sum(name.endswith('_u') for name in trained) == 3
    for name, buffer in miner.named_buffers():
        assert torch.equal(buffer, trained[name]), name


def test_propose__observations_are_not_summed_as_losses():
    _, observations = make_miner().propose(*make_inputs(), seed=0)
    assert {'gan_gap', 'gan_iterations', 'proxies_accepted'} <= set(
        observations
    )
    assert not any('loss' in name for name in observations)
    assert 4 <= observations['gan_iterations'] <= 8


@pytest.mark.parametrize('num_samples', [2, 3])
def test_mine__tiny_training_set(num_samples):
    inputs = make_inputs(num_samples=num_samples)
    miner = make_miner(sim_thr=-1, score_thr=0, topk=9)
    miner.mine(*inputs, 0.7, seed=0)
    assert inputs[2].num_edges <= num_samples * 0.35


@pytest.mark.parametrize(
    'slip, text',
    [
        (dict(score_thr=1), r'score_thr must lie in \[0, 1\), got 1'),
        (dict(sim_thr=1), r'sim_thr must lie in \[-1, 1\), got 1'),
        (dict(anchor='bank'), "'view' or 'mean_view', got 'bank'"),
        (dict(ranking='score'), "'shared_votes' or 'similarity', got 'score'"),
        (dict(batch_size=0), 'batch_size must be >= 1, got 0'),
        (dict(generator='unet'), "'mlp' or 'residual', got 'unet'"),
        (dict(negative='hard'), "'hardest' or 'semi_hard', got 'hard'"),
        (dict(training=dict(lr=0)), 'need lr > 0'),
        (dict(training=dict(loss='l2')), "'bce' or 'hinge', got 'l2'"),
        (dict(max_degree=0), 'max_degree must be >= 1, got 0'),
    ],
)
def test_init__argument_out_of_range_is_named(slip, text):
    with pytest.raises(ValueError, match=text):
        make_miner(**slip)


def test_thresholds_of__by_hand():
    """Median score 0.5, median cosine 0.8: R + 0.5 (1 - R) = 0.8, R = 0.6."""
    score = torch.tensor([0.5, 0.3, 0.6, 0.4, 0.7])
    cosine = torch.tensor([0.9, 0.8, 0.1, 0.85, 0.7])
    found = gan_miner.thresholds_of(score, cosine)
    assert found.similarity == pytest.approx(0.6)
    # A tenth of the way, in ranks: between 0.3 and 0.4.
    assert found.score == pytest.approx(0.34)


@pytest.mark.parametrize('cosine, expected', [(-1.0, -1.0), (1.0, 0.99)])
def test_thresholds_of__stay_in_range(cosine, expected):
    score = torch.full((3,), 0.4)
    found = gan_miner.thresholds_of(score, torch.full((3,), cosine))
    assert found.similarity == expected


def test_mine__auto_thresholds_admit_nine_tenths_of_the_proxies():
    views, bank, graph = make_inputs(num_samples=90)
    miner = make_miner(score_thr='auto', sim_thr='auto', topk=3)
    summary = miner.mine(views, bank, graph, 0.5, seed=3)
    seen = summary.observations
    assert 0 < seen['score_thr'] < 1 and -1 <= seen['sim_thr'] < 1
    assert seen['proxies_accepted'] == pytest.approx(0.9, abs=0.05)
    assert graph.num_edges == len(bank) // 4


def test_mine__one_threshold_may_be_given():
    views, bank, graph = make_inputs(num_samples=90)
    miner = make_miner(score_thr=0.0, sim_thr='auto', topk=3)
    summary = miner.mine(views, bank, graph, 0.5, seed=3)
    assert summary.observations['score_thr'] == 0
    assert summary.observations['proxies_accepted'] == 1
