"""Weighted kNN accuracy as a metric of the validation loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmisl.ops import ShardedRows
from mmisl.registry import METRICS

from .knn import KNNGallery, count_classes, vote_ranks
from .rank_metric import RankMetric

# Features (M, D) and labels (M,) of training images.
Gallery = tuple[Tensor | ShardedRows, Tensor]


@METRICS.register_module()
class KNNMetric(RankMetric):
    """kNN accuracy of validation features against one or more galleries.

    A gallery is a set of labelled training features: the memory bank, which
    costs nothing, or features computed anew. ``KNNGalleryHook`` hands them
    over before each validation; they are dropped after it, so that no later
    validation can compare with features of an older network.

    Every sample is judged when its batch arrives. What ranks exchange is one
    rank number per sample and gallery, and the same on 1 or 8 processes.

    Results are named ``knn/<gallery>_top1``, in percent. The true class must
    be among the first k by votes and have a vote: with 3 classes top-5 means
    the classes that any neighbour belongs to, and a class the gallery lacks
    is never right.

    Args:
        k (int): Voters per query, at most the size of the gallery. Defaults
            to 200.
        temperature (float): T of the weight ``exp(cos / T)``; 0.1 for small
            images, 0.07 on ImageNet. Defaults to 0.1.
        topk (Sequence[int]): Defaults to (1, 5).
        collect_device (str): 'cpu' or 'gpu', as in mmengine. Defaults to
            'cpu'.
        prefix (str, optional): First part of the names. Defaults to 'knn'.
        collect_dir (str, optional): As in mmengine. Defaults to None.

    Raises:
        ValueError: If ``k`` or an entry of ``topk`` is smaller than 1, or
            ``temperature`` is not positive.
    """

    default_prefix = 'knn'

    def __init__(
        self,
        k: int = 200,
        temperature: float = 0.1,
        *,
        topk: Sequence[int] = (1, 5),
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
        if k < 1:
            raise ValueError(f'k must be at least 1, got {k}')
        if not temperature > 0:
            raise ValueError(
                f'temperature must be greater than 0, got {temperature}'
            )
        self.k = k
        self.temperature = temperature
        self._galleries: dict[str, KNNGallery] = {}
        self._warned = False

    def set_galleries(self, galleries: Mapping[str, Gallery]) -> None:
        """Take the training features to compare with, until :meth:`evaluate`.

        They are checked and brought to length 1 here, once for all batches:
        one copy of each in float32 is held until then. All ranks must pass
        the same ones; with shards all must call this. If all training images
        are of one class a warning says so, once: the score is of no use then.

        Args:
            galleries (Mapping[str, Gallery]): Name to features (M, D) float,
                a tensor or :class:`ShardedRows`, and labels (M,) int64.

        Raises:
            ValueError: If :class:`KNNGallery` refuses one.
        """
        self._galleries = {
            name: KNNGallery(*gallery) for name, gallery in galleries.items()
        }
        for name, gallery in self._galleries.items():
            if not self._warned and gallery.has_one_class:
                self._warned = True
                print_log(
                    f'kNN: all {len(gallery.labels)} training images of '
                    f'{name!r} are of one class, so that its accuracy says '
                    'nothing; validate on images of several classes, or set '
                    'val_dataloader, val_cfg and val_evaluator to None',
                    logger='current',
                    level=logging.WARNING,
                )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Rank the true class of every sample of a batch.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Each with ``feat`` (D,) float and
                ``gt_label`` (1,) int64.

        Raises:
            RuntimeError: If :meth:`set_galleries` was not called.
            ValueError: If a sample has no feature or no label, or the
                features do not fit the gallery.
        """
        if not self._galleries:
            raise RuntimeError(
                'KNNMetric has no gallery to compare with; add '
                "dict(type='mmisl.KNNGalleryHook') to custom_hooks"
            )
        feats = torch.stack([_field(s, 'feat') for s in data_samples])
        labels = torch.stack([_label(s) for s in data_samples])
        ranks = {
            name: self._ranks(feats, labels, gallery=gallery)
            for name, gallery in self._galleries.items()
        }
        for row in range(len(data_samples)):
            self.results.append({name: ranks[name][row] for name in ranks})

    def evaluate(self, size: int) -> dict:
        """Compute the accuracies over all ranks and drop the galleries.

        Args:
            size (int): Samples of the validation set; the copies that pad
                the last batch are left out.

        Returns:
            dict[str, float]: ``knn/<gallery>_top<k>`` in percent.
        """
        metrics = super().evaluate(size)
        self._galleries = {}
        return metrics

    def _ranks(
        self, feats: Tensor, labels: Tensor, *, gallery: KNNGallery
    ) -> list[int]:
        votes = gallery.votes(
            feats,
            num_classes=max(gallery.num_classes, count_classes(labels)),
            k=self.k,
            temperature=self.temperature,
        )
        return vote_ranks(votes, labels).tolist()


def _label(data_sample: dict) -> Tensor:
    label = _field(data_sample, 'gt_label')
    if label.numel() != 1 or label.item() < 0:
        raise ValueError(
            'gt_label must be one label from 0 on per sample, got '
            f'{label.tolist()}; kNN scores single-label classification'
        )
    return label.reshape(())


def _field(data_sample: dict, name: str) -> Tensor:
    if name not in data_sample:
        cure = {
            'feat': "the model must add it in mode='predict', as ISL does",
            'gt_label': 'kNN needs labels: validate on a labelled data set, '
            'or set val_dataloader, val_cfg and val_evaluator to None',
        }
        raise ValueError(
            f'a data sample has no {name!r}, only {sorted(data_sample)}; '
            f'{cure[name]}'
        )
    return data_sample[name]
