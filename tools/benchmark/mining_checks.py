"""Whether mining finds on a device what it finds on the CPU."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
from mining import DEGREE, FEAT_DIM, SEED, clustered_features
from torch import Tensor

from mmisl.evaluation import graph_statistics
from mmisl.models import GANMiner, KNNMiner
from mmisl.models.miners import BaseMiner
from mmisl.models.stage_summaries import MiningSummary
from mmisl.structures import NeighborGraph

# Rounding decides between equal rivals, and devices round differently.
MIN_AGREEMENT = 99.0
# Points of purity: training on another device draws other batches.
MAX_PURITY_GAP = 2.0
NUM_ANCHORS = 256

Finding = tuple[str, str, str, bool | None]


def compare_knn(num_samples: int, device: str) -> Iterator[Finding]:
    """Edges of nearest neighbours, which nothing random is in.

    Yields:
        Finding: What, figure, target, and whether it is met.
    """
    views, bank, _ = clustered_features(num_samples)
    there = _mine(KNNMiner(), views, bank, device)[0]
    here = _mine(KNNMiner(), views, bank, 'cpu')[0]
    yield _agreement('KNNMiner: edges as on the CPU', here, there)


def compare_gan(
    num_samples: int, device: str, iterations: int
) -> Iterator[Finding]:
    """A GAN trained on each device, and one that both mine with.

    Yields:
        Finding: What, figure, target, and whether it is met; None where
        nothing is asked.
    """
    views, bank, cluster = clustered_features(num_samples)
    torch.manual_seed(SEED)
    training = dict(
        min_iters=iterations, max_iters=iterations, eval_interval=iterations
    )
    # Loose thresholds: after so few iterations the scores are near a half.
    miner = GANMiner(
        FEAT_DIM,
        score_thr=0.0,
        sim_thr=-0.5,
        generator='residual',
        training=training,
    )
    trained_there = copy.deepcopy(miner)
    here, _ = _mine(miner, views, bank, 'cpu')
    there, summary = _mine(trained_there, views, bank, device)
    # All rows are drawn, so the negatives do not depend on the device.
    miner.sampler.num_draws = 32 * num_samples
    yield _agreement(
        'GANMiner, one GAN: pairs as on the CPU',
        _propose(miner, views, bank, 'cpu'),
        _propose(copy.deepcopy(miner), views, bank, device),
    )
    gap = summary.observations['gan_gap']
    yield (
        'GANMiner, trained there: gap of the scores',
        f'{gap:+.3f}',
        'finite',
        math.isfinite(gap),
    )
    purity = [100 * _purity(keys, cluster) for keys in (here, there)]
    yield (
        'GANMiner, trained there: purity',
        f'{purity[1]:.1f} %, on the CPU {purity[0]:.1f} %, '
        f'{len(there):,} and {len(here):,} edges',
        f'edges, apart by <= {MAX_PURITY_GAP:.0f} points',
        len(there) > 0 and abs(purity[1] - purity[0]) <= MAX_PURITY_GAP,
    )
    what, figure, _, _ = _agreement(
        'GANMiner, trained there: edges as on the CPU', here, there
    )
    yield what, figure, '-', None


def _mine(
    miner: BaseMiner, views: Tensor, bank: Tensor, device: str
) -> tuple[Tensor, MiningSummary]:
    """Undirected edges (E,) as i * N + j, i < j, and the summary."""
    graph = NeighborGraph(len(bank)).to(device)
    summary = miner.to(device).mine(
        views.to(device), bank.to(device), graph, DEGREE, seed=SEED
    )
    row = torch.arange(len(bank)).repeat_interleave(graph.degrees.cpu())
    col = graph.indices.cpu().long()
    return (row * len(bank) + col)[row < col], summary


def _propose(
    miner: GANMiner, views: Tensor, bank: Tensor, device: str
) -> Tensor:
    """Pairs that proxies of some samples accept, (M,) as i * N + j."""
    rows = torch.arange(min(NUM_ANCHORS, len(bank)), device=device)
    pairs = miner.to(device).propose_pass(
        views[0].to(device)[rows],
        rows,
        bank.to(device),
        NeighborGraph(len(bank)).to(device),
        torch.Generator(device).manual_seed(SEED),
    )
    return (pairs.src * len(bank) + pairs.dst).cpu()


def _agreement(what: str, here: Tensor, there: Tensor) -> Finding:
    common = int(torch.isin(here, there).sum())
    union = len(here) + len(there) - common
    share = 100 * common / union if union else 0.0
    return (
        what,
        f'{share:.2f} % of {union:,}',
        f'>= {MIN_AGREEMENT:.0f} %',
        share >= MIN_AGREEMENT,
    )


def _purity(keys: Tensor, cluster: Tensor) -> float:
    """Share of the edges within a cluster; 0 without edges."""
    graph = NeighborGraph(len(cluster))
    graph.add_edges(keys // len(cluster), keys % len(cluster))
    statistics = graph_statistics(graph.indptr, graph.indices, labels=cluster)
    return statistics.get('purity', 0.0)
