"""Anchor neighbourhood discovery: the most certain samples first."""

from __future__ import annotations

import torch
from torch import Tensor

from mmisl.ops import bank_softmax
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from .base import BaseMiner
from .edge_selection import Candidates
from .knn_miner import nearest_rows


@MODELS.register_module()
class EntropyMiner(BaseMiner):
    """Pairs the samples of lowest entropy with their nearest row.

    The rule of AND (Huang et al., "Unsupervised Deep Learning by
    Neighbourhood Discovery", ICML 2019): a sample whose softmax over the bank
    has low entropy lies in a clear neighbourhood, so it becomes an anchor
    with its one nearest row. Edges are chosen anew every round, so a wrong
    one can leave.

    AND takes r * 25 % of the samples in round r; ``quota_per_round=0.5`` asks
    for that many edges.

    # Deviates from AND: edges are symmetric here, one-sided there.

    Args:
        temperature (float): Of the softmax. Defaults to 0.07.
        max_degree (int, optional): See :class:`BaseMiner`.
        mutual (bool): See :class:`BaseMiner`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        *,
        max_degree: int | None = None,
        mutual: bool = False,
    ) -> None:
        super().__init__(max_degree, mutual=mutual)
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        self.temperature = temperature

    @torch.no_grad()
    def propose(
        self, views: Tensor, bank: Tensor, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """See :meth:`BaseMiner.propose`; clears the graph first.

        Entropy and nearest row are both those of the bank, as in AND's
        released code (``lib/ans_discovery.py``); the views are not read.
        """
        graph.clear()
        entropy = torch.cat(
            [
                softmax_entropy(part, bank, self.temperature)
                for part in bank.split(4096)
            ]
        )
        _, nearest = nearest_rows(bank, 1)
        src = torch.arange(len(bank), device=bank.device)
        candidates = Candidates(src, nearest[:, 0], -entropy.double())
        return candidates, dict(mean_entropy=float(entropy.mean()))


def softmax_entropy(feats: Tensor, bank: Tensor, temperature: float) -> Tensor:
    """Entropy, in nats, of the softmax over the bank.

    Args:
        feats (Tensor): (B, D) float, norm 1.
        bank (Tensor): (N, D) float, norm 1.
        temperature (float): T > 0.

    Returns:
        Tensor: (B,) in [0, log N].
    """
    lse, mean = bank_softmax(feats, bank, temperature)
    return lse - (mean * feats).sum(1) / temperature
