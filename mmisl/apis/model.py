"""An encoder from its config and checkpoint."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope

from mmisl.registry import MODELS
from mmisl.weights import check_config_preprocessing, load_encoder
from mmisl.weights.checkpoints import ENCODER

from .features import STAGES


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    *,
    stage: str = 'neck',
) -> BaseModel:
    """Build the algorithm of a config, with the encoder of a checkpoint.

    Backbone and neck must be in the checkpoint, key by key and of the same
    shapes. Bank, graph and miner are left as they are built: features do not
    depend on them. Where the checkpoint says what colours, mean and std it
    was trained on, the config must show the same.

    Args:
        config (str | Path | Config): Of the pretraining run.
        checkpoint (str | Path, optional): Of that run. Without one the
            weights are those of the initialisation.
        device (str | torch.device, optional): Defaults to a GPU if there is
            one.
        stage (str): ``'backbone'`` asks for no neck, as of weights that
            ``tools/convert_backbone.py`` took from elsewhere: the neck is
            left as it is built, too. Defaults to ``'neck'``.

    Returns:
        BaseModel: In eval mode; its ``cfg`` is the config.

    Raises:
        FileNotFoundError: If config or checkpoint does not exist.
        ValueError: If the checkpoint is of another network, or was trained
            on other colours, or ``stage`` is another.

    Example:
        >>> model = init_model('configs/demo.py', 'epoch_20.pth')
        >>> feats = extract_features(model, 'my_images')
    """
    if stage not in STAGES:
        raise ValueError(
            f'stage must be one of {", ".join(STAGES)}, got {stage!r}'
        )
    parts = ENCODER if stage == 'neck' else ENCODER[:1]
    cfg = config if isinstance(config, Config) else Config.fromfile(config)
    # Deep: Config.copy shares what is nested, which is changed below.
    cfg = copy.deepcopy(cfg)
    if cfg.get('data_preprocessor'):
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    # mmpretrain's classes, which some algorithms are, look here for parts.
    with DefaultScope.overwrite_default_scope('mmisl'):
        model = MODELS.build(cfg.model)
    if checkpoint is None:
        with _quiet():
            model.init_weights()
    else:
        loaded = load_encoder(model, checkpoint, parts)
        check_config_preprocessing(cfg, loaded, checkpoint)
    model.cfg = cfg
    return model.to(device or get_device()).eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without mmengine's two lines for every weight that is initialised."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
