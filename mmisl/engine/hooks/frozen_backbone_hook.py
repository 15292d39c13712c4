"""Proves that a backbone stays as it is."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmisl.registry import HOOKS
from mmisl.weights import fingerprint, fingerprints

from ..unwrapping import unwrap_model

_KEY = 'frozen_backbone'


@HOOKS.register_module()
class FrozenBackboneHook(Hook):
    """Stops a run that changes the backbone it is to judge.

    SHA-256 of every parameter and buffer of ``model.backbone`` is taken before
    training, after every epoch and after training. The epoch's check comes
    before its checkpoint, so none is written of a backbone that has changed.
    The digest of all is logged; those of the tensors are saved with every
    checkpoint: a run that is resumed goes on with the backbone it began with,
    or not at all.

    What it catches: statistics of batch normalisation that move in training
    mode, parameters that the optimizer moves, weights loaded over others.
    """

    # Before the hooks that save.
    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        """Take the digests, or compare with those of the part before."""
        backbone = _backbone(runner)
        if _KEY in runner.message_hub.runtime_info:
            self._compare(runner, 'since the run began')
        else:
            runner.message_hub.update_info(_KEY, fingerprints(backbone))
        runner.logger.info(f'Frozen backbone: sha256 {fingerprint(backbone)}')

    def after_train_epoch(self, runner: Runner) -> None:
        """Compare before the checkpoint of this epoch is written."""
        self._compare(runner, f'in epoch {runner.epoch + 1}')

    def after_train(self, runner: Runner) -> None:
        """Compare once more, and say that nothing has changed."""
        self._compare(runner, 'after the last epoch')
        digest = fingerprint(_backbone(runner))
        runner.logger.info(f'Frozen backbone: unchanged, sha256 {digest}')

    def _compare(self, runner: Runner, when: str) -> None:
        """Insist that every tensor is as it was.

        Raises:
            RuntimeError: Naming the first that is not.
        """
        expected = runner.message_hub.get_info(_KEY)
        given = fingerprints(_backbone(runner))
        changed = [
            name
            for name in {**expected, **given}
            if expected.get(name) != given.get(name)
        ]
        if changed:
            raise RuntimeError(
                f'the backbone was to stay as it is, but {when} '
                f'backbone.{changed[0]} has changed ({len(changed)} of '
                f'{len(expected)} tensors); keep it in eval mode and out of '
                'the optimizer, as mmisl.LinearProbes does'
            )


def _backbone(runner: Runner) -> nn.Module:
    return unwrap_model(runner.model).backbone
