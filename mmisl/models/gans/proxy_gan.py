"""Generator, discriminator and their optimizers as one module with state."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from mmengine.dist import broadcast
from mmengine.model import BaseModule
from torch import Tensor, nn

from .adversarial_training import AdversarialTrainer, GANReport, Triplet
from .triplet_gan import ProxyGenerator, TripletDiscriminator


class ProxyGAN(BaseModule):
    """The GAN of ISL, with everything that persists over rounds.

    Weights and both Adam states live in the state dict, Adam's as tensors: a
    checkpoint that holds tensors only loads with ``weights_only=True``. The
    parameters ask for gradients only inside :meth:`fit`, so DDP never waits
    for them and the encoder's optimizer never moves them.

    Args:
        feat_dim (int): D. Defaults to 128.
        kind (str): Of :class:`ProxyGenerator`. Defaults to ``'mlp'``.
        spectral_norm (bool): Of :class:`TripletDiscriminator`.
            Defaults to False.
        width (int): Of both networks. Defaults to 1.
        training (dict, optional): Arguments of :class:`AdversarialTrainer`.
    """

    def __init__(
        self,
        feat_dim: int = 128,
        kind: str = 'mlp',
        *,
        spectral_norm: bool = False,
        width: int = 1,
        training: dict | None = None,
    ) -> None:
        super().__init__()
        self.trainer = AdversarialTrainer(**(training or {}))
        self.generator = ProxyGenerator(feat_dim, kind, width=width)
        self.discriminator = TripletDiscriminator(
            feat_dim, spectral_norm=spectral_norm, width=width
        )
        self.requires_grad_(False)
        self.generator_adam = AdamState(self.generator)
        self.discriminator_adam = AdamState(self.discriminator)

    def fit(
        self,
        batches: Iterator[Triplet],
        held_out: Triplet,
        on_report: Callable[[GANReport], None],
    ) -> GANReport:
        """Train to the stop rule, going on where the last round left Adam.

        Every rank trains on the same draws, which costs less than waiting;
        rank 0's weights are sent to all at the end.

        Args:
            batches: Endless triplets of (B, D) features.
            held_out: One triplet batch no step is taken on.
            on_report: Called with every evaluation.

        Returns:
            GANReport: Of the generator kept.
        """
        players = (
            (self.generator, self.generator_adam),
            (self.discriminator, self.discriminator_adam),
        )
        self.requires_grad_(True)
        optimizers = []
        for network, state in players:
            optimizers.append(self.trainer.adam(network))
            state.restore(optimizers[-1])
        with torch.enable_grad():
            report = self.trainer.fit(
                self.generator,
                self.discriminator,
                (optimizers[0], optimizers[1]),
                batches,
                held_out,
                on_report,
            )
        for (_, state), optimizer in zip(players, optimizers):
            state.store(optimizer)
            optimizer.zero_grad()
        self.requires_grad_(False)
        # Mining must not change the spectral norms from chunk to chunk.
        self.eval()
        for tensor in self.state_dict().values():
            broadcast(tensor)
        return report

    def forward(
        self, anchor: Tensor, positive: Tensor, negative: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Generate proxies and score them in the place of the positive.

        Args:
            anchor (Tensor): (B, D) float, norm 1.
            positive (Tensor): (B, D) float, norm 1.
            negative (Tensor): (B, D) float, norm 1.

        Returns:
            tuple[Tensor, Tensor]: Proxies (B, D), norm 1, and scores (B,) in
            (0, 1).
        """
        proxy = self.generator(anchor, positive, negative)
        score = self.discriminator(anchor, proxy, negative).sigmoid()
        return proxy, score


class AdamState(nn.Module):
    """Adam's moments and step count of one network, as buffers.

    Args:
        network (nn.Module): Whose parameters are optimised, P values in all.

    Attributes:
        moments (Tensor): (2, P) float32, first and second moments.
        step (Tensor): () float32, steps taken.
    """

    moments: Tensor
    step: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        size = sum(param.numel() for param in network.parameters())
        self.register_buffer('moments', torch.zeros(2, size))
        self.register_buffer('step', torch.zeros(()))

    def restore(self, optimizer: torch.optim.Adam) -> None:
        """Put the saved state into a new optimizer."""
        if self.step == 0:
            return
        params = optimizer.param_groups[0]['params']
        sizes = [param.numel() for param in params]
        first, second = (moment.split(sizes) for moment in self.moments)
        for param, mean, square in zip(params, first, second):
            optimizer.state[param] = dict(
                step=self.step.cpu().clone(),
                exp_avg=mean.view_as(param).clone(),
                exp_avg_sq=square.view_as(param).clone(),
            )

    def store(self, optimizer: torch.optim.Adam) -> None:
        """Take the state of an optimizer over."""
        params = optimizer.param_groups[0]['params']
        states = [optimizer.state[param] for param in params]
        for slot, key in enumerate(('exp_avg', 'exp_avg_sq')):
            self.moments[slot] = torch.cat([s[key].flatten() for s in states])
        self.step.fill_(float(states[0]['step']))
