"""Rescales the layers of a detector before its first step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_reduce, get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmisl.datasets.instance_dataset import seeded
from mmisl.engine.unwrapping import unwrap_model
from mmisl.registry import HOOKS

from .rescaling import Layer, balancing_factors, layers_to_rescale, rescale


@HOOKS.register_module()
class RescalingHook(Hook):
    """Makes all layers of an AlexNet detector learn equally fast.

    Layers of an unsupervised AlexNet differ in how fast they change, relative
    to their weights, under one learning rate: a detector on top of it learns
    badly or diverges. Before the first step of a run, and not when one
    resumes, the hook measures the rates of conv1 to conv5, fc6 and fc7 on
    training images and moves the scales of the layers until the rates are
    equal. What fc7 gives stays the same; see :mod:`mmisl.detection.rescaling`
    for how and for the source. conv1 takes part also where it is frozen, as
    the scale of its outputs decides how fast the others learn.

    A rate is measured with the regions that a step of training would draw,
    but with normal noise as the gradient of fc7's outputs, as the authors do:
    it depends neither on classes nor on the new layers behind fc7. Dropout is
    off.

    Within a layer nothing is rescaled: ``magic_init.py`` does that to layers
    that it fills itself, and leaves pretrained ones as they are; those
    trained with batch normalisation have units of equal scale anyway. New
    layers that read conv5, as an RPN does, keep their own initialisation.

    Use it with ``norm='none'`` for both :class:`AlexNetBN` and
    :class:`AlexNetFCHead`, and ``fold_norm=True`` for what loads them:
    ``custom_hooks=[dict(type='mmisl.RescalingHook')]``.

    Args:
        num_images (int): Images of the training set to measure on, evenly
            spaced; all of them if it has fewer. Defaults to 16.

    Raises:
        ValueError: If ``num_images`` is smaller than 1, or before training if
            the detector has other layers.
        RuntimeError: If a layer has a rate that is 0 or not finite.
    """

    # Behind PreprocessingCheckHook, which insists on weights as loaded.
    priority = 'LOW'

    def __init__(self, num_images: int = 16) -> None:
        if num_images < 1:
            raise ValueError(f'num_images must be >= 1, got {num_images}')
        self.num_images = num_images

    def before_train(self, runner: Runner) -> None:
        """Rescale, unless the run has taken a step before."""
        if runner.iter > 0:
            return
        layers = layers_to_rescale(unwrap_model(runner.model))
        before = self._measure(runner, layers)
        factors = balancing_factors(before)
        rescale(layers.values(), factors)
        after = self._measure(runner, layers)
        runner.logger.info(_table(list(layers), before, factors, after))

    def _measure(self, runner: Runner, layers: dict[str, Layer]) -> Tensor:
        """Rates of change, (L,) float64; the same on every rank.

        Raises:
            RuntimeError: Naming the first layer that cannot be rescaled.
        """
        model = unwrap_model(runner.model)
        loader = runner.train_dataloader
        size = len(loader.dataset)
        num_images = min(self.num_images, size)
        rank, world_size = get_dist_info()
        # A row is one rank's and zero on the others: their sum is exact, and
        # what one process would have measured.
        squares = torch.zeros(num_images, len(layers), dtype=torch.float64)
        with _measurable(model, layers.values()):
            for row in range(rank, num_images, world_size):
                position = row * size // num_images
                with seeded(runner.seed, position):
                    batch = loader.collate_fn([loader.dataset[position]])
                    data = model.data_preprocessor(batch, False)
                    squares[row] = _squared_rates(
                        model, list(layers.values()), data
                    )
        all_reduce(squares)
        rates = squares.mean(0).sqrt()
        for name, rate in zip(layers, rates.tolist(), strict=True):
            if not 0 < rate < float('inf'):
                raise RuntimeError(
                    f'RescalingHook cannot rescale {name}: its gradient over '
                    f'its weights is {rate}; weights or outputs of the '
                    'network are zero or not finite, so look at what it '
                    'was loaded with'
                )
        return rates


def _squared_rates(
    model: nn.Module, layers: Sequence[Layer], data: dict[str, Any]
) -> Tensor:
    """Squared norm of gradient over that of weights, (L,) float64."""
    outputs: list[Tensor] = []
    head = model.get_submodule('roi_head.shared_head')
    handle = head.register_forward_hook(
        lambda module, args, output: outputs.append(output)
    )
    try:
        model(**data, mode='loss')
    finally:
        handle.remove()
    # Drawn on the host, so that it is the same on every device.
    noise = [torch.randn(output.shape).to(output) for output in outputs]
    weights = [layer.weight for layer in layers]
    gradients = torch.autograd.grad(outputs, weights, noise)
    return torch.stack(
        [
            gradient.double().square().sum() / weight.double().square().sum()
            for gradient, weight in zip(gradients, weights, strict=True)
        ]
    ).detach()


@contextmanager
def _measurable(model: nn.Module, layers: Iterable[Layer]) -> Iterator[None]:
    """Gradients for frozen layers as well, and no dropout, for a while."""
    weights = [layer.weight for layer in layers]
    flags = [weight.requires_grad for weight in weights]
    was_training = model.training
    model.eval()
    for weight in weights:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight, flag in zip(weights, flags, strict=True):
            weight.requires_grad_(flag)
        model.train(was_training)


def _table(
    names: Sequence[str], before: Tensor, factors: Tensor, after: Tensor
) -> str:
    """One line a layer."""
    width = max(map(len, names))
    columns = (before.tolist(), factors.tolist(), after.tolist())
    lines = [
        f'{name:{width}}  {old:10.4g}  times {factor:8.4g}  {new:10.4g}'
        for name, old, factor, new in zip(names, *columns, strict=True)
    ]
    return '\n'.join(
        ['Rescaled layers; gradient over weights before and after:', *lines]
    )
