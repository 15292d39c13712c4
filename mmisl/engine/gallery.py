"""The training images under the test transforms."""

from __future__ import annotations

from mmengine.runner import Runner
from torch.utils.data import DataLoader


def gallery_loader(runner: Runner) -> DataLoader:
    """Build the config's ``gallery_dataloader``.

    Raises:
        ValueError: If the config has none.
    """
    if 'gallery_dataloader' not in runner.cfg:
        raise ValueError(
            'the config has no gallery_dataloader: the training images under '
            'the test transforms, as in configs/_base_/datasets/cifar10.py'
        )
    return runner.build_dataloader(
        runner.cfg.gallery_dataloader, seed=runner.seed
    )
