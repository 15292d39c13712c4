"""The convolutions of AlexNet with batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmisl.registry import MODELS

from ..layers import NormedLayer
from .sobel import SobelFilter

NUM_STAGES = 5
CHANNELS = (64, 192, 384, 256, 256)

# (kernel, stride, padding) of conv1 to conv5, and (kernel, stride) of the
# pool after conv1 and after conv2.
VARIANTS = {
    'imagenet': (
        ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)),
        (3, 2),
    ),
    'small': (((3, 1, 1),) * NUM_STAGES, (2, 2)),
}


@MODELS.register_module()
class AlexNetBN(BaseModule):
    """One-tower AlexNet with batch normalisation, conv1 to conv5.

    mmpretrain's AlexNet has neither normalisation nor outputs in between.
    The third pool and fc6/fc7 belong to :class:`ISLNeck`, so a detector takes
    conv5 at stride 16 and puts fc6/fc7 behind its own pooling of regions.

    ======== ================= ================= ======================
    variant  input             conv5             pool5 in the neck
    ======== ================= ================= ======================
    imagenet 224x224 / 227x227 13x13, stride 16  6x6, 9216 values
    small    32x32             8x8, stride 4     4x4, 4096 values
    ======== ================= ================= ======================

    The released code uses 64-192-384-256-256 channels and three 2x2 pools for
    small images. Where it is not stated, ours is: the ImageNet form takes
    channels, kernels and pools of torchvision's one-tower AlexNet, the small
    form 3x3 kernels with stride 1.

    Args:
        variant (str): 'imagenet' or 'small'.
        in_channels (int): Channels of the image. Defaults to 3.
        channels (Sequence[int]): Outputs of conv1 to conv5. Defaults to
            those above; DeepCluster's are (96, 256, 384, 384, 256).
        sobel (bool): Look at two Sobel derivatives of the grey image, see
            :class:`SobelFilter`, as DeepCluster does. Defaults to False.
        out_indices (Sequence[int]): Stages to return, 0 for conv1 to 4 for
            conv5, ascending. Stages behind the last one are not built.
            Defaults to (4,).
        frozen_stages (int): Last stage whose weights and statistics stay as
            they are, counted like ``out_indices``: 0 freezes conv1, 1 conv1
            and conv2. -1 freezes none. Defaults to -1.
        norm_eval (bool): Keep all batch normalisation in eval mode while
            training, so running statistics do not move. Defaults to False.
        norm (str): 'BN' normalises; with 'frozen' its weight and bias stay
            as they are, and its statistics too; 'none' builds convolutions
            with a bias in its place, which take the weights of the others
            with ``StrictPretrained(fold_norm=True)``. See
            :class:`NormedLayer`. Defaults to 'BN'.
        init_cfg (dict | list[dict], optional): Initialisation. Defaults to
            Kaiming for convolutions; the normalisation starts as identity.

    Raises:
        ValueError: If an argument is not one of those above.
    """

    def __init__(
        self,
        variant: str,
        in_channels: int = 3,
        *,
        channels: Sequence[int] = CHANNELS,
        sobel: bool = False,
        out_indices: Sequence[int] = (4,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm: str = 'BN',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg=init_cfg or dict(type='Kaiming', layer='Conv2d')
        )
        _check_arguments(variant, channels, out_indices, frozen_stages)
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval

        self.sobel = SobelFilter() if sobel else None
        if sobel:
            in_channels = SobelFilter.out_channels
        conv_args, pool_args = VARIANTS[variant]
        self.stage_names: list[str] = []
        for stage in range(self.out_indices[-1] + 1):
            name = f'conv{stage + 1}'
            self.add_module(
                name,
                NormedLayer(
                    nn.Conv2d,
                    in_channels,
                    channels[stage],
                    *conv_args[stage],
                    norm=norm,
                ),
            )
            self.stage_names.append(name)
            in_channels = channels[stage]
        self.pool = nn.MaxPool2d(*pool_args)
        self._freeze_stages()

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the requested stages.

        Args:
            inputs (Tensor): (B, in_channels, H, W) float.

        Returns:
            tuple[Tensor, ...]: One (B, C, h, w) map per entry of
            ``out_indices``, after ReLU and before any pool that follows.
        """
        maps = []
        feature_map = self.sobel(inputs) if self.sobel else inputs
        for stage, name in enumerate(self.stage_names):
            if stage in (1, 2):  # pool1 and pool2 stand before conv2, conv3
                feature_map = self.pool(feature_map)
            feature_map = getattr(self, name)(feature_map)
            if stage in self.out_indices:
                maps.append(feature_map)
        return tuple(maps)

    def train(self, mode: bool = True) -> AlexNetBN:
        """Set the mode; frozen stages and ``norm_eval`` stay in eval mode."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze_stages(self) -> None:
        for name in self.stage_names[: self.frozen_stages + 1]:
            stage = getattr(self, name)
            stage.eval()
            stage.requires_grad_(False)


def _check_arguments(
    variant: str,
    channels: Sequence[int],
    out_indices: Sequence[int],
    frozen_stages: int,
) -> None:
    if variant not in VARIANTS:
        raise ValueError(
            f"variant must be 'imagenet' or 'small', got {variant!r}"
        )
    if len(channels) != NUM_STAGES:
        raise ValueError(
            f'channels must be {NUM_STAGES} numbers, the outputs of conv1 to '
            f'conv{NUM_STAGES}, got {tuple(channels)}'
        )
    indices = list(out_indices)
    allowed = set(range(NUM_STAGES))
    if not indices or indices != sorted(set(indices) & allowed):
        raise ValueError(
            f'out_indices must be ascending numbers from 0 (conv1) to '
            f'{NUM_STAGES - 1} (conv5), got {tuple(out_indices)}'
        )
    if frozen_stages not in range(-1, NUM_STAGES):
        raise ValueError(
            f'frozen_stages must be -1 (none) or 0 (conv1) to '
            f'{NUM_STAGES - 1} (conv1 to conv5), got {frozen_stages}'
        )
