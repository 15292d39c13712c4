"""A detector of mmdet up to the proposals of its RPN."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.runner import load_checkpoint
from torch.utils.data import DataLoader

from mmisl.config_check import ConfigError
from mmisl.detection import proposal_key
from mmisl.progress import track


def load_network(cfg: Config, checkpoint: str, limit: int) -> BaseModel:
    """Build a detector and load all of its weights.

    Args:
        cfg (Config): Of the detector.
        checkpoint (str): Of the detector.
        limit (int): Most proposals of an image. The RPN ranks that many
            before its NMS, or more if the config says so.

    Returns:
        BaseModel: In eval mode, on a GPU if there is one.

    Raises:
        ConfigError: If it has no RPN.
        RuntimeError: If the checkpoint is not of this detector.
    """
    settings = cfg.model.get('test_cfg', {}).get('rpn')
    if settings is None or 'rpn_head' not in cfg.model:
        raise ConfigError(
            f'the model ({cfg.model.get("type")}) must have an RPN, that is '
            'rpn_head and test_cfg.rpn; take the config of a Faster R-CNN '
            'or of an RPN'
        )
    settings.max_per_img = limit
    settings.nms_pre = max(settings.nms_pre, limit)
    model = MODELS.build(cfg.model)
    load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
    return model.to(get_device()).eval()


@torch.no_grad()
def propose(
    model: BaseModel, loader: DataLoader
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Entry of each image in a file of proposals, with its key."""
    head = next(m for m in model.modules() if isinstance(m, RPNHead))
    for batch in track(loader, 'RPN'):
        batch = model.data_preprocessor(batch, training=False)
        samples = batch['data_samples']
        feats = model.extract_feat(batch['inputs'])
        results = head.predict(feats, samples, rescale=True)
        for sample, result in zip(samples, results):
            order = result.scores.argsort(descending=True, stable=True)
            result = result[order].cpu().numpy()
            yield (
                proposal_key(sample.img_path),
                {'bboxes': result.bboxes, 'scores': result.scores},
            )
