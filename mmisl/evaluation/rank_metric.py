"""Where the true class stands among all, and metrics made of that."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor


def class_ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """Classes that come before the true one, 0 for the winner.

    Equal scores rank in order of the class number, so the result does not
    depend on how a sort breaks ties.

    Args:
        scores (Tensor): (B, C) float.
        labels (Tensor): (B,) int64 in [0, C), on any device.

    Returns:
        Tensor: (B,) int64 in [0, C), on the device of ``scores``.
    """
    labels = labels.to(scores.device)[:, None]
    own = scores.gather(1, labels)  # (B, 1)
    classes = torch.arange(scores.size(1), device=scores.device)
    ahead = (scores > own) | ((scores == own) & (classes < labels))
    return ahead.sum(1)


class RankMetric(BaseMetric):
    """Top-k accuracies of several classifiers, from one rank number each.

    A subclass appends to ``results``, for each sample, a dict of the
    classifier's name to the rank of the true class. That is all that is kept
    and exchanged between ranks; copies that pad the last batch come last and
    are left out.

    Args:
        topk (Sequence[int]): The true class must be among the first so many.
        collect_device (str): 'cpu' or 'gpu', as in mmengine.
        prefix (str, optional): First part of the names.
        collect_dir (str, optional): As in mmengine.

    Raises:
        ValueError: If ``topk`` is empty or an entry is smaller than 1.
    """

    def __init__(
        self,
        topk: Sequence[int],
        *,
        collect_device: str,
        prefix: str | None,
        collect_dir: str | None,
    ) -> None:
        super().__init__(
            collect_device=collect_device,
            prefix=prefix,
            collect_dir=collect_dir,
        )
        if not topk or min(topk) < 1:
            raise ValueError(
                'topk must hold one or more numbers from 1 on, got '
                f'{tuple(topk)}'
            )
        self.topk = tuple(topk)

    def compute_metrics(self, results: list[dict[str, int]]) -> dict:
        """Turn ranks into accuracies.

        Args:
            results (list[dict[str, int]]): Per sample, name to rank.

        Returns:
            dict[str, float]: ``<name>_top<k>`` in percent.

        Raises:
            ValueError: If there is no result.
        """
        if not results:
            raise ValueError(
                f'{type(self).__name__} saw no sample; is the validation set '
                'empty?'
            )
        return {
            f'{name}_top{n}': 100
            * sum(result[name] < n for result in results)
            / len(results)
            for name in results[0]
            for n in self.topk
        }
