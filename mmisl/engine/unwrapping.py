"""The algorithm inside whatever the runner wraps it in."""

from __future__ import annotations

from mmengine.model import is_model_wrapper


def unwrap_model(model):
    """The model itself, without the wrapper of distributed training."""
    return model.module if is_model_wrapper(model) else model
