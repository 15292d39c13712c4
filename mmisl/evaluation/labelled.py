"""What every score needs of features and labels."""

from __future__ import annotations

import torch
from torch import Tensor

from mmisl.ops import all_finite

# Classes that an error names.
_MAX_NAMED = 5


def check_labelled(
    train_feats: Tensor,
    train_labels: Tensor,
    test_feats: Tensor,
    test_labels: Tensor,
    *,
    parts: tuple[str, str] = ('train', 'test'),
) -> None:
    """Insist on features that a classifier can be trained and judged on.

    Args:
        train_feats (Tensor): (N, C) float.
        train_labels (Tensor): (N,) int64.
        test_feats (Tensor): (M, C) float.
        test_labels (Tensor): (M,) int64.
        parts (tuple[str, str]): What errors call them.

    Raises:
        ValueError: If shapes disagree, a part is empty, a value is NaN or
            infinite, a label is missing, or a class of the test part is
            absent from the training part, where it would count as an error
            of the network.
    """
    for part, feats, labels in (
        (parts[0], train_feats, train_labels),
        (parts[1], test_feats, test_labels),
    ):
        if feats.dim() != 2 or not len(feats) or labels.shape != (len(feats),):
            raise ValueError(
                f'{part} features and labels must be (N, C) and (N,) with '
                f'N > 0, got {tuple(feats.shape)} and {tuple(labels.shape)}'
            )
        if labels.is_floating_point() or labels.min() < 0:
            missing = int((labels < 0).sum())
            raise ValueError(
                f'{part}: {missing} of {len(labels)} images have no label; '
                'every image needs an integer from 0 on'
            )
        if not all_finite(feats):
            bad = int((~torch.isfinite(feats)).any(1).sum())
            raise ValueError(
                f'{part}: features of {bad} of {len(feats)} images hold NaN '
                'or infinity; the training has diverged: lower the learning '
                'rate or train without --amp'
            )
    if train_feats.shape[1] != test_feats.shape[1]:
        raise ValueError(
            f'{parts[0]} features have {train_feats.shape[1]} dimensions, '
            f'{parts[1]} features {test_feats.shape[1]}; both must come from '
            'the same network and stage'
        )
    known = train_labels.unique()
    asked = test_labels.unique().to(known.device)
    absent = asked[~torch.isin(asked, known)].tolist()
    if absent:
        named = ', '.join(map(str, absent[:_MAX_NAMED]))
        more = len(absent) - _MAX_NAMED
        raise ValueError(
            f'classes {named}{f" and {more} more" if more > 0 else ""} have '
            f'images in the {parts[1]} part and none in the {parts[0]} part; '
            'take a training part with every class'
        )
