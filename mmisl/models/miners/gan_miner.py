"""Mining around proxies that a GAN generates on the feature manifold."""

from __future__ import annotations

from typing import Iterator

import numpy as np
import torch
from mmengine.dist import all_reduce, broadcast, get_rank, get_world_size
from mmengine.logging import print_log
from torch import Tensor, nn

from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from ..gans import (
    AdversarialTrainer,
    GANReport,
    ProxyGenerator,
    TripletDiscriminator,
    TripletSampler,
)
from .base import BaseMiner, check_topk, mean_view
from .edge_selection import Candidates

_CHUNK_ROWS = 1024
_MAX_HELD_OUT = 1024


@MODELS.register_module()
class GANMiner(BaseMiner):
    r"""Mines around proxies that a GAN generates on the feature manifold.

    A proxy :math:`p^*` with discriminator score :math:`s > \tau` accepts the
    rows of the bank whose cosine to it exceeds
    :math:`R + (1 - s)(1 - R)`, at most ``topk``, never the anchor. Source:
    released code, ``small_main.py`` (``mining``) and
    ``lib/LinearAverage.py``. Defaults are those of the released code for
    small data sets; ImageNet uses ``score_thr=0.3, sim_thr=0.3``.

    Generator, discriminator and both Adam states live in the state dict and
    persist over rounds. Their parameters ask for gradients only inside
    :meth:`propose`, so DDP never waits for them.

    # Deviates from the released code: it adds every accepted pair of a pass
    # and ends after the pass that exceeds the quota. Here the pairs of all
    # views are ranked and the quota is met exactly.

    Args:
        feat_dim (int): D. Defaults to 128.
        score_thr (float): tau in [0, 1). Defaults to 0.5.
        sim_thr (float): R in [-1, 1). Defaults to 0.6.
        topk (int): Rows around a proxy. Defaults to 10.
        num_draws (int): Draws among which the negative is chosen.
            Defaults to 4096.
        positive (str): ``'self'`` or ``'mined'``; see
            :class:`TripletSampler`. Defaults to ``'self'``.
        negative (str): ``'hardest'`` or ``'semi_hard'``. Defaults to
            ``'hardest'``.
        generator (str): ``'mlp'`` or ``'residual'``; see
            :class:`ProxyGenerator`. Defaults to ``'mlp'``.
        anchor (str): ``'view'``, each augmented view is an anchor as
            released; ``'mean_view'``, the mean of the views, each pass with
            other draws. Defaults to ``'view'``.
        ranking (str): What makes a pair confident: ``'margin'``, cosine minus
            threshold; ``'votes'``, views that accept it, then cosine;
            ``'similarity'``, cosine to the proxy. Defaults to ``'margin'``.
        batch_size (int): Triplets of one GAN iteration. Defaults to 128.
        training (dict, optional): Arguments of :class:`AdversarialTrainer`.
        max_degree (int, optional): See :class:`BaseMiner`.
        mutual (bool): See :class:`BaseMiner`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        feat_dim: int = 128,
        *,
        score_thr: float = 0.5,
        sim_thr: float = 0.6,
        topk: int = 10,
        num_draws: int = 4096,
        positive: str = 'self',
        negative: str = 'hardest',
        generator: str = 'mlp',
        anchor: str = 'view',
        ranking: str = 'margin',
        batch_size: int = 128,
        training: dict | None = None,
        max_degree: int | None = None,
        mutual: bool = False,
    ) -> None:
        super().__init__(max_degree, mutual=mutual)
        if not 0 <= score_thr < 1:
            raise ValueError(f'score_thr must lie in [0, 1), got {score_thr}')
        if not -1 <= sim_thr < 1:
            raise ValueError(f'sim_thr must lie in [-1, 1), got {sim_thr}')
        if anchor not in ('view', 'mean_view'):
            raise ValueError(
                f"anchor must be 'view' or 'mean_view', got {anchor!r}"
            )
        if ranking not in ('margin', 'votes', 'similarity'):
            raise ValueError(
                "ranking must be 'margin', 'votes' or 'similarity', got "
                f'{ranking!r}'
            )
        if batch_size < 1:
            raise ValueError(f'batch_size must be >= 1, got {batch_size}')
        self.score_thr = score_thr
        self.sim_thr = sim_thr
        self.topk = topk
        self.anchor = anchor
        self.ranking = ranking
        self.batch_size = batch_size
        self.sampler = TripletSampler(num_draws, positive, negative)
        self.trainer = AdversarialTrainer(**(training or {}))
        self.generator = ProxyGenerator(feat_dim, generator)
        self.discriminator = TripletDiscriminator(feat_dim)
        for name, network in self._networks():
            network.requires_grad_(False)
            size = sum(p.numel() for p in network.parameters())
            # Adam's moments and step count as tensors: a checkpoint that
            # holds tensors only loads with weights_only=True.
            self.register_buffer(f'{name}_adam', torch.zeros(2, size))
            self.register_buffer(f'{name}_adam_step', torch.zeros(()))

    def propose(
        self, views: Tensor, bank: Tensor, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """Train the GAN on, then mine around its proxies.

        Every rank trains the same GAN on the same draws, which costs less
        than waiting; rank 0's weights are then sent to all, and mining is
        shared out by rows. See :meth:`BaseMiner.propose`.
        """
        report = self._train_gan(views, bank, graph, seed)
        for tensor in self.state_dict().values():
            broadcast(tensor)
        candidates, accepted = self._mine(views, bank, graph, seed)
        return candidates, dict(
            gan_gap=report.gap,
            gan_generator_objective=report.generator_loss,
            gan_discriminator_objective=report.discriminator_loss,
            gan_iterations=report.iteration,
            proxy_similarity=report.proxy_similarity,
            proxies_accepted=accepted,
        )

    def anchors(self, views: Tensor, view: int, rows: Tensor) -> Tensor:
        """Anchor features of some samples in one pass.

        Args:
            views (Tensor): (V, N, D).
            view (int): Pass, in [0, V).
            rows (Tensor): (B,) int64.

        Returns:
            Tensor: (B, D) float32, norm 1.
        """
        if self.anchor == 'mean_view':
            return mean_view(views[:, rows])
        return views[view, rows].float()

    @torch.no_grad()
    def propose_pass(
        self,
        anchors: Tensor,
        sample_idx: Tensor,
        bank: Tensor,
        graph: NeighborGraph,
        rng: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        """Pairs that the proxies of one pass accept.

        Args:
            anchors (Tensor): (B, D) float, norm 1.
            sample_idx (Tensor): (B,) int64.
            bank (Tensor): (N, D) float, norm 1.
            graph (NeighborGraph): Over the same N samples.
            rng (torch.Generator): Of the negatives.

        Returns:
            tuple: ``src``, ``dst`` (M,) int64, cosine to the proxy and the
            threshold it exceeded (M,) float, and the number of proxies whose
            score passed.
        """
        positive, negative = self.sampler.sample(
            anchors, sample_idx, bank, graph, rng
        )
        proxy = self.generator(anchors, bank[positive], bank[negative])
        score = self.discriminator(anchors, proxy, bank[negative]).sigmoid()
        threshold = self.sim_thr + (1 - score) * (1 - self.sim_thr)  # (B,)
        similarity = proxy @ bank.T  # (B, N)
        similarity.scatter_(1, sample_idx.unsqueeze(1), -2.0)
        cosine, row = similarity.topk(check_topk(self.topk, len(bank)), dim=1)
        passed = score > self.score_thr
        accept = (cosine > threshold.unsqueeze(1)) & passed.unsqueeze(1)
        src = sample_idx.unsqueeze(1).expand_as(row)[accept]
        limit = threshold.unsqueeze(1).expand_as(cosine)[accept]
        return src, row[accept], cosine[accept], limit, int(passed.sum())

    def _networks(self) -> tuple[tuple[str, nn.Module], ...]:
        return (
            ('generator', self.generator),
            ('discriminator', self.discriminator),
        )

    def _train_gan(
        self, views: Tensor, bank: Tensor, graph: NeighborGraph, seed: int
    ) -> GANReport:
        """Train to the stop rule, resuming Adam where the last round left."""
        rng = _generator(bank.device, seed, 0)
        num_samples = len(bank)
        order = torch.randperm(num_samples, generator=rng, device=bank.device)
        num_held_out = min(_MAX_HELD_OUT, max(1, num_samples // 16))
        held_out = self._triplet(views, bank, graph, order[:num_held_out], rng)
        batches = self._triplets(views, bank, graph, order[num_held_out:], rng)
        optimizers = []
        for name, network in self._networks():
            network.requires_grad_(True)
            optimizers.append(self.trainer.adam(network))
            self._load_adam(name, optimizers[-1])
        with torch.enable_grad():
            report = self.trainer.fit(
                self.generator,
                self.discriminator,
                tuple(optimizers),
                batches,
                held_out,
                _log_report,
            )
        for (name, network), optimizer in zip(self._networks(), optimizers):
            self._store_adam(name, optimizer)
            optimizer.zero_grad()
            network.requires_grad_(False)
        return report

    def _triplets(
        self,
        views: Tensor,
        bank: Tensor,
        graph: NeighborGraph,
        rows: Tensor,
        rng: torch.Generator,
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Endless triplet batches over some samples, reshuffled each pass."""
        while True:
            shuffled = rows[
                torch.randperm(len(rows), generator=rng, device=rows.device)
            ]
            for batch in shuffled.split(self.batch_size):
                yield self._triplet(views, bank, graph, batch, rng)

    def _triplet(
        self,
        views: Tensor,
        bank: Tensor,
        graph: NeighborGraph,
        rows: Tensor,
        rng: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Anchors in one random view, with their positives and negatives."""
        view = torch.randint(len(views), (), generator=rng, device=rng.device)
        anchor = self.anchors(views, int(view), rows)
        positive, negative = self.sampler.sample(
            anchor, rows, bank, graph, rng
        )
        return anchor, bank[positive], bank[negative]

    def _mine(
        self, views: Tensor, bank: Tensor, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, float]:
        """Proposals of all views; the share of proxies that passed."""
        parts, num_passed = [], 0
        rows = torch.arange(len(bank), device=bank.device).split(_CHUNK_ROWS)
        for chunk in range(get_rank(), len(rows), get_world_size()):
            # Seeded by chunk, so the draws do not depend on the ranks.
            rng = _generator(bank.device, seed, 1 + chunk)
            passes = [
                self.propose_pass(
                    self.anchors(views, view, rows[chunk]),
                    rows[chunk],
                    bank,
                    graph,
                    rng,
                )
                for view in range(len(views))
            ]
            num_passed += sum(result[4] for result in passes)
            merged = [
                torch.cat([result[field] for result in passes])
                for field in range(4)
            ]
            parts.append(self._rank(*merged, len(bank)))
        if not parts:  # more ranks than chunks
            none = torch.zeros(0, dtype=torch.int64, device=bank.device)
            parts = [Candidates(none, none, none.double())]
        candidates = Candidates.cat(parts).gather()
        total = torch.tensor(float(num_passed), device=bank.device)
        all_reduce(total)
        return candidates, float(total) / (len(views) * len(bank))

    def _rank(
        self,
        src: Tensor,
        dst: Tensor,
        cosine: Tensor,
        threshold: Tensor,
        num_samples: int,
    ) -> Candidates:
        """Merge the views' pairs and score each pair once."""
        keys, inverse = torch.unique(
            src * num_samples + dst, return_inverse=True
        )
        src = torch.div(keys, num_samples, rounding_mode='floor')
        best = torch.full_like(keys, -2, dtype=torch.float64)
        if self.ranking == 'margin':
            value = (cosine - threshold).double()
        else:
            value = cosine.double()
        best.scatter_reduce_(0, inverse, value, 'amax')
        if self.ranking == 'votes':
            votes = torch.bincount(inverse, minlength=len(keys))
            # Cosine lies in [-1, 1]: it orders equal votes, nothing more.
            best = votes.double() + 0.25 * best
        return Candidates(src, keys - src * num_samples, best)

    def _load_adam(self, name: str, optimizer: torch.optim.Adam) -> None:
        step = getattr(self, f'{name}_adam_step')
        if step == 0:
            return
        moments = getattr(self, f'{name}_adam')
        params = optimizer.param_groups[0]['params']
        sizes = [param.numel() for param in params]
        for param, first, second in zip(
            params, moments[0].split(sizes), moments[1].split(sizes)
        ):
            optimizer.state[param] = dict(
                step=step.cpu().clone(),
                exp_avg=first.view_as(param).clone(),
                exp_avg_sq=second.view_as(param).clone(),
            )

    def _store_adam(self, name: str, optimizer: torch.optim.Adam) -> None:
        params = optimizer.param_groups[0]['params']
        states = [optimizer.state[param] for param in params]
        moments = getattr(self, f'{name}_adam')
        for slot, key in enumerate(('exp_avg', 'exp_avg_sq')):
            moments[slot] = torch.cat([s[key].flatten() for s in states])
        getattr(self, f'{name}_adam_step').fill_(float(states[0]['step']))


def _generator(device: torch.device, *key: int) -> torch.Generator:
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return torch.Generator(device=device).manual_seed(seed % 2**63)


def _log_report(report: GANReport) -> None:
    print_log(
        f'GAN iteration {report.iteration}: generator '
        f'{report.generator_loss:.3f}, discriminator '
        f'{report.discriminator_loss:.3f}, gap {report.gap:+.3f}, '
        f'proxy similarity {report.proxy_similarity:.3f}',
        logger='current',
    )
