"""Edges of a chosen purity, by labels: an instrument, and no method."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from torch import Tensor

from mmisl.ops import nearest_rows
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from .base import BaseMiner, check_topk
from .edge_selection import Candidates, undirected
from .rows import Rows, Views, mean_view, own_chunks, seeded_generator

_CHUNK_ROWS = 2048
_CURE = (
    'write it: python tools/extract_features.py CONFIG untrained {path}, with '
    'a config of the training images'
)


@MODELS.register_module()
class LabelMiner(BaseMiner):
    """Proposes pairs of which a given share is of one class.

    It answers what a miner would be worth if it were so pure, and how pure
    one has to be. Among the nearest rows of the mean of the views, wrong
    pairs are those that a miner would fall for, and right ones those that
    the features hold together already; drawn from all rows, right ones are
    what no miner finds. A run with it has seen labels, and is no row beside
    methods that have not.

    Args:
        labels (str): File with the (N,) integer classes of the training set,
            by ``sample_idx``: ``.npy``, or ``.npz`` with an array ``labels``,
            as ``tools/extract_features.py`` writes it.
        purity (float): Share of the pairs of a mining that are of one class,
            in [0, 1]. Defaults to 1.
        topk (int): Rows a sample among which both kinds are looked for.
            Defaults to 50.
        source (str): ``'nearest'``: these are its nearest rows, best first;
            ``'random'``: drawn from all, with replacement, and so is their
            order. Defaults to ``'nearest'``.
        **kwargs: Of :class:`BaseMiner`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        labels: str,
        *,
        purity: float = 1.0,
        topk: int = 50,
        source: str = 'nearest',
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= purity <= 1:
            raise ValueError(f'purity must lie in [0, 1], got {purity}')
        if source not in ('nearest', 'random'):
            raise ValueError(
                f"source must be 'nearest' or 'random', got {source!r}"
            )
        self.labels = labels
        self.purity = purity
        self.topk = check_topk(topk)
        self.source = source

    def check_inputs(self, num_samples: int) -> None:
        """Read the labels once: better now than when they are wanted."""
        read_labels(self.labels, num_samples)

    @torch.no_grad()
    def propose(
        self, views: Views, bank: Rows, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """See :meth:`BaseMiner.propose`; drawn is what ``source`` says.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it has no labels, or another number of them.
        """
        feats = mean_view(views)
        labels = read_labels(self.labels, len(feats)).to(feats.device)
        parts = []
        for chunk, rows in own_chunks(
            len(feats), _CHUNK_ROWS, feats.device, description='labelled pairs'
        ):
            if self.source == 'nearest':
                score, row = nearest_rows(
                    feats[rows], feats, self.topk, exclude=rows
                )
            else:
                rng = seeded_generator(feats.device, seed, chunk)
                shape = (len(rows), self.topk)
                score = torch.rand(shape, generator=rng, device=feats.device)
                row = torch.randint(
                    len(feats), shape, generator=rng, device=feats.device
                )
            src = rows.unsqueeze(1).expand_as(row)
            parts.append(
                Candidates(
                    src.flatten(), row.flatten(), score.flatten().double()
                )
            )
        pairs = Candidates.cat(parts).gather()
        src, dst, score = undirected(pairs, len(feats), self.mutual)
        # Edges that are there already would take places of their kind.
        fresh = ~graph.contains(src, dst)
        src, dst, score = src[fresh], dst[fresh], score[fresh]
        score = _interleaved(score, labels[src] == labels[dst], self.purity)
        # Of a kind that is not wanted there is nothing to propose.
        wanted = score.isfinite().nonzero().flatten()
        own = wanted[get_rank() :: get_world_size()]
        src, dst, score = src[own], dst[own], score[own]
        # From both ends, as `mutual` asks for and is seen to above.
        return Candidates.cat(
            [Candidates(src, dst, score), Candidates(dst, src, score)]
        ), {}


def read_labels(path: str, num_samples: int) -> Tensor:
    """(N,) int64 classes out of a file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no labels, or another number of them.
    """
    try:
        loaded = np.load(path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'miner.labels {path} does not exist; {_CURE.format(path=path)}'
        ) from None
    if not isinstance(loaded, np.ndarray) and 'labels' not in loaded:
        raise ValueError(
            f'miner.labels {path} has arrays {", ".join(loaded)}, but no '
            f"'labels'; {_CURE.format(path=path)}"
        )
    labels = loaded if isinstance(loaded, np.ndarray) else loaded['labels']
    if labels.shape != (num_samples,):
        raise ValueError(
            f'{path} has labels of shape {labels.shape}, but the training '
            f'set has {num_samples} samples; write it from the same images'
        )
    return torch.from_numpy(labels.astype(np.int64))


def _interleaved(score: Tensor, right: Tensor, purity: float) -> Tensor:
    """Scores by which the best n pairs have the purity, for every n.

    Each kind keeps its own order. The k-th right pair takes the place
    k / purity and the k-th wrong one k / (1 - purity), as two clocks that
    tick at these rates.
    """
    place = torch.full_like(score, torch.inf)
    for kind, share in ((right, purity), (~right, 1 - purity)):
        if share > 0:
            places = kind.nonzero().flatten()
            order = score[places].argsort(descending=True, stable=True)
            ticks = torch.arange(1, len(order) + 1, device=score.device)
            place[places[order]] = ticks.to(place) / share
    return -place
