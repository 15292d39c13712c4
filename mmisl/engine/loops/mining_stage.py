"""What comes before and after the mining between two rounds."""

from __future__ import annotations

import logging
import math
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from mmisl.datasets import InstanceSampler
from mmisl.evaluation import (
    cluster_statistics,
    cluster_warnings,
    graph_statistics,
    mining_warnings,
)
from mmisl.ops import ShardedRows

from ..feature_extraction import extract_features, extract_shards
from ..gallery import gallery_loader

# 2 GiB: 8 views of ImageNet would take 5.2 GB in single precision.
_HALF_VIEWS_FROM = 2**31


def encode_augmented(
    model, dataloader: DataLoader, *, first_view: int, num_views: int, seed
) -> list[Tensor | ShardedRows]:
    """Augmented views of every sample.

    Args:
        model: An algorithm, not wrapped; sharded where its bank is.
        dataloader (DataLoader): Of the training.
        first_view (int): Number of the first view; views of other numbers
            are augmented with other random numbers.
        num_views (int): V.
        seed (int): Of the run.

    Returns:
        list[Tensor | ShardedRows]: V of (N, D), norm 1, float32; in half
        precision where they would exceed 2 GiB.
    """
    dataset: Any = dataloader.dataset
    is_split = model.memory is not None and model.memory.is_split
    extract = extract_shards if is_split else extract_features
    views = []
    for view in range(num_views):
        sampler = InstanceSampler(
            dataset, seed=seed, view=first_view + view, unique=True
        )
        loader = DataLoader(
            dataset,
            batch_size=dataloader.batch_size,
            sampler=sampler,
            num_workers=dataloader.num_workers,
            collate_fn=dataloader.collate_fn,
        )
        feats = extract(
            model,
            loader,
            dataset.num_instances,
            mode=model.mining_mode,
            description=f'view {view + 1}/{num_views}',
            augment=True,
        )
        views.append(_narrow(feats, num_views))
    return views


def encode_plain(model, runner: Runner, num_samples: int) -> ShardedRows:
    """Images under the test transforms; features stay on the host.

    They may be wide (4,096 values behind AlexNet), so every rank keeps those
    that it has encoded.

    Args:
        model: An algorithm, not wrapped.
        runner (Runner): Whose config has a ``gallery_dataloader``.
        num_samples (int): N.

    Returns:
        ShardedRows: (N, C), on the host.
    """
    return extract_shards(
        model,
        gallery_loader(runner),
        num_samples,
        mode=model.mining_mode,
        description='features',
        device='cpu',
    )


def report_stage(runner: Runner, model, summary, round_idx: int) -> None:
    """Log numbers of the stage, and say at once when it went wrong.

    Args:
        runner (Runner): Whose visualizer takes the numbers.
        model: An algorithm, not wrapped, after the stage.
        summary: What the stage returned.
        round_idx (int): From 0.
    """
    labels = runner.train_dataloader.dataset.labels()
    statistics: dict[str, float] = {}
    warnings: list[str] = []
    if model.graph is not None:
        statistics = graph_statistics(
            model.graph.indptr, model.graph.indices, labels=labels
        )
        warnings = mining_warnings(
            statistics,
            requested_edges=summary.num_requested,
            accepted_edges=summary.num_accepted,
            refused_edges=summary.num_refused,
            gan_gap=summary.observations.get('gan_gap'),
        )
    elif model.clusters is not None:
        statistics = cluster_statistics(
            model.clusters.assignments,
            model.clusters.num_clusters,
            labels=labels,
        )
        warnings = cluster_warnings(statistics)
    scalars = {
        f'mining/{name}': value
        for name, value in {
            'round': round_idx,
            **summary.as_scalars(),
            **statistics,
        }.items()
    }
    runner.visualizer.add_scalars(scalars, step=runner.epoch)
    text = ', '.join(
        f'{name.removeprefix("mining/")} {value:.4g}'
        for name, value in scalars.items()
    )
    print_log(f'Mining of round {round_idx}: {text}', logger='current')
    for warning in warnings:
        print_log(
            f'Mining of round {round_idx}: {warning}',
            logger='current',
            level=logging.WARNING,
        )


def mining_settings(model, given: dict, max_rounds: int) -> dict:
    """Settings of mining, as far as the algorithm has them.

    Args:
        model: An algorithm, not wrapped.
        given (dict): ``train_cfg.mining``.
        max_rounds (int): Of the run.

    Returns:
        dict: ``num_views``, ``quota_per_round`` and ``refresh_bank``.

    Raises:
        ValueError: If a key is unknown or missing, or out of range, or if
            the number of rounds does not go with the algorithm.
    """
    name = type(model).__name__
    if model.mining_views is None and max_rounds > 1:
        raise ValueError(
            f'train_cfg.max_rounds is {max_rounds}, but {name} looks for no '
            'positives between rounds; set it to 1, with all epochs in '
            'train_cfg.encoder.max_epochs'
        )
    if model.clusters is not None and max_rounds == 1:
        raise ValueError(
            f'train_cfg.max_rounds is 1, but {name} clusters its samples '
            'between rounds; give it a round for each epoch that clusters '
            'come before'
        )
    nothing = dict(num_views=0, quota_per_round=0.0, refresh_bank=False)
    takes_views = model.mining_views == 'augmented'
    if not takes_views or (max_rounds == 1 and not given):
        return {**nothing, **take('mining', given)}
    mining = take(
        'mining',
        given,
        num_views=None,
        quota_per_round=None,
        refresh_bank=False,
    )
    if mining['num_views'] < 1 or mining['quota_per_round'] < 0:
        raise ValueError(
            'mining needs num_views >= 1 and quota_per_round >= 0, got '
            f'{mining["num_views"]} and {mining["quota_per_round"]}'
        )
    if mining['num_views'] < model.min_mining_views:
        raise ValueError(
            f'train_cfg.mining.num_views is {mining["num_views"]}, but the '
            'gate of the miner looks for edges in views that they were not '
            'mined from; set it to 2 or more, or model.miner.min_replication '
            'to None'
        )
    return mining


def take(name: str, given: dict, **defaults) -> dict:
    """Fill in defaults; None marks a key that must be given.

    Args:
        name (str): Of the part of ``train_cfg``.
        given (dict): What the config has there.
        **defaults: All keys that it may have.

    Raises:
        ValueError: If a key is unknown or missing.
    """
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        allowed = ', '.join(defaults) or 'none with this algorithm'
        raise ValueError(
            f'train_cfg.{name} has no key {unknown[0]!r}; it takes {allowed}'
        )
    filled = {**defaults, **given}
    for key, value in filled.items():
        if value is None:
            raise ValueError(f'train_cfg.{name} needs the key {key!r}')
    return filled


def _narrow(
    feats: Tensor | ShardedRows, num_views: int
) -> Tensor | ShardedRows:
    """A view; in half precision where all of them together are large."""
    num_bytes = num_views * math.prod(feats.shape) * feats.dtype.itemsize
    if num_bytes <= _HALF_VIEWS_FROM:
        return feats
    if isinstance(feats, ShardedRows):
        return feats.map(Tensor.half)
    return feats.half()
