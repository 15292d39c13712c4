"""A weight initializer for models whose parts come from one checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.model import BaseModule
from torch import nn

from mmisl.registry import WEIGHT_INITIALIZERS

from .strict_pretrained import StrictPretrained


@WEIGHT_INITIALIZERS.register_module()
class PretrainedParts:
    """Gives parts of a model the weights of one checkpoint, or stops.

    For detectors, whose backbone and shared head are two halves of one
    pretrained network. It is the ``init_cfg`` of the whole model, so the
    checkpoint is named once: ``--cfg-options
    model.init_cfg.checkpoint=PATH`` exchanges it, and
    ``model.init_cfg=None`` begins with random weights. What the parts do not
    name is initialised first, as its owner wishes.

    Args:
        checkpoint (str): Of a run of mmisl, or made by
            ``tools/convert_backbone.py``.
        parts (Mapping[str, Mapping[str, Any]]): Dotted name of each module,
            and the other arguments of its :class:`StrictPretrained`.

    Raises:
        ValueError: If there are no parts, or at loading if the model has no
            such part or a part does not match.
    """

    def __init__(
        self, checkpoint: str, parts: Mapping[str, Mapping[str, Any]]
    ) -> None:
        if not parts:
            raise ValueError(
                'parts is empty; name the modules that the checkpoint is '
                'for, such as parts=dict(backbone=dict())'
            )
        self.checkpoint = checkpoint
        self.initializers = {
            name: StrictPretrained(checkpoint, **arguments)
            for name, arguments in parts.items()
        }

    def __call__(self, module: nn.Module) -> None:
        """Initialise ``module`` and load its parts.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: See above.
        """
        # First everything as its owner wishes: an initializer of what a part
        # lies in would go over loaded weights.
        for child in module.children():
            if isinstance(child, BaseModule):
                child.init_weights()  # and not again
        for part, initializer in self.parts_of(module):
            initializer(part)

    def parts_of(
        self, module: nn.Module
    ) -> Iterator[tuple[nn.Module, StrictPretrained]]:
        """Parts of a model, each with what loads it.

        Raises:
            ValueError: If the model has no such part.
        """
        for name, initializer in self.initializers.items():
            try:
                part = module.get_submodule(name)
            except AttributeError as error:
                children = ', '.join(n for n, _ in module.named_children())
                raise ValueError(
                    f'parts names {name!r}, but {type(module).__name__} has '
                    f'no such module; it consists of {children}'
                ) from error
            yield part, initializer
