"""Do two samples vote for the same rows?"""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from .rows import gather_rows

# Values looked up at a time.
_VALUES_AT_ONCE = 2**22


class Ballots(NamedTuple):
    """Rows that every sample votes for; W is the longest ballot.

    Attributes:
        rows: (N, W) int64, ascending; N where a ballot is shorter.
        votes: (N, W) int64, votes for these rows; 0 where it is shorter.
    """

    rows: Tensor
    votes: Tensor

    def shared(self, src: Tensor, dst: Tensor) -> Tensor:
        r"""Inner product of the votes of two samples.

        With :math:`h_i(k)` the votes of sample i for row k, a pair (i, j)
        has :math:`\sum_k h_i(k) h_j(k)`.

        Args:
            src (Tensor): (M,) int64.
            dst (Tensor): (M,) int64.

        Returns:
            Tensor: (M,) int64.
        """
        width = self.rows.shape[1]
        at_once = max(1, _VALUES_AT_ONCE // width)
        parts = []
        for one, other in zip(src.split(at_once), dst.split(at_once)):
            rows = self.rows[one]
            within = self.rows[other]
            slot = torch.searchsorted(within, rows).clamp_max(width - 1)
            same = within.gather(1, slot) == rows
            votes = self.votes[other].gather(1, slot)
            parts.append((self.votes[one] * votes * same).sum(1))
        return torch.cat(parts)


def cast_ballots(
    own: Tensor,
    src: Tensor,
    dst: Tensor,
    votes: Tensor,
    num_samples: int,
    self_votes: int,
) -> Ballots:
    """Put the votes of all samples together; the same on all ranks.

    Args:
        own (Tensor): (B,) int64, samples of this rank; each has one rank.
        src (Tensor): (M,) int64, of them.
        dst (Tensor): (M,) int64, never ``src``; each pair occurs once.
        votes (Tensor): (M,) int64, at least 1.
        num_samples (int): N.
        self_votes (int): Votes of every sample for itself.

    Returns:
        Ballots: Of all N samples.
    """
    src, dst = torch.cat([src, own]), torch.cat([dst, own])
    votes = torch.cat([votes, torch.full_like(own, self_votes)])
    order = torch.argsort(src * num_samples + dst)
    src, dst, votes = src[order], dst[order], votes[order]
    length = torch.bincount(src, minlength=num_samples)  # (N,)
    first = length.cumsum(0) - length
    slot = torch.arange(len(src), device=src.device) - first[src]
    width = length.max()
    all_reduce(width, 'max')
    rows = dst.new_full((num_samples, int(width)), num_samples)
    rows[src, slot] = dst
    counts = torch.zeros_like(rows)
    counts[src, slot] = votes
    return Ballots(
        gather_rows(own, rows[own], num_samples),
        gather_rows(own, counts[own], num_samples),
    )
