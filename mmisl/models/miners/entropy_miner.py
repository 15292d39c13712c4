"""Anchor neighbourhood discovery: the most certain samples first."""

from __future__ import annotations

import torch
from torch import Tensor

from mmisl.ops import bank_softmax, nearest_rows
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from .base import BaseMiner
from .edge_selection import Candidates
from .rows import Rows, Views, gather_rows, own_chunks

_CHUNK_ROWS = 4096


@MODELS.register_module()
class EntropyMiner(BaseMiner):
    """Pairs the samples of lowest entropy with their nearest row.

    The rule of AND (Huang et al., "Unsupervised Deep Learning by
    Neighbourhood Discovery", ICML 2019): a sample whose softmax over the bank
    has low entropy lies in a clear neighbourhood, so it becomes an anchor
    with its one nearest row. Edges are chosen anew every round, so a wrong
    one can leave.

    AND takes r * 25 % of the samples in round r; ``quota_per_round=0.5`` asks
    for that many edges. One pair a sample is all that is proposed, and the two
    most similar samples propose the same one, so at most N - 1 edges are
    found: a quota, of all rounds together, has to stay below 2 neighbours per
    sample. Near the bound every pair is taken and entropy ranks nothing.

    # Deviates from AND: edges are symmetric here, one-sided there.

    Args:
        temperature (float): Of the softmax. Defaults to 0.07.
        **kwargs: Of :class:`BaseMiner`, but for ``reselect``: edges are
            always chosen anew.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        **kwargs,
    ) -> None:
        super().__init__(reselect=True, **kwargs)
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        self.temperature = temperature

    @torch.no_grad()
    def propose(
        self, views: Views, bank: Rows, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """See :meth:`BaseMiner.propose`.

        Entropy and nearest row are both those of the bank, as in AND's
        released code (``lib/ans_discovery.py``); the views are not read.
        """
        shares, entropies, nearest = [], [], []
        for _, rows in own_chunks(
            len(bank), _CHUNK_ROWS, bank.device, description='entropies'
        ):
            feats = bank[rows]
            entropy = softmax_entropy(feats, bank, self.temperature)
            _, row = nearest_rows(feats, bank, 1, exclude=rows)
            shares.append(rows)
            entropies.append(entropy)
            nearest.append(row[:, 0])
        src, entropy = torch.cat(shares), torch.cat(entropies)
        candidates = Candidates(src, torch.cat(nearest), -entropy.double())
        mean = gather_rows(src, entropy, len(bank)).mean()
        return candidates, dict(mean_entropy=float(mean))


def softmax_entropy(feats: Tensor, bank: Rows, temperature: float) -> Tensor:
    """Entropy, in nats, of the softmax over the bank.

    Args:
        feats (Tensor): (B, D) float, norm 1.
        bank (Rows): (N, D) float, norm 1.
        temperature (float): T > 0.

    Returns:
        Tensor: (B,) in [0, log N].
    """
    lse, mean = bank_softmax(feats, bank, temperature)
    return lse - (mean * feats).sum(1) / temperature
