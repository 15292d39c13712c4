"""Scales of the layers of a chain, moved without changing what it computes.

Between convolutions and linear layers stand only functions f with
f(s x) = s f(x) for s > 0: ReLU, pooling, dropout. So the weights of layer k
may be multiplied by a factor r_k and its bias by r_1 ... r_k: as long as the
product of all factors is 1, the chain computes what it did.

Source: Kraehenbuehl, Doersch, Donahue and Darrell, "Data-dependent
Initializations of Convolutional Neural Networks", ICLR 2016, section 3.2, and
``calibrateGradientRatio`` of the authors' ``magic_init.py`` (option ``-cs``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from mmisl.models import AlexNetBN

Layer = nn.Conv2d | nn.Linear

# What may stand between layers.
_KEEPS_SCALE = (nn.ReLU, nn.MaxPool2d, nn.Dropout, nn.Identity)


def layers_to_rescale(model: nn.Module) -> dict[str, Layer]:
    """Layers of the backbone and the shared head of an AlexNet detector.

    Args:
        model (nn.Module): With ``backbone`` and ``roi_head.shared_head``.

    Returns:
        dict[str, Layer]: By their names in the model, in the order in which
        they compute.

    Raises:
        ValueError: If these are not a chain of layers without normalisation.
    """
    backbone = getattr(model, 'backbone', None)
    head = getattr(getattr(model, 'roi_head', None), 'shared_head', None)
    if not isinstance(backbone, AlexNetBN) or head is None:
        raise ValueError(
            'RescalingHook rescales AlexNetBN and the shared head behind it, '
            f'and {type(model).__name__} has {type(backbone).__name__} and '
            f'{type(head).__name__}; take the hook out'
        )
    layers = {}
    for name, module in _leaves(backbone, head):
        if isinstance(module, nn.Conv2d | nn.Linear):
            layers[name] = module
        elif isinstance(module, _NormBase):
            raise ValueError(
                'RescalingHook needs layers into which the normalisation is '
                f'folded, and {name} is {type(module).__name__}; set '
                "norm='none' for backbone and shared head and fold_norm=True "
                'for their weights'
            )
        elif not isinstance(module, _KEEPS_SCALE):
            raise ValueError(
                f'RescalingHook does not know whether {name}, '
                f'{type(module).__name__}, keeps scales; take the hook out'
            )
    return layers


def _leaves(
    backbone: AlexNetBN, head: nn.Module
) -> Iterator[tuple[str, nn.Module]]:
    """What computes, without what holds it."""
    parts = {
        f'backbone.{stage}': getattr(backbone, stage)
        for stage in backbone.stage_names
    }
    parts['roi_head.shared_head'] = head
    for prefix, part in parts.items():
        for name, module in part.named_modules(prefix=prefix):
            if not list(module.children()):
                yield name, module


def balancing_factors(rates: Tensor) -> Tensor:
    """Factors after which all layers change equally fast.

    A layer's rate of change is the norm of its gradient over that of its
    weights. If its weights are multiplied by r while the function stays the
    same, its gradient is divided by r, and its rate by r squared.

    # Deviates from the paper, which takes about ten steps, damped by alpha =
    # 0.25: where every scale is kept, one whole step arrives. And from
    # magic_init, which also brings the deviation of the outputs to 1: a
    # pretrained network keeps its outputs here.

    Args:
        rates (Tensor): (L,) float, > 0.

    Returns:
        Tensor: (L,) float64: r_k, the root of rate k over the geometric mean
        of the rates. Their product is 1.
    """
    log_rates = rates.double().log()
    return ((log_rates - log_rates.mean()) / 2).exp()


@torch.no_grad()
def rescale(layers: Iterable[Layer], factors: Tensor) -> None:
    """Multiply the layers of a chain by factors, in place.

    Args:
        layers (Iterable[Layer]): In the order in which they compute.
        factors (Tensor): (L,) float, > 0.
    """
    factors = factors.double()
    products = factors.cumprod(0)
    for layer, factor, product in zip(
        layers, factors.tolist(), products.tolist(), strict=True
    ):
        layer.weight.mul_(factor)
        if layer.bias is not None:
            layer.bias.mul_(product)
