"""An encoder from its config and checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel

from mmisl.registry import MODELS
from mmisl.weights import load_encoder


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
) -> BaseModel:
    """Build the algorithm of a config, with the encoder of a checkpoint.

    Backbone and neck must be in the checkpoint, key by key and of the same
    shapes. Bank, graph and miner are left as they are built: features do not
    depend on them.

    Args:
        config (str | Path | Config): Of the pretraining run.
        checkpoint (str | Path, optional): Of that run. Without one the
            weights are those of the initialisation.
        device (str | torch.device, optional): Defaults to a GPU if there is
            one.

    Returns:
        BaseModel: In eval mode; its ``cfg`` is the config.

    Raises:
        FileNotFoundError: If config or checkpoint does not exist.
        ValueError: If the checkpoint is of another network.

    Example:
        >>> model = init_model('configs/demo.py', 'epoch_20.pth')
        >>> feats = extract_features(model, 'my_images')
    """
    cfg = config if isinstance(config, Config) else Config.fromfile(config)
    cfg = cfg.copy()
    if cfg.get('data_preprocessor'):
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(cfg.model)
    if checkpoint is None:
        model.init_weights()
    else:
        load_encoder(model, checkpoint)
    model.cfg = cfg
    return model.to(device or get_device()).eval()
