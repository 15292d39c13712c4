"""A small data set whose images stay on the device."""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.device import get_device
from mmengine.logging import print_log
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from mmisl.datasets.instance_dataset import InstanceDataset, Key, seeded
from mmisl.registry import DATASETS


@DATASETS.register_module()
class ResidentDataset(InstanceDataset):
    """``InstanceDataset`` that holds all images in one tensor on the device.

    Reading, decoding and sending an image are done once, when the data set
    is built; an item is then a row of the tensor, not a copy. Every rank
    holds all of it: 3 x H x W bytes an image, 153.6 MB for CIFAR-10.

    The pipeline must not draw random numbers; augment with
    :class:`mmisl.AugmentingPreprocessor`. The images of a batch are bit-equal
    to those of ``InstanceDataset`` with the same pipeline; data samples carry
    no labels, so it serves for training, not for validation.

    Args:
        dataset (dict | Dataset): As of :class:`InstanceDataset`. Its
            pipeline has to bring all images to one size.
        device (str | None): Where the images stay. None means the device
            that mmengine trains on. Defaults to None.

    Attributes:
        images (Tensor): (N, 3, H, W) uint8, by sample_idx.

    Raises:
        ValueError: If the pipeline draws random numbers, or if images are
            not uint8 or differ in size.
    """

    def __init__(
        self, dataset: dict | Dataset, device: str | None = None
    ) -> None:
        self.device = torch.device(device or get_device())
        super().__init__(dataset)

    def full_init(self) -> None:
        """Load the annotations and the images; done by the constructor."""
        if self._fully_initialized:
            return
        super().full_init()
        self.images = self._load_images()
        print_log(
            f'{self.num_instances} images stay on {self.images.device}: '
            f'{self.images.numel() / 1e6:.1f} MB',
            logger='current',
        )

    def __getitem__(self, key: int | Key) -> dict:
        """One image, as a view of the tensor of all.

        Args:
            key (int | Key): As of :class:`InstanceDataset`.

        Returns:
            dict: ``inputs`` (3, H, W) uint8, and ``data_samples`` with
            ``sample_idx`` and ``draw_key``.

        Raises:
            IndexError: If the position is outside [0, ``len(self)``).
            RuntimeError: If a worker asks.
        """
        worker = get_worker_info()
        if worker is not None:
            raise RuntimeError(
                f'num_workers ({worker.num_workers}) must be 0: a worker '
                'would send images back to the host that are on the device'
            )
        _, metainfo = self._resolve(key)
        return dict(
            inputs=self.images[metainfo['draw_key'][2]],
            data_samples=DataSample(metainfo=metainfo),
        )

    def _load_images(self) -> Tensor:
        """(N, 3, H, W) uint8 on the device."""
        if self._draws_random_numbers(int(self._positions[0])):
            raise ValueError(
                'the pipeline draws random numbers, but images that stay on '
                'the device run through it once; leave augmentation to '
                "data_preprocessor=dict(type='AugmentingPreprocessor', ...)"
            )
        images: Tensor | None = None
        for sample_idx, position in enumerate(self._positions.tolist()):
            image = super().__getitem__(position)['inputs']
            if images is None:
                shape = (self.num_instances, *image.shape)
                images = torch.empty(shape, dtype=torch.uint8)
            if image.dtype != torch.uint8 or image.shape != images.shape[1:]:
                raise ValueError(
                    f'image {sample_idx} is {tuple(image.shape)} '
                    f'{image.dtype}, but all have to be '
                    f'{tuple(images.shape[1:])} torch.uint8; resize them in '
                    'the pipeline'
                )
            images[sample_idx] = image
        assert images is not None, 'an InstanceDataset has 2 images'
        return images.to(self.device)

    def _draws_random_numbers(self, position: int) -> bool:
        """Whether the pipeline moves on any generator."""
        with seeded(0):
            self._run_pipeline(position, int(self._sample_idx[position]))
            after_pipeline = _next_numbers()
        with seeded(0):
            return after_pipeline != _next_numbers()


def _next_numbers() -> tuple[float, float, float]:
    return random.random(), np.random.random(), torch.rand(()).item()
