"""Which labelled features a kNN metric votes with."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmisl.datasets import InstanceDataset
from mmisl.evaluation import KNNMetric
from mmisl.ops import ShardedRows
from mmisl.registry import HOOKS

from ..feature_extraction import extract_features, extract_shards
from ..gallery import gallery_loader
from ..unwrapping import unwrap_model


@HOOKS.register_module()
class KNNGalleryHook(Hook):
    """Hands the training set's features and labels to ``KNNMetric``.

    During training the gallery is the memory bank, which costs nothing; it
    holds running features of augmented views. The last validation of a run,
    every test, and every validation of an algorithm without a bank, also
    votes with features of the training images encoded anew under the test
    transforms: ``knn/recomputed_top1`` is the number to report.

    # Deviates from the released code (``test.py``): its recomputation writes
    # into the bank that training goes on with, and puts the last partial
    # batch into the wrong rows.

    The config's ``gallery_dataloader`` gives the training images under the
    test transforms: an :class:`mmisl.InstanceDataset` with an
    :class:`mmisl.InstanceSampler`.
    """

    priority = 'NORMAL'

    def before_val_epoch(self, runner: Runner) -> None:
        """Vote with the bank; at the end of the run also recomputed."""
        loop = runner.train_loop
        labels = _labels(loop.dataloader.dataset)
        memory = unwrap_model(runner.model).memory
        galleries = {}
        if memory is not None:
            galleries['bank'] = (memory.rows, labels)
        if memory is None or loop.epoch >= loop.max_epochs:
            galleries['recomputed'] = self._recompute(runner)
        _set_galleries(runner.val_loop.evaluator.metrics, galleries)

    def before_test_epoch(self, runner: Runner) -> None:
        """Vote with the bank of the checkpoint, and recomputed."""
        feats, labels = self._recompute(runner)
        galleries = dict(recomputed=(feats, labels))
        memory = unwrap_model(runner.model).memory
        if memory is not None and memory.num_samples:
            galleries['bank'] = (memory.rows, labels)
        _set_galleries(runner.test_loop.evaluator.metrics, galleries)

    def _recompute(
        self, runner: Runner
    ) -> tuple[Tensor | ShardedRows, Tensor]:
        loader = gallery_loader(runner)
        dataset: Any = loader.dataset
        memory = unwrap_model(runner.model).memory
        # Without a bank features may be wide: 21 GB behind AlexNet's fc7 on
        # ImageNet, so every rank keeps its share.
        is_split = memory is None or memory.is_split
        extract = extract_shards if is_split else extract_features
        feats = extract(
            runner.model, loader, dataset.num_instances, description='gallery'
        )
        return feats, _labels(dataset)


def _labels(dataset: InstanceDataset) -> Tensor:
    labels = dataset.labels()
    if labels is None:
        raise ValueError(
            'kNN needs labels of the training images, but the training set '
            'has none; set val_cfg, val_dataloader and val_evaluator to None '
            'to train without validation'
        )
    return labels


def _set_galleries(
    metrics: list, galleries: dict[str, tuple[Tensor | ShardedRows, Tensor]]
) -> None:
    for metric in metrics:
        if isinstance(metric, KNNMetric):
            metric.set_galleries(galleries)
