"""Augments, normalises and stacks images on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample
from torch import Tensor

from mmisl.ops import draw_uniform
from mmisl.registry import MODELS

# Steps pass over their images several times. On a CPU so few are taken
# together that they stay in its cache.
_CHUNK_BYTES = 8 << 20


@MODELS.register_module()
class AugmentingPreprocessor(ClsDataPreprocessor):
    """Augments a batch of raw images on the device, each in its own way.

    The data pipeline then only loads and packs. Images have to come in one
    size: those of CIFAR or SVHN as they are; others need a resize first,
    which draws nothing at random. What that changes: crops are drawn from
    the resized image, so a small crop is enlarged from fewer pixels, and
    what a centre crop cut off is never seen.

    Random numbers are a function of the ``draw_key`` that
    :class:`mmisl.InstanceDataset` gives every item (seed, stream, image,
    copy), so augmentation does not depend on workers, ranks, the batch
    around an image, or an interruption. The numbers are not those that the
    CPU transforms draw; their distribution is.

    Args:
        augments (Sequence[dict]): Steps in their order, such as
            ``dict(type='BatchRandomResizedCrop', size=32)``.
        mean (Sequence[float]): Of the R, G, B channels, in 0..255.
        std (Sequence[float]): Likewise.
        num_views (int): Views made of every image, each from other random
            numbers; several for the methods that compare them, such as
            :class:`mmisl.MoCo`. Defaults to 1.

    Raises:
        ValueError: If ``num_views`` is smaller than 1.

    Example:
        >>> preprocessor = AugmentingPreprocessor(
        ...     [dict(type='BatchRandomHorizontalFlip')],
        ...     mean=[127.5] * 3, std=[127.5] * 3)
        >>> sample = DataSample(metainfo=dict(draw_key=(0, 0, 7, 0)))
        >>> images = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
        >>> batch = dict(inputs=images, data_samples=[sample])
        >>> preprocessor(batch, True)['inputs'].shape
        torch.Size([1, 3, 4, 4])
    """

    def __init__(
        self,
        augments: Sequence[dict],
        mean: Sequence[float],
        std: Sequence[float],
        num_views: int = 1,
    ) -> None:
        super().__init__(mean=mean, std=std)
        if num_views < 1:
            raise ValueError(f'num_views must be >= 1, got {num_views}')
        self.num_views = num_views
        self.augments = [MODELS.build(augment) for augment in augments]
        # Host memory that is pinned by the loader is copied without waiting.
        self._non_blocking = True

    def forward(self, data: dict, training: bool = False) -> dict:
        """Move a batch to the device; augment and normalise it there.

        Args:
            data (dict): ``inputs`` (B, 3, H, W) uint8, and ``data_samples``,
                whose ``draw_key`` is needed where ``training``.
            training (bool): Whether to augment: true for training and for
                views for mining. Defaults to False.

        Returns:
            dict: ``inputs`` (B, 3, H', W') float32, of several views a list
            of such; ``data_samples`` as they came.

        Raises:
            TypeError: If the images are not one uint8 tensor.
            ValueError: If a sample has no ``draw_key``.
        """
        if not training:
            return super().forward(data, False)
        inputs, samples = data['inputs'], data['data_samples']
        if not isinstance(inputs, Tensor) or inputs.dtype != torch.uint8:
            kind = getattr(inputs, 'dtype', type(inputs).__name__)
            raise TypeError(
                'inputs must be one (B, 3, H, W) uint8 tensor, got '
                f'{kind}; bring images to one size in the pipeline and use '
                "collate_fn=dict(type='default_collate')"
            )
        keys = draw_keys(samples)
        if self.device.type == 'cuda':
            keys = keys.pin_memory()
        images = self.cast_data(inputs)
        keys = keys.to(self.device, non_blocking=True)
        views = [
            self._normalize(self.augment(images, keys, view))
            for view in range(self.num_views)
        ]
        several = self.num_views > 1
        return dict(
            inputs=views if several else views[0], data_samples=samples
        )

    @torch.no_grad()
    def augment(self, images: Tensor, keys: Tensor, view: int = 0) -> Tensor:
        """Apply all steps.

        Args:
            images (Tensor): (B, 3, H, W) uint8, RGB.
            keys (Tensor): (B, 4) int64, the ``draw_key`` of each image.
            view (int): Views of other numbers take other random numbers.
                Defaults to 0.

        Returns:
            Tensor: (B, 3, H', W') float32 in [0, 255], not rounded.
        """
        num_draws = sum(augment.num_draws for augment in self.augments)
        first = view * num_draws
        uniform = draw_uniform(keys, first + num_draws)[:, first:]
        size = len(images)
        if images.device.type == 'cpu':
            image_bytes = 4 * math.prod(images.shape[1:])
            size = max(1, _CHUNK_BYTES // image_bytes)
        chunks = zip(images.split(size), uniform.split(size))
        # Mixed precision would crop with 8 or 11 bits.
        with torch.autocast(images.device.type, enabled=False):
            parts = [self._augment(*chunk) for chunk in chunks]
        # A batch in one piece, as on a GPU, is not copied once more.
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _augment(self, images: Tensor, uniform: Tensor) -> Tensor:
        """All steps on (B, 3, H, W) uint8, by (B, draws of all steps)."""
        counts = [augment.num_draws for augment in self.augments]
        images = images.float() / 255
        for augment, draws in zip(self.augments, uniform.split(counts, 1)):
            images = augment(images, draws)
        return images * 255

    def _normalize(self, images: Tensor) -> Tensor:
        # Without the samples: labels would be sent to the device, which the
        # host waits for, and no loss here looks at them.
        return super().forward(dict(inputs=images), True)['inputs']


def draw_keys(samples: Sequence[DataSample]) -> Tensor:
    """(B, 4) int64, what the random numbers of each sample depend on.

    Raises:
        ValueError: If a sample has no ``draw_key``.
    """
    for sample in samples:
        if 'draw_key' not in sample:
            raise ValueError(
                'a data sample without draw_key has no random numbers of '
                'its own; take it from an mmisl.InstanceDataset'
            )
    keys = [sample.draw_key for sample in samples]
    return torch.tensor(keys, dtype=torch.int64).reshape(-1, 4)
