"""Linear classifiers on the stages of a frozen backbone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import isqrt

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel, normal_init
from mmengine.utils import to_2tuple
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn.functional import batch_norm, cross_entropy

from mmisl.registry import MODELS
from mmisl.weights import load_backbone

from ..backbones.stages import stage_maps, stage_modules
from ..initial_draws import initial_draws
from .base import EngineContract, host_indices, real_rows
from .labels import check_every_class, check_label_range, labels_of


@MODELS.register_module()
class LinearProbes(EngineContract, BaseModel):
    """One linear classifier for each stage of a backbone that stays as it is.

    All are trained in one pass over the images: the backbone runs once, and
    since no two classifiers share a parameter, one SGD on the sum of their
    losses is one SGD for each. The backbone is in eval mode whatever
    :meth:`train` is told, and gets no gradient.

    A map of C channels is averaged over a grid of s x s cells, with the
    largest s for which C * s^2 <= ``pool_values``, but no more cells than the
    map has. Values per image at 224 pixels, for 10,000:

    ========================= ============ ============ ========== =========
    network                   first        second       third      others
    ========================= ============ ============ ========== =========
    AlexNetBN                 64 x 12^2    192 x 7^2    384 x 5^2  256 x 6^2
                              = 9,216      = 9,408      = 9,600    = 9,216
    its DeepCluster channels  96 x 10^2    256 x 6^2    384 x 5^2  384 x 5^2,
                              = 9,600      = 9,216      = 9,600    256 x 6^2
    ResNet-50, from the stem  64 x 12^2    256 x 6^2    512 x 4^2  1024 x 3^2,
                              = 9,216      = 9,216      = 8,192    2048 x 2^2
    ========================= ============ ============ ========== =========

    DeepCluster's own numbers are 9,600, 9,216, 9,600, 9,600 and 9,216: those
    of the second row. No square grid brings 512 or 2,048 channels nearer.

    Args:
        backbone (dict): Of :class:`AlexNetBN`, or of mmpretrain's ResNet or
            ResNet_CIFAR.
        num_classes (int): C.
        image_size (int | Sequence[int]): Side of the images, or height and
            width, from which the sizes of the maps follow.
        stages (Sequence[str], optional): Names of the stages to probe, such
            as ``['layer4']``: conv1 to conv5 of AlexNet, stem (after its
            ReLU) and layer1 to layer4 of a ResNet. All of them by default.
        pool_values (int, optional): Most values a classifier sees. None pools
            globally. Defaults to 10,000.
        feature_norm (bool): Whether batch normalisation without weights of
            its own stands before each classifier, so that one learning rate
            suits features of any size; statistics of a step are those of a
            process's share of the batch. Defaults to False.
        checkpoint (str, optional): File whose backbone is taken, strictly, by
            :meth:`init_weights`, as the runner does before training. None
            leaves the backbone at random weights. Defaults to None.
        data_preprocessor (dict, optional): Normalises and stacks images.

    Raises:
        TypeError: If stages of the backbone are not known.
        ValueError: If there is no such stage, or a stage has more channels
            than ``pool_values``.
    """

    needs_labels = True

    def __init__(
        self,
        backbone: dict,
        num_classes: int,
        *,
        image_size: int | Sequence[int],
        stages: Sequence[str] | None = None,
        pool_values: int | None = 10_000,
        feature_norm: bool = False,
        checkpoint: str | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.backbone = MODELS.build(backbone)
        self.backbone.requires_grad_(False)
        self.backbone.eval()
        self.num_classes = num_classes
        self.image_size = to_2tuple(image_size)
        self.stages = _known_stages(self.backbone, stages)
        self.checkpoint = checkpoint
        self.memory = self.graph = self.clusters = None
        self.probes = nn.ModuleDict()
        for name, shape in self._map_shapes().items():
            side = 1
            if pool_values is not None:
                side = grid_side(name, shape, pool_values)
            self.probes[name] = _Probe(
                shape[0], side, num_classes=num_classes, norm=feature_norm
            )

    def init_weights(self) -> None:
        """Read the backbone, or draw it; draw the classifiers.

        What is drawn, is drawn as in :meth:`BaseAlgorithm.init_weights`: a
        random backbone is the one that methods begin from under this seed.

        Raises:
            ValueError: If the checkpoint does not hold this very backbone.
        """
        with initial_draws(self):
            if self.checkpoint is None:
                self.backbone.init_weights()
                print_log(
                    'model.checkpoint is None: the backbone has random '
                    'weights',
                    logger='current',
                    level=logging.WARNING,
                )
            else:
                load_backbone(self.backbone, self.checkpoint)
            for probe in self.probes.values():
                normal_init(probe.fc, std=0.01)

    def train(self, mode: bool = True) -> LinearProbes:
        """Set the mode of the classifiers alone."""
        super().train(mode)
        self.backbone.eval()
        return self

    def check_labels(self, labels: Tensor | None) -> None:
        """See :class:`EngineContract`; every class must have an image."""
        labels = check_label_range(
            labels, self.num_classes, key='model.num_classes'
        )
        check_every_class(labels, self.num_classes)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[DataSample] = (),
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | Sequence[DataSample]:
        """One entry for every purpose.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images; needed
                by ``'loss'`` and ``'predict'``.
            mode (str): ``'tensor'`` gives the scores of every stage, (B, C)
                float32 by name, ``'loss'`` a dict of losses, ``'predict'``
                the data samples with their ``probe_scores``, (C,) by name.

        Raises:
            ValueError: If ``mode`` is unknown.
        """
        if mode == 'tensor':
            return self._scores(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            scores = self._scores(inputs)
            for row, sample in enumerate(data_samples):
                own = {name: scores[name][row] for name in scores}
                sample.set_field(own, 'probe_scores')
            return data_samples
        raise ValueError(
            f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}"
        )

    def loss(
        self, inputs: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Cross entropy of every stage, scaled by :meth:`rank_weight`.

        Args:
            inputs (Tensor): (B, 3, H, W) float, normalised.
            data_samples (Sequence[DataSample]): Of the same images, each with
                its ``gt_label``; padded copies (``sample_idx`` -1) take no
                part.

        Returns:
            dict[str, Tensor]: Scalars ``loss_<stage>``.

        Raises:
            ValueError: If a sample has no label.
        """
        scores = self._scores(inputs)
        real = real_rows(host_indices(data_samples))
        # Asked for by all ranks, also those that have only padded copies.
        weight = self.rank_weight(len(real), inputs.device)
        if not real:
            return {f'loss_{k}': v.sum() * 0 for k, v in scores.items()}
        labels = labels_of(data_samples, real)
        labels = labels.to(inputs.device, non_blocking=True)
        if len(real) < len(inputs):
            scores = {name: scores[name][real] for name in scores}
        return {
            f'loss_{name}': cross_entropy(scores[name], labels) * weight
            for name in scores
        }

    def _scores(self, inputs: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            maps = stage_maps(self.backbone, inputs, self.stages)
        return {name: self.probes[name](maps[name]).float() for name in maps}

    def _map_shapes(self) -> dict[str, torch.Size]:
        """(C, h, w) of every stage, from a pass of one empty image."""
        image = torch.zeros(1, 3, *self.image_size)
        with torch.no_grad():
            maps = stage_maps(self.backbone, image, self.stages)
        return {name: maps[name].shape[1:] for name in maps}


class _Probe(nn.Module):
    """Average over a grid, optionally normalise, classify."""

    def __init__(
        self, channels: int, side: int, *, num_classes: int, norm: bool
    ) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)
        num_values = channels * side**2
        self.norm: nn.Module = nn.Identity()
        if norm:
            self.norm = nn.BatchNorm1d(num_values, affine=False)
        self.fc = nn.Linear(num_values, num_classes)

    def forward(self, feature_map: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, num_classes)."""
        values = self.pool(feature_map).flatten(1)
        if isinstance(self.norm, nn.BatchNorm1d) and len(values) == 1:
            # One image, as the last batch may be, has no spread of its own.
            values = batch_norm(
                values,
                self.norm.running_mean,
                self.norm.running_var,
                eps=self.norm.eps,
            )
        else:
            values = self.norm(values)
        return self.fc(values)


def grid_side(name: str, shape: Sequence[int], pool_values: int) -> int:
    """Cells along each side of the grid that a map is averaged over.

    Args:
        name (str): Of the stage.
        shape (Sequence[int]): (C, h, w) of its map.
        pool_values (int): Most values to keep.

    Raises:
        ValueError: If one cell holds more than that already.
    """
    channels, height, width = shape
    if channels > pool_values:
        raise ValueError(
            f'pool_values ({pool_values}) must be at least {channels}, the '
            f'channels of {name}; raise it, or set it to None to pool globally'
        )
    return min(isqrt(pool_values // channels), height, width)


def _known_stages(
    backbone: nn.Module, stages: Sequence[str] | None
) -> list[str]:
    known = list(stage_modules(backbone))
    if stages is None:
        return known
    unknown = [name for name in stages if name not in known]
    if unknown or not stages:
        raise ValueError(
            f'stages must be one or more of {", ".join(known)}, got '
            f'{", ".join(stages) or "none"}'
        )
    return list(stages)
