"""What a network saw of an image: order of its colours, mean and std."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ORDERS = ('rgb', 'bgr')
# Key below `meta` of a checkpoint.
META_KEY = 'preprocessing'
# In 0..255. Configs round in the second decimal, at times in the first.
_TOLERANCE = 0.1


@dataclass(frozen=True)
class Preprocessing:
    """How pixels were normalised before a network saw them.

    Weights trained on RGB lose accuracy on BGR without any error, so this
    travels with them.

    Attributes:
        channel_order: 'rgb' or 'bgr', as the network sees it.
        mean: Of the three channels in that order, in 0..255.
        std: Likewise, greater than 0.

    Raises:
        ValueError: If a value is none of these.
    """

    channel_order: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.channel_order not in ORDERS:
            raise ValueError(
                "channel_order must be 'rgb' or 'bgr', got "
                f'{self.channel_order!r}'
            )
        for name in ('mean', 'std'):
            object.__setattr__(
                self, name, _channels(name, getattr(self, name))
            )
        if min(self.std) <= 0:
            raise ValueError(f'std must be greater than 0, got {self.std}')

    def __str__(self) -> str:
        mean, std = (
            ', '.join(f'{value:g}' for value in values)
            for values in (self.mean, self.std)
        )
        return f'{self.channel_order.upper()}, mean ({mean}), std ({std})'

    def to_meta(self) -> dict[str, Any]:
        """Plain values, to be stored."""
        return dict(
            channel_order=self.channel_order,
            mean=list(self.mean),
            std=list(self.std),
        )


def stored_preprocessing(checkpoint: dict[str, Any]) -> Preprocessing | None:
    """What a checkpoint says its weights were trained on.

    Args:
        checkpoint (dict[str, Any]): From :func:`read_checkpoint`.

    Returns:
        Preprocessing | None: None where it does not say.
    """
    meta = checkpoint.get('meta')
    stored = meta.get(META_KEY) if isinstance(meta, dict) else None
    return None if stored is None else Preprocessing(**stored)


def required_preprocessing(
    checkpoint: dict[str, Any], path: object
) -> Preprocessing:
    """As :func:`stored_preprocessing`, for where it has to be known.

    Raises:
        ValueError: If the checkpoint does not say. ``path`` is for the
            message.
    """
    stored = stored_preprocessing(checkpoint)
    if stored is None:
        raise ValueError(
            f'{path} does not say what its weights were trained on; write it '
            'again with tools/convert_backbone.py, which stores that'
        )
    return stored


def check_preprocessing(
    stored: Preprocessing, own: Preprocessing, *, checkpoint: object
) -> None:
    """Insist that weights see what they were trained on.

    Args:
        stored (Preprocessing): Of the checkpoint.
        own (Preprocessing): Of the config that loads it.
        checkpoint (object): Its path, for the message.

    Raises:
        ValueError: If they differ. Names both, and what to change.
    """
    cures = []
    if stored.channel_order != own.channel_order:
        cures.append(
            f'turn the channels round to {stored.channel_order.upper()} with '
            'to_rgb, bgr_to_rgb or rgb_to_bgr'
        )
    for name in ('mean', 'std'):
        expected, got = getattr(stored, name), getattr(own, name)
        if any(abs(e - g) > _TOLERANCE for e, g in zip(expected, got)):
            cures.append(f'set {name}={list(expected)}')
    if cures:
        raise ValueError(
            f'the weights of {checkpoint} were trained on {stored}, but this '
            f'config shows them {own}; in data_preprocessor {", ".join(cures)}'
        )


def _channels(name: str, values: Sequence[float]) -> tuple[float, ...]:
    """Three numbers; one stands for all channels."""
    numbers = tuple(float(value) for value in values)
    if len(numbers) not in (1, 3):
        raise ValueError(
            f'{name} must be 3 numbers in 0..255, or one for all channels, '
            f'got {numbers}'
        )
    return numbers * (3 // len(numbers))


IMAGENET = Preprocessing(
    'rgb', (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
)
