"""Images for benchmarks: as many as wanted, in memory that does not grow."""

from __future__ import annotations

import torch
from mmpretrain.datasets import BaseDataset
from torch import Tensor

from mmisl.datasets import ResidentDataset
from mmisl.registry import DATASETS

_POOL = 256


@DATASETS.register_module()
class RandomImages(BaseDataset):
    """N images that share the bytes of 256."""

    def __init__(self, num_images: int, size: int, pipeline: list) -> None:
        self.num_images = num_images
        generator = torch.Generator().manual_seed(0)
        self.pool = torch.randint(
            0, 256, (_POOL, size, size, 3), generator=generator
        ).byte()
        super().__init__(ann_file='', pipeline=pipeline, serialize_data=False)

    def load_data_list(self) -> list[dict]:
        """Nothing is loaded."""
        return []

    def __len__(self) -> int:
        return self.num_images

    def get_data_info(self, idx: int) -> dict:
        """One image, by its position."""
        return dict(img=self.pool[idx % _POOL].numpy(), gt_label=idx % 10)


@DATASETS.register_module()
class ResidentRandomImages(ResidentDataset):
    """The same on the device, without the minutes to read 1.28 M images."""

    def _load_images(self) -> Tensor:
        pool = self.dataset.pool.permute(0, 3, 1, 2).to(self.device)
        rows = torch.arange(self.num_instances, device=self.device) % _POOL
        return pool[rows]
