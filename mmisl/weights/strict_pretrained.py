"""A weight initializer that loads everything or stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule, update_init_info
from torch import Tensor, nn

from mmisl.registry import WEIGHT_INITIALIZERS

from .checkpoints import (
    BACKBONE,
    part_state,
    read_checkpoint,
    state_mismatch,
)
from .fold_norm import fold_norm
from .preprocessing import stored_preprocessing


@WEIGHT_INITIALIZERS.register_module()
class StrictPretrained:
    """Gives a backbone the weights of a checkpoint, all of them or an error.

    mmengine's ``Pretrained`` loads what happens to fit and reports the rest
    in a warning. Here every key has to find its place, except those that are
    named. The backbone may be any of mmpretrain's, mmdet's or mmisl's:
    ``init_cfg=dict(type='mmisl.StrictPretrained', checkpoint='OUT.pth')``; in
    a list of initializers it stands last.
    Add :class:`mmisl.PreprocessingCheckHook`, which compares colours.

    Nothing initialises the loaded weights anew afterwards, as mmpretrain's
    ResNet otherwise does with the last normalisation of each block
    (``zero_init_residual``).

    Args:
        checkpoint (str): Of a run of mmisl, or made by
            ``tools/convert_backbone.py``.
        leave_out (Sequence[str]): Beginnings of keys of the checkpoint that
            the module has no place for, such as ``'layer4.'`` for a backbone
            of three stages. Defaults to ().
        keep (Sequence[str]): Beginnings of keys of the module that the
            checkpoint does not have and that stay as they are. Defaults
            to ().
        prefix (str): Where the weights lie in the checkpoint; with
            ``'neck.fc6.'`` another module than a backbone gets its own.
            Defaults to ``'backbone.'``.
        fold_norm (bool): Fold the checkpoint's batch normalisation into the
            layers before it, for a module that has none
            (``AlexNetBN(norm='none')``); see :func:`fold_norm`. Defaults
            to False.

    Raises:
        ValueError: If a name in ``leave_out`` or ``keep`` fits no key, or the
            others do not match, or a normalisation cannot be folded.
    """

    def __init__(
        self,
        checkpoint: str,
        leave_out: Sequence[str] = (),
        *,
        keep: Sequence[str] = (),
        prefix: str = BACKBONE,
        fold_norm: bool = False,
    ) -> None:
        self.checkpoint = checkpoint
        self.leave_out = tuple(leave_out)
        self.keep = tuple(keep)
        self.prefix = prefix
        self.fold_norm = fold_norm

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into ``module``.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: See above.
        """
        checkpoint = read_checkpoint(self.checkpoint)
        state = self._match(module, checkpoint)
        module.load_state_dict(state, strict=False)
        _protect(module)
        seen = stored_preprocessing(checkpoint)
        print_log(
            f'{type(module).__name__} has the weights of {self.checkpoint}, '
            f'trained on {seen or "images of unknown colour order"}',
            logger='current',
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(
                module, init_info=f'StrictPretrained: {self.checkpoint}'
            )

    def matching_state(self, module: nn.Module) -> dict[str, Tensor]:
        """The part of the checkpoint that belongs to ``module``.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it does not match.
        """
        return self._match(module, read_checkpoint(self.checkpoint))

    def _match(
        self, module: nn.Module, checkpoint: dict[str, Any]
    ) -> dict[str, Tensor]:
        state = part_state(checkpoint, self.prefix)
        if not state:
            raise ValueError(
                f'{self.checkpoint} holds nothing below {self.prefix!r}, '
                f'which {type(module).__name__} would need; give a checkpoint '
                'of a run whose network has that part'
            )
        if self.fold_norm:
            state = fold_norm(state)
        state = _without(state, self.leave_out, 'leave_out')
        expected = _without(module.state_dict(), self.keep, 'keep')
        complaint = state_mismatch(expected, state, owner='module')
        if complaint:
            raise ValueError(
                f'{type(module).__name__} cannot take its weights from '
                f'{self.checkpoint}: the checkpoint {complaint}. Build the '
                'backbone that it was trained as, or name keys in leave_out '
                'or keep'
            )
        return state


def check_loaded(module: nn.Module, initializer: StrictPretrained) -> None:
    """Insist that a module still has the weights it was given.

    Args:
        module (nn.Module): Before its first step.
        initializer (StrictPretrained): What gave them.

    Raises:
        RuntimeError: Naming the first entry that differs.
    """
    own = module.state_dict()
    for key, value in initializer.matching_state(module).items():
        if not torch.equal(own[key].cpu(), value.to(own[key].dtype)):
            raise RuntimeError(
                f'{type(module).__name__}.{key} is not what '
                f'{initializer.checkpoint} holds: something initialised it '
                'anew after it was loaded; look for init_weights of the model'
            )


def _protect(module: nn.Module) -> None:
    """Keep what follows in ``init_weights`` from what was loaded."""
    for child in module.modules():
        if child is not module and isinstance(child, BaseModule):
            child.is_init = True
    # mmpretrain's ResNet spares its residual branches for 'Pretrained' only.
    if 'zero_init_residual' in vars(module):
        vars(module)['zero_init_residual'] = False


def _without(
    state: dict[str, Tensor], names: Sequence[str], argument: str
) -> dict[str, Tensor]:
    for name in names:
        if not any(key.startswith(name) for key in state):
            raise ValueError(
                f'{argument} names {name!r}, but no key begins with it; the '
                f'first is {next(iter(state), "missing")}'
            )
    return {k: v for k, v in state.items() if not k.startswith(tuple(names))}
