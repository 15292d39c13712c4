"""Plain nearest neighbours: the control that every claim needs."""

from __future__ import annotations

import torch
from mmengine.dist import get_world_size
from torch import Tensor

from mmisl.ops import SEARCH_BACKENDS, nearest_rows
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from .base import BaseMiner, check_search, check_topk
from .edge_selection import Candidates
from .rows import Rows, Views, gather_rows, mean_view, own_chunks

_CHUNK_ROWS = 2048
# Of lists that are compared at a time.
_ENTRIES = 2**24


@MODELS.register_module()
class KNNMiner(BaseMiner):
    """Proposes the nearest rows of every sample.

    Args:
        topk (int): Neighbours proposed per sample. Defaults to 10.
        skip (int): Nearest rows that are passed over first: pairs which are
            near already teach little. With ``mutual`` both ends pass the
            other over. Defaults to 0.
        source (str): Features compared: ``'bank'``, or ``'mean_view'``, the
            mean of the augmented views. Defaults to ``'bank'``.
        ranking (str): ``'similarity'`` (cosine), or ``'shared_neighbors'``:
            how many of the ``num_shared`` nearest rows two samples have in
            common, equal counts by cosine. Defaults to ``'similarity'``.
        num_shared (int): Length of the lists that are compared. On frozen
            features of 10,000 CIFAR-10 images (mean of 8 views, cap 20) 20,
            80, 160 and 320 gave 50.4, 53.6, 54.0 and 55.0 % pure edges at
            0.5 a sample, and 42.5, 45.0, 46.1 and 45.8 % at 2: see
            docs/results.md. Defaults to 20.
        search (str): Backend of :func:`mmisl.ops.nearest_rows`. The
            approximate ``'faiss_ivf'`` builds its index once a round and
            logs its recall. Defaults to ``'auto'``, which is exact.
        **kwargs: Of :class:`BaseMiner`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        topk: int = 10,
        *,
        skip: int = 0,
        source: str = 'bank',
        ranking: str = 'similarity',
        num_shared: int = 20,
        search: str = 'auto',
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if source not in ('bank', 'mean_view'):
            raise ValueError(
                f"source must be 'bank' or 'mean_view', got {source!r}"
            )
        if ranking not in ('similarity', 'shared_neighbors'):
            raise ValueError(
                "ranking must be 'similarity' or 'shared_neighbors', got "
                f'{ranking!r}'
            )
        if skip < 0:
            raise ValueError(f'skip must be >= 0, got {skip}')
        if num_shared < 1:
            raise ValueError(f'num_shared must be >= 1, got {num_shared}')
        self.search = check_search(search, SEARCH_BACKENDS)
        self.topk = check_topk(topk)
        self.skip = skip
        self.source = source
        self.ranking = ranking
        self.num_shared = num_shared

    @torch.no_grad()
    def propose(
        self, views: Views, bank: Rows, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """See :meth:`BaseMiner.propose`; nothing here is random."""
        feats = bank if self.source == 'bank' else mean_view(views)
        proposed = slice(self.skip, self.skip + self.topk)
        depth = proposed.stop
        if self.ranking == 'shared_neighbors':
            depth = max(depth, self.num_shared)
        # An approximate index is built anew by each call: one for all rows.
        one_call = -(-len(feats) // get_world_size())
        chunk_rows = one_call if self.search == 'faiss_ivf' else _CHUNK_ROWS
        shares, cosines, lists = [], [], []
        for _, rows in own_chunks(
            len(feats),
            chunk_rows,
            feats.device,
            description='nearest neighbours',
        ):
            cosine, row = nearest_rows(
                feats[rows],
                feats,
                depth,
                exclude=rows,
                backend=self.search,
            )
            shares.append(rows)
            cosines.append(cosine[:, proposed])
            lists.append(row)
        own, nearest = torch.cat(shares), torch.cat(lists)
        score = torch.cat(cosines).double()  # (M, k)
        src = own.unsqueeze(1).expand_as(score).flatten()
        dst = nearest[:, proposed].flatten()
        score = score.flatten()
        if self.ranking == 'shared_neighbors':
            compared = gather_rows(
                own, nearest[:, : self.num_shared], len(feats)
            )
            shared = _count_shared(compared, src, dst)
            # Cosine lies in [-1, 1]: it orders equal counts, nothing more.
            score = shared.double() + 0.25 * score
        found = dst >= 0  # an approximate search may find too few
        return Candidates(src[found], dst[found], score[found]), {}


def _count_shared(nearest: Tensor, src: Tensor, dst: Tensor) -> Tensor:
    """Size of the intersection of two samples' lists, (M,) int64."""
    num_pairs = max(1, _ENTRIES // (2 * nearest.shape[1]))
    parts = []
    for one, other in zip(src.split(num_pairs), dst.split(num_pairs)):
        both = torch.cat([nearest[one], nearest[other]], 1).sort(1).values
        # A row stands once in a list: what stands twice is in both. Those
        # that a search did not find are negative, and in no list.
        twice = (both[:, 1:] == both[:, :-1]) & (both[:, 1:] >= 0)
        parts.append(twice.sum(1))
    return torch.cat(parts)
