import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from reference.entropy import entropy_candidates

from mmisl.models.miners.entropy_miner import softmax_entropy
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
NUM_SAMPLES = 13
CONFIGS = Path(__file__).parents[3] / 'configs'


def make_inputs(dtype=torch.float64):
    feats = torch.randn(4, NUM_SAMPLES, 5, dtype=dtype)
    views, bank = F.normalize(feats, dim=-1).split([3, 1])
    return views, bank[0], NeighborGraph(NUM_SAMPLES)


def make_miner(**options):
    return MODELS.build(dict(type='EntropyMiner', **options))


@pytest.mark.parametrize('temperature', [0.01, 0.07, 1.0])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_propose__matches_oracle(dtype, temperature):
    views, bank, graph = make_inputs(dtype)
    miner = make_miner(temperature=temperature)
    candidates, observations = miner.propose(views, bank, graph, seed=0)
    wide = bank.double()
    expected = entropy_candidates(wide, wide, temperature=temperature)
    assert candidates.src.tolist() == [i for i, _, _ in expected]
    assert candidates.dst.tolist() == [j for _, j, _ in expected]
    # The entropy is a difference of logits, each known to eps / T.
    error = 10 * torch.finfo(dtype).eps / temperature
    tolerance = max(TOLERANCE[dtype], error)
    scores = [score for _, _, score in expected]
    assert candidates.score.tolist() == pytest.approx(scores, abs=tolerance)
    mean = -sum(scores) / NUM_SAMPLES
    assert observations['mean_entropy'] == pytest.approx(mean, abs=tolerance)


def test_mine__edges_are_chosen_anew():
    views, bank, graph = make_inputs()
    graph.add_edges(torch.tensor([0, 1, 2, 3]), torch.tensor([9, 9, 9, 9]))
    summary = make_miner().mine(views, bank, graph, 0.5, seed=0)
    assert graph.num_edges == summary.num_accepted == 3
    ranking = sorted(
        entropy_candidates(bank, bank, temperature=0.07),
        key=lambda candidate: -candidate[2],
    )
    best = []
    for i, j, _ in ranking:
        pair = (min(i, j), max(i, j))
        if pair not in best:
            best.append(pair)
    src, dst = graph.edges()
    assert list(zip(src.tolist(), dst.tolist())) == sorted(best[:3])


def test_mine__a_pair_a_sample_stays_below_two_neighbors():
    views, bank, graph = make_inputs()
    summary = make_miner().mine(views, bank, graph, 2.0, seed=0)
    nearest = {
        frozenset((i, j))
        for i, j, _ in entropy_candidates(bank, bank, temperature=0.07)
    }
    assert summary.num_requested == NUM_SAMPLES
    assert summary.num_accepted == len(nearest) <= NUM_SAMPLES - 1


@pytest.mark.parametrize('path', sorted(CONFIGS.rglob('*entropy.py')))
def test_configs__ask_for_less_than_a_pair_a_sample(path):
    train_cfg = Config.fromfile(path).train_cfg
    # The last round is not followed by mining.
    num_minings = train_cfg.max_rounds - 1
    assert num_minings * train_cfg.mining.quota_per_round < 2


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_softmax_entropy__matches_torch(dtype):
    _, bank, _ = make_inputs(dtype)
    feats = F.normalize(torch.randn(3, 5, dtype=dtype), dim=1)
    logits = feats.double() @ bank.double().T / 0.2
    expected = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(
        softmax_entropy(feats, bank, 0.2).double(),
        expected,
        atol=TOLERANCE[dtype],
        rtol=0,
    )


def test_softmax_entropy__of_equal_rows_is_log_n():
    bank = torch.tensor([[1.0, 0.0]]).repeat(6, 1)
    got = softmax_entropy(bank[:1], bank, 0.01)
    assert float(got) == pytest.approx(math.log(6), abs=1e-4)


def test_init__temperature_must_be_positive():
    with pytest.raises(ValueError, match='temperature must be > 0, got 0'):
        make_miner(temperature=0)
