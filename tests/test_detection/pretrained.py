"""Pretrained networks whose normalisation matters, and checkpoints of them."""

from pathlib import Path

import torch
from backbones import randomize
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmisl.registry import MODELS
from mmisl.weights import IMAGENET, META_KEY

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def pretraining_config(name):
    with DefaultScope.overwrite_default_scope('mmisl'):
        return Config.fromfile(CONFIGS / name)


def make_pretrained(name, **model_options):
    """The algorithm of a config in eval mode, before any training."""
    cfg = pretraining_config(name)
    cfg.merge_from_dict(dict(model=model_options))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmisl'):
        model = MODELS.build(
            dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
        )
        model.set_num_samples(10000)  # DeepCluster's clusters
        model.init_weights()
    return randomize(model)


def save_pretrained(model, path):
    """A checkpoint such as a run of that config writes."""
    torch.save(
        dict(
            state_dict=model.state_dict(),
            meta={META_KEY: IMAGENET.to_meta(), 'epoch': 3},
        ),
        path,
    )
    return str(path)


def detection_config(name, checkpoint=None, **options):
    """A config of detection, its weights from a checkpoint or random."""
    cfg = Config.fromfile(CONFIGS / 'detection' / name)
    if checkpoint is None:
        cfg.model.init_cfg = None
    else:
        cfg.model.init_cfg.checkpoint = checkpoint
    cfg.merge_from_dict(options)
    return cfg
