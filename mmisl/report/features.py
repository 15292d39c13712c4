"""Features of all training images at the end of a run."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmisl import engine
from mmisl.apis import build_loader, init_model, loader_config
from mmisl.engine.run_facts import usable_cores
from mmisl.weights import read_checkpoint

from .data_folders import make_absolute

_BANK = 'memory.bank'
_CLUSTERS = 'clusters.assignments'


def bank_of(checkpoint: Path) -> np.ndarray | None:
    """The memory bank of a checkpoint, mapped and not read.

    A bank that was split over processes is whole in a checkpoint.

    Args:
        checkpoint (Path): Of a run.

    Returns:
        np.ndarray | None: (N, D) float32; None where the method has no bank.

    Raises:
        FileNotFoundError, ValueError: If it is no whole checkpoint.
    """
    bank = read_checkpoint(checkpoint)['state_dict'].get(_BANK)
    return None if bank is None or not len(bank) else bank.numpy()


def clusters_of(checkpoint: Path) -> np.ndarray | None:
    """Cluster of every image in the first clustering of a checkpoint.

    Returns:
        np.ndarray | None: (N,) int32; None where nothing was clustered.

    Raises:
        FileNotFoundError, ValueError: If it is no whole checkpoint.
    """
    found = read_checkpoint(checkpoint)['state_dict'].get(_CLUSTERS)
    if found is None or not found.numel() or (found[0] < 0).any():
        return None
    return found[0].numpy().astype(np.int32)


def encode_images(
    cfg: Config, checkpoint: Path, places: Sequence[Path]
) -> np.ndarray:
    """Encode the training images under the test transforms.

    Shows progress in a terminal.

    Args:
        cfg (Config): Of the run.
        checkpoint (Path): Of the run.
        places (Sequence[Path]): Where relative paths may start.

    Returns:
        np.ndarray: (N, D) float32.

    Raises:
        ConfigError, FileNotFoundError, ValueError: If the config has no
            ``gallery_dataloader``, or images or weights do not fit it.
    """
    loading = copy.deepcopy(loader_config(cfg, 'train'))
    make_absolute(loading['dataset'], places, 'gallery_dataloader')
    num_workers = loading.get('num_workers', 0)
    loading['num_workers'] = min(num_workers, usable_cores())
    # A loader without workers knows nothing that lasts.
    loading['persistent_workers'] = False
    model = init_model(cfg, checkpoint)
    loader, dataset = build_loader(loading)
    features = engine.extract_features(
        model, loader, dataset.num_instances, description='features'
    )
    return features.cpu().numpy()
