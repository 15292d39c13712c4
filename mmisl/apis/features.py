"""Features of images that a user names."""

from __future__ import annotations

from mmengine.model import BaseModel
from torch import Tensor

from mmisl import engine

from .loaders import Images, build_loader, loader_config

# Mode of an algorithm's ``forward`` by the part whose output is wanted.
STAGES = dict(neck='tensor', backbone='backbone')


def extract_features(
    model: BaseModel,
    images: Images,
    *,
    stage: str = 'neck',
    batch_size: int = 64,
    num_workers: int = 2,
) -> Tensor:
    """Encode images under the test transforms of the model's config.

    They are those of its validation images, or of the gallery of a config
    that validates on nothing, as one without labels.

    A progress bar shows in a terminal. With several processes all of them
    call this, and each encodes its share.

    Args:
        model (BaseModel): From :func:`init_model`.
        images (Images): A folder, whose images are taken in order of their
            paths however deep they lie, or a list of files.
        stage (str): ``'neck'`` for features of norm 1, ``'backbone'`` for
            what the backbone gives it, pooled. Defaults to ``'neck'``.
        batch_size (int): Images at a time, a process. Defaults to 64.
        num_workers (int): That read images. Defaults to 2.

    Returns:
        Tensor: (N, D) float32, in the order of the images, on the model's
        device.

    Raises:
        ConfigError: If the config has no test transforms, or they read no
            files.
        FileNotFoundError: If there is no such folder.
        RuntimeError: If an image cannot be read.
        ValueError: If there is no image, or ``stage`` is another.
    """
    if stage not in STAGES:
        raise ValueError(
            f'stage must be one of {", ".join(STAGES)}, got {stage!r}'
        )
    split = 'train' if model.cfg.get('val_dataloader') is None else 'val'
    config = loader_config(model.cfg, split, images)
    config.update(batch_size=batch_size, num_workers=num_workers)
    # A loader without workers knows nothing that lasts.
    config['persistent_workers'] = False
    loader, dataset = build_loader(config)
    return engine.extract_features(
        model, loader, dataset.num_instances, mode=STAGES[stage]
    )
