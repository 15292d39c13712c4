"""The feature maps of every stage of a backbone, from one pass."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.models.backbones import ResNet
from torch import Tensor, nn

from .alexnet_bn import AlexNetBN


def stage_modules(backbone: nn.Module) -> dict[str, nn.Module]:
    """The module whose output is the map of a stage, by name, in order.

    ``conv1`` to ``conv5`` of :class:`AlexNetBN`, as far as they are built;
    ``stem``, ``layer1`` to ``layer4`` of mmpretrain's ResNets. The map of the
    stem is that after its ReLU, before any pool.

    Raises:
        TypeError: If the backbone is of another kind.
    """
    if isinstance(backbone, AlexNetBN):
        return {name: getattr(backbone, name) for name in backbone.stage_names}
    if isinstance(backbone, ResNet):
        stem = backbone.stem if backbone.deep_stem else backbone.relu
        layers = {
            name: getattr(backbone, name) for name in backbone.res_layers
        }
        return dict(stem=stem, **layers)
    raise TypeError(
        'stages are known of mmisl.AlexNetBN and of mmpretrain.ResNet and its '
        f'kin, not of {type(backbone).__name__}; take one of those'
    )


def stage_maps(
    backbone: nn.Module, inputs: Tensor, stages: Sequence[str]
) -> dict[str, Tensor]:
    """Run a backbone once and keep what some of its stages give.

    ResNet does not return its stem. Hooks see it without a second copy of
    ResNet's ``forward`` here, and leave ``out_indices`` to whom it concerns.

    Args:
        backbone (nn.Module): One that :func:`stage_modules` knows.
        inputs (Tensor): (B, 3, H, W) float.
        stages (Sequence[str]): Names, as :func:`stage_modules` gives them.

    Returns:
        dict[str, Tensor]: (B, C, h, w) by name, in the order of ``stages``.
    """
    maps: dict[str, Tensor] = {}
    modules = stage_modules(backbone)
    hooks = [
        modules[name].register_forward_hook(
            # None leaves the output as it is.
            lambda module, args, output, name=name: maps.update({name: output})
        )
        for name in stages
    ]
    try:
        backbone(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: maps[name] for name in stages}
