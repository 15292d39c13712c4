"""Accuracy of several classifiers of the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmisl.registry import METRICS

from .rank_metric import RankMetric, class_ranks


@METRICS.register_module()
class ProbeAccuracy(RankMetric):
    """Top-1 and top-5 of every probe, as ``mmisl.LinearProbes`` predicts.

    Every image is judged when its batch arrives: what is kept, and exchanged
    between ranks, is one rank number an image and probe instead of a score
    for every class, 1 GB for five probes on ImageNet. Images that a sampler
    repeats to keep ranks in step come last, and are left out.

    Results are named ``probe/<stage>_top<k>``, in percent. Classes of equal
    score rank in order of their number.

    Args:
        topk (Sequence[int]): The true class must be among the first so many.
            Defaults to (1, 5).
        collect_device (str): 'cpu' or 'gpu', as in mmengine. Defaults to
            'cpu'.
        prefix (str, optional): First part of the names. Defaults to 'probe'.
        collect_dir (str, optional): As in mmengine. Defaults to None.

    Raises:
        ValueError: If an entry of ``topk`` is smaller than 1.
    """

    default_prefix = 'probe'

    def __init__(
        self,
        topk: Sequence[int] = (1, 5),
        *,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(
            topk,
            collect_device=collect_device,
            prefix=prefix,
            collect_dir=collect_dir,
        )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Rank the true class of every image of a batch, by every probe.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Each with ``probe_scores``, (C,)
                float by stage, and ``gt_label`` (1,) int64.

        Raises:
            ValueError: If a sample has no scores or no label, if there are
                fewer classes than an entry of ``topk``, or a score is NaN or
                infinite.
        """
        labels = torch.cat([_field(s, 'gt_label') for s in data_samples])
        all_scores = [_field(s, 'probe_scores') for s in data_samples]
        ranks = {
            stage: self._ranks(
                stage, torch.stack([s[stage] for s in all_scores]), labels
            )
            for stage in all_scores[0]
        }
        for row in range(len(data_samples)):
            self.results.append({stage: ranks[stage][row] for stage in ranks})

    def _ranks(self, stage: str, scores: Tensor, labels: Tensor) -> list[int]:
        """Classes before the true one, per image; scores are (B, C)."""
        num_classes = scores.size(1)
        if num_classes < max(self.topk):
            raise ValueError(
                f'topk {self.topk} needs {max(self.topk)} classes, but the '
                f'probes know {num_classes}; leave {max(self.topk)} out'
            )
        if not scores.isfinite().all():
            raise ValueError(
                f'scores of the probe on {stage} are NaN or infinite; its '
                'training has diverged: lower optim_wrapper.optimizer.lr'
            )
        return class_ranks(scores, labels).tolist()


def _field(data_sample: Mapping[str, Any], name: str) -> Any:
    if name not in data_sample:
        cure = {
            'probe_scores': 'only mmisl.LinearProbes gives them',
            'gt_label': 'validate on a labelled data set',
        }
        raise ValueError(
            f'a data sample has no {name!r}, only {sorted(data_sample)}; '
            f'{cure[name]}'
        )
    return data_sample[name]
