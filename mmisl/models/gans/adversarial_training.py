"""Training the generator against the discriminator, and when to stop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dist import broadcast
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mmisl.progress import Bar

from .objectives import OBJECTIVES, Objective
from .triplet_gan import ProxyGenerator, TripletDiscriminator

Triplet = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class GANReport:
    """State of the game on held-out anchors at one iteration.

    Attributes:
        iteration: Iterations of this stage.
        generator_loss: L_G; when the discriminator cannot tell 0.69, with
            the hinge 0.
        discriminator_loss: L_D; when it cannot tell 0.69, with the hinge 1.
        gap: Mean score of true triplets minus that of triplets with a proxy,
            in [-1, 1]. Near 0 the two are balanced; near 1 the discriminator
            has won and the proxies mean nothing.
        proxy_similarity: Mean cosine of a proxy to its positive and negative.
    """

    iteration: int
    generator_loss: float
    discriminator_loss: float
    gap: float
    proxy_similarity: float


def best_report(history: list[GANReport], min_iters: int) -> GANReport:
    """Most balanced report from ``min_iters`` on; earlier ones do not count.

    An untrained discriminator scores everything 0.5 and looks balanced, so
    the released rule on L_G alone can stop before anything was learnt.
    """
    eligible = [r for r in history if r.iteration >= min_iters]
    return min(eligible or history[-1:], key=lambda report: abs(report.gap))


def should_stop(
    history: list[GANReport], *, min_iters: int, patience: int
) -> bool:
    """Stop once the most balanced state is ``patience`` evaluations old.

    Args:
        history (list[GANReport]): In the order of evaluation.
        min_iters (int): Never stop before, and ignore reports from before.
        patience (int): Evaluations without a better balance.

    Returns:
        bool: True to stop.
    """
    eligible = [r for r in history if r.iteration >= min_iters]
    if not eligible:
        return False
    best = eligible.index(best_report(history, min_iters))
    return len(eligible) - 1 - best >= patience


class AdversarialTrainer:
    """Alternates one discriminator and one generator step.

    The proxy is generated once per iteration and serves both steps, as in
    the released code (``small_main.py``, ``train_gan``).

    # Deviates from the released code: it stops by the epoch mean of L_G and
    # keeps the last generator, whatever its state. Here iterations are
    # counted, the balance on held-out anchors decides, and the best
    # generator is kept.

    Args:
        lr (float): Adam's learning rate for both. Defaults to 1e-4.
        min_iters (int): Iterations before the balance counts.
        max_iters (int): Iterations after which training ends in any case.
        eval_interval (int): Iterations between evaluations.
        patience (int): Evaluations without a better balance before the stop.
        loss (str): ``'bce'``, cross entropy as released, or ``'hinge'``; see
            :func:`hinge_discriminator_loss`. Either way the sigmoid of a
            logit is the score, and 0.5 the border between true and proxy,
            so thresholds and balance mean the same. Defaults to ``'bce'``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        lr: float = 1e-4,
        *,
        min_iters: int = 2000,
        max_iters: int = 20000,
        eval_interval: int = 200,
        patience: int = 10,
        loss: str = 'bce',
    ) -> None:
        if not 0 < eval_interval <= min_iters <= max_iters:
            raise ValueError(
                'need 0 < eval_interval <= min_iters <= max_iters, got '
                f'{eval_interval}, {min_iters}, {max_iters}'
            )
        if lr <= 0 or patience < 1:
            raise ValueError(
                f'need lr > 0 and patience >= 1, got {lr}, {patience}'
            )
        if loss not in OBJECTIVES:
            raise ValueError(f"loss must be 'bce' or 'hinge', got {loss!r}")
        self.lr = lr
        self.min_iters = min_iters
        self.max_iters = max_iters
        self.eval_interval = eval_interval
        self.patience = patience
        self.objective = OBJECTIVES[loss]

    def adam(self, module: nn.Module) -> torch.optim.Adam:
        """Adam over the parameters of one network."""
        return torch.optim.Adam(module.parameters(), lr=self.lr)

    def fit(
        self,
        generator: ProxyGenerator,
        discriminator: TripletDiscriminator,
        optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
        batches: Iterator[Triplet],
        held_out: Triplet,
        on_report: Callable[[GANReport], None],
    ) -> GANReport:
        """Train until the stop rule holds and keep the best generator.

        Args:
            generator (ProxyGenerator): Left with its best weights.
            discriminator (TripletDiscriminator): Left with the weights it
                had beside that generator.
            optimizers: Of the generator and of the discriminator, left as
                they were then.
            batches: Endless triplets of (B, D) features.
            held_out: One triplet batch no step is taken on.
            on_report: Called with every evaluation.

        Returns:
            GANReport: Of the generator kept.

        Raises:
            RuntimeError: If a loss is not finite.
        """
        history: list[GANReport] = []
        players: tuple[Any, ...] = (
            generator,
            discriminator,
            *optimizers,
        )
        best_states: list[dict] = []
        with Bar('GAN', self.max_iters) as bar:
            for iteration in range(1, self.max_iters + 1):
                take_step(
                    generator,
                    discriminator,
                    optimizers,
                    next(batches),
                    self.objective,
                )
                bar.advance()
                is_last = iteration == self.max_iters
                if iteration % self.eval_interval and not is_last:
                    continue
                history.append(
                    evaluate(
                        generator,
                        discriminator,
                        held_out,
                        iteration,
                        self.objective,
                    )
                )
                on_report(history[-1])
                bar.update(note=f'balance {history[-1].gap:+.3f}')
                if history[-1] is best_report(history, self.min_iters):
                    best_states = [
                        copy.deepcopy(player.state_dict())
                        for player in players
                    ]
                if should_stop(
                    history, min_iters=self.min_iters, patience=self.patience
                ):
                    break
        for player, state in zip(players, best_states):
            player.load_state_dict(state)
        return best_report(history, self.min_iters)


def take_step(
    generator: ProxyGenerator,
    discriminator: TripletDiscriminator,
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    batch: Triplet,
    objective: Objective,
) -> None:
    """One step of the discriminator, then one of the generator.

    Args:
        generator (ProxyGenerator): Changed in place.
        discriminator (TripletDiscriminator): Changed in place.
        optimizers: Of the generator and of the discriminator.
        batch: Anchors, positives and negatives, (B, D) each.
        objective (Objective): What they minimise.
    """
    discriminator.train()
    optim_g, optim_d = optimizers
    anchor, positive, negative = batch
    proxy = generator(anchor, positive, negative)

    fixed = proxy.detach()
    # The same spectral norms for all triplets of a loss.
    with parametrize.cached():
        loss_d = objective.discriminator(
            discriminator(anchor, positive, negative),
            discriminator(anchor, positive, fixed),
            discriminator(anchor, fixed, negative),
        )
    optim_d.zero_grad()
    loss_d.backward()
    optim_d.step()

    with parametrize.cached():
        loss_g = objective.generator(
            discriminator(anchor, positive, proxy),
            discriminator(anchor, proxy, negative),
        )
    optim_g.zero_grad()
    loss_g.backward()
    optim_g.step()


@torch.no_grad()
def evaluate(
    generator: ProxyGenerator,
    discriminator: TripletDiscriminator,
    held_out: Triplet,
    iteration: int,
    objective: Objective = OBJECTIVES['bce'],
) -> GANReport:
    """Measure the balance on held-out triplets; rank 0's on all ranks.

    Raises:
        RuntimeError: If a loss is not finite.
    """
    # Looking changes no estimate of a spectral norm.
    discriminator.eval()
    anchor, positive, negative = held_out
    proxy = generator(anchor, positive, negative)
    real = discriminator(anchor, positive, negative)
    as_negative = discriminator(anchor, positive, proxy)
    as_positive = discriminator(anchor, proxy, negative)
    fake = 0.5 * (as_negative.sigmoid() + as_positive.sigmoid())
    near = 0.5 * ((proxy * positive).sum(1) + (proxy * negative).sum(1))
    values = torch.stack(
        [
            objective.generator(as_negative, as_positive),
            objective.discriminator(real, as_negative, as_positive),
            (real.sigmoid() - fake).mean(),
            near.mean(),
        ]
    )
    # What follows decides when to stop: a last bit that differs between
    # ranks must not let one leave a loop of collective calls alone.
    broadcast(values)
    loss_g, loss_d, gap, proxy_similarity = values.tolist()
    if not (math.isfinite(loss_g) and math.isfinite(loss_d)):
        raise RuntimeError(
            f'the GAN diverged at iteration {iteration}: generator loss '
            f'{loss_g}, discriminator loss {loss_d}; lower its lr, or look '
            'for NaN in the features'
        )
    return GANReport(
        iteration=iteration,
        generator_loss=loss_g,
        discriminator_loss=loss_d,
        gap=gap,
        proxy_similarity=proxy_similarity,
    )
