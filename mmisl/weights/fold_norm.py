"""Batch normalisation folded into the layer before it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn.utils.fusion import (
    fuse_conv_bn_weights,
    fuse_linear_bn_weights,
)

# Of every normalisation that a checkpoint of AlexNet holds; torch's default.
EPS = 1e-5


def fold_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold every batch normalisation of a state dict.

    With the running statistics a normalisation is one factor and one shift a
    channel. Both go into the convolution or linear layer before it, which
    gets a bias: what it computes is what both computed in eval mode, within
    rounding. Layers without a normalisation behind them stay as they are, so
    the fc6 and fc7 of DeepCluster, which have a bias, come out alike.

    Args:
        state (Mapping[str, Tensor]): With layers as
            :class:`mmisl.models.layers.NormedLayer` names them: ``N.0``, and
            its normalisation ``N.1``. Not changed.

    Returns:
        dict[str, Tensor]: Without the normalisations, in the dtypes of
        ``state``.

    Raises:
        ValueError: If a normalisation has no such layer before it.
    """
    folded = dict(state)
    for key in state:
        norm, _, entry = key.rpartition('.')
        if entry == 'running_var':
            folded.update(_fused(folded, _layer_before(norm, state), norm))
    return folded


def _layer_before(norm: str, state: Mapping[str, Tensor]) -> str:
    parent, dot, position = norm.rpartition('.')
    layer = f'{parent}{dot}0'
    if position != '1' or f'{layer}.weight' not in state:
        raise ValueError(
            f'cannot fold the normalisation {norm}: it does not follow its '
            "layer as AlexNet's do, N.1 behind N.0; leave fold_norm out and "
            'build the network with its normalisation'
        )
    return layer


def _fused(
    state: dict[str, Tensor], layer: str, norm: str
) -> dict[str, Tensor]:
    """Weight and bias of a layer; takes its normalisation out of ``state``."""
    weight = state[f'{layer}.weight']
    bias = state.get(f'{layer}.bias')
    entries = {
        name: state.pop(f'{norm}.{name}').double()
        for name in ('running_mean', 'running_var', 'weight', 'bias')
    }
    state.pop(f'{norm}.num_batches_tracked', None)
    fuse = (
        fuse_linear_bn_weights if weight.dim() == 2 else fuse_conv_bn_weights
    )
    # In double precision, so that it rounds once.
    fused = fuse(
        weight.double(),
        None if bias is None else bias.double(),
        entries['running_mean'],
        entries['running_var'],
        EPS,
        entries['weight'],
        entries['bias'],
    )
    names = (f'{layer}.weight', f'{layer}.bias')
    return {
        name: value.detach().to(weight.dtype)
        for name, value in zip(names, fused, strict=True)
    }
