"""Mining around proxies that a GAN generates on the feature manifold."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from torch import Tensor

from mmisl.ops import SEARCH_BACKENDS, nearest_rows, share_queries
from mmisl.registry import MODELS
from mmisl.structures import NeighborGraph

from ..gans import (
    AdversarialTrainer,
    GANReport,
    ProxyGAN,
    TripletSampler,
)
from .base import BaseMiner, check_search, check_topk
from .edge_selection import Candidates
from .rows import Rows, Views, own_chunks, seeded_generator, unit_mean
from .shared_votes import cast_ballots

_CHUNK_ROWS = 1024
_MAX_HELD_OUT = 1024
# Proxies that thresholds are chosen from.
_MAX_PILOTS = 2048
# Share of the proxies that the score keeps out.
_REFUSED_SHARE = 0.1
# R stays below 1, where nothing would be accepted.
_MAX_SIMILARITY = 0.99


class Thresholds(NamedTuple):
    """What a round mines with.

    Attributes:
        score: tau, which the score of a proxy must exceed.
        similarity: R, from which the cosine that is asked for rises to 1 as
            the score falls to 0.
    """

    score: float
    similarity: float


class ProxyPairs(NamedTuple):
    """Pairs that the proxies of one pass accept.

    Attributes:
        src: (M,) int64, the samples whose proxies accept.
        dst: (M,) int64, the accepted rows of the bank.
        cosine: (M,) float, of the row to the proxy.
        threshold: (M,) float, which the cosine exceeded.
        num_passed: () int64, proxies whose score passed.
    """

    src: Tensor
    dst: Tensor
    cosine: Tensor
    threshold: Tensor
    num_passed: Tensor


@MODELS.register_module()
class GANMiner(BaseMiner):
    r"""Mines around proxies that a GAN generates on the feature manifold.

    A proxy :math:`p^*` with discriminator score :math:`s > \tau` accepts the
    rows of the bank whose cosine to it exceeds
    :math:`R + (1 - s)(1 - R)`, at most ``topk``, never the anchor. Source:
    released code, ``small_main.py`` (``mining``) and
    ``lib/LinearAverage.py``. Defaults are those of the released code for
    small data sets; ImageNet uses ``score_thr=0.3, sim_thr=0.3``.

    # Deviates from the released code: it adds every accepted pair of a pass
    # and ends after the pass that exceeds the quota. Here the pairs of all
    # views are ranked and the quota is met exactly.

    Args:
        feat_dim (int): D. Defaults to 128.
        score_thr (float | str): tau in [0, 1), or ``'auto'``: the score that a
            tenth of the proxies do not reach. A discriminator in balance
            gives scores of about 0.5, a little more in one run and a little
            less in another, so a fixed 0.5 admits most proxies or hardly
            any. Defaults to 0.5.
        sim_thr (float | str): R in [-1, 1), or ``'auto'``: the one by which
            half of the proxies of a middling score accept all of their
            ``topk`` rows. Defaults to 0.6.
        topk (int): Rows around a proxy. Defaults to 10.
        num_draws (int): Draws among which the negative is chosen.
            Defaults to 4096.
        positive (str): ``'self'`` or ``'mined'``; see
            :class:`TripletSampler`. Defaults to ``'self'``.
        negative (str): ``'hardest'`` or ``'semi_hard'``. Defaults to
            ``'hardest'``.
        generator (str): ``'mlp'`` or ``'residual'``; see
            :class:`ProxyGenerator`. Defaults to ``'mlp'``.
        spectral_norm (bool): Bound how fast the discriminator's logits
            change; see :class:`TripletDiscriminator`. Defaults to False.
        width (int): Multiple of the released widths of the hidden layers of
            both networks. Defaults to 1.
        anchor (str): ``'view'``, each augmented view is an anchor as
            released; ``'mean_view'``, the mean of the views, each pass with
            other draws. Defaults to ``'view'``.
        ranking (str): What makes a pair confident: ``'margin'``, cosine minus
            threshold; ``'votes'``, views that accept it, then cosine;
            ``'shared_votes'``, how far its two samples vote for the same
            rows (:class:`Ballots`), then cosine; ``'similarity'``, cosine to
            the proxy. Defaults to ``'margin'``. On frozen features of 10,000
            CIFAR-10 images, residual generator, three seeds: ``'votes'`` gave
            37.8, 40.1 and 41.5 % pure edges at 0.5 a sample,
            ``'shared_votes'`` 37.3, 45.9 and 39.6 %, from fewer samples.
        search (str): Backend of :func:`mmisl.ops.nearest_rows` for the rows
            around proxies: ``'auto'``, ``'torch'`` or ``'faiss'``, all exact.
            Defaults to ``'auto'``.
        batch_size (int): Triplets of one GAN iteration. Defaults to 128.
        training (dict, optional): Arguments of :class:`AdversarialTrainer`.
        **kwargs: Of :class:`BaseMiner`.

    Raises:
        ValueError: If an argument is out of range.
    """

    # Of the argument that is a dict: what check_config compares it with.
    dict_arguments: ClassVar = dict(
        training=frozenset(inspect.signature(AdversarialTrainer).parameters)
    )

    def __init__(
        self,
        feat_dim: int = 128,
        *,
        score_thr: float | str = 0.5,
        sim_thr: float | str = 0.6,
        topk: int = 10,
        num_draws: int = 4096,
        positive: str = 'self',
        negative: str = 'hardest',
        generator: str = 'mlp',
        spectral_norm: bool = False,
        width: int = 1,
        anchor: str = 'view',
        ranking: str = 'margin',
        search: str = 'auto',
        batch_size: int = 128,
        training: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_threshold('score_thr', score_thr, lowest=0)
        check_threshold('sim_thr', sim_thr, lowest=-1)
        if anchor not in ('view', 'mean_view'):
            raise ValueError(
                f"anchor must be 'view' or 'mean_view', got {anchor!r}"
            )
        if ranking not in ('margin', 'votes', 'shared_votes', 'similarity'):
            raise ValueError(
                "ranking must be 'margin', 'votes', 'shared_votes' or "
                f"'similarity', got {ranking!r}"
            )
        if batch_size < 1:
            raise ValueError(f'batch_size must be >= 1, got {batch_size}')
        self.score_thr = score_thr
        self.sim_thr = sim_thr
        # Proxies come by the chunk, and an index would be built for each.
        exact = tuple(name for name in SEARCH_BACKENDS if name != 'faiss_ivf')
        self.search = check_search(search, exact)
        self.topk = check_topk(topk)
        self.feat_dim = feat_dim
        self.anchor = anchor
        self.ranking = ranking
        self.batch_size = batch_size
        self.sampler = TripletSampler(num_draws, positive, negative)
        self.gan = ProxyGAN(
            feat_dim,
            generator,
            spectral_norm=spectral_norm,
            width=width,
            training=training,
        )

    def propose(
        self, views: Views, bank: Rows, graph: NeighborGraph, seed: int
    ) -> tuple[Candidates, dict[str, float]]:
        """Train the GAN on, then mine around its proxies.

        Mining is shared out over the ranks by rows. See
        :meth:`BaseMiner.propose`.
        """
        report = self._train_gan(views, bank, graph, seed)
        thresholds = self._choose_thresholds(views, bank, graph, seed)
        candidates, accepted = self._mine(views, bank, graph, seed, thresholds)
        return candidates, dict(
            score_thr=thresholds.score,
            sim_thr=thresholds.similarity,
            gan_gap=report.gap,
            gan_generator_objective=report.generator_loss,
            gan_discriminator_objective=report.discriminator_loss,
            gan_iterations=report.iteration,
            proxy_similarity=report.proxy_similarity,
            proxies_accepted=accepted,
        )

    def anchors(self, views: Views, view: int, rows: Tensor) -> Tensor:
        """Anchor features of some samples in one pass.

        Args:
            views (Views): V of (N, D).
            view (int): Pass, in [0, V).
            rows (Tensor): (B,) int64.

        Returns:
            Tensor: (B, D) float32, norm 1.
        """
        if self.anchor == 'mean_view':
            return unit_mean([every[rows] for every in views])
        return views[view][rows].float()

    @torch.no_grad()
    def propose_pass(
        self,
        anchors: Tensor,
        sample_idx: Tensor,
        bank: Rows,
        graph: NeighborGraph,
        rng: torch.Generator,
        thresholds: Thresholds | None = None,
    ) -> ProxyPairs:
        """Generate a proxy for every anchor and accept rows around it.

        Args:
            anchors (Tensor): (B, D) float, norm 1.
            sample_idx (Tensor): (B,) int64.
            bank (Rows): (N, D) float, norm 1.
            graph (NeighborGraph): Over the same N samples.
            rng (torch.Generator): Of the negatives.
            thresholds (Thresholds, optional): That proxies are held to. By
                default those of the arguments, which must be numbers.

        Returns:
            ProxyPairs: What the proxies accept.
        """
        score, cosine, row = self._rows_around_proxies(
            anchors, sample_idx, bank, graph, rng
        )
        if thresholds is None:
            thresholds = Thresholds(float(self.score_thr), float(self.sim_thr))
        lowest = thresholds.similarity
        threshold = lowest + (1 - score) * (1 - lowest)  # (B,)
        passed = score > thresholds.score
        accept = (cosine > threshold.unsqueeze(1)) & passed.unsqueeze(1)
        proxy_of, slot = accept.nonzero(as_tuple=True)
        return ProxyPairs(
            src=sample_idx[proxy_of],
            dst=row[proxy_of, slot],
            cosine=cosine[proxy_of, slot],
            threshold=threshold[proxy_of],
            num_passed=passed.sum(),
        )

    def _rows_around_proxies(
        self,
        anchors: Tensor,
        sample_idx: Tensor,
        bank: Rows,
        graph: NeighborGraph,
        rng: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (B,) of proxies; cosine (B, k) and row (B, k) around them."""
        positive, negative = self.sampler.sample(
            anchors, sample_idx, bank, graph, rng
        )
        proxy, score = self.gan(anchors, bank[positive], bank[negative])
        cosine, row = nearest_rows(
            proxy, bank, self.topk, exclude=sample_idx, backend=self.search
        )
        return score, cosine, row

    @torch.no_grad()
    def _choose_thresholds(
        self, views: Views, bank: Rows, graph: NeighborGraph, seed: int
    ) -> Thresholds:
        """As given, or from an even sample of the proxies."""
        if 'auto' not in (self.score_thr, self.sim_thr):
            return Thresholds(float(self.score_thr), float(self.sim_thr))
        # All ranks look at the same proxies.
        bank, views = share_queries(bank), [share_queries(v) for v in views]
        step = -(-len(bank) // _MAX_PILOTS)
        rows = torch.arange(0, len(bank), step, device=bank.device)
        score, cosine, _ = self._rows_around_proxies(
            self.anchors(views, 0, rows),
            rows,
            bank,
            graph,
            seeded_generator(bank.device, seed, 0, 1),
        )
        chosen = thresholds_of(score, cosine[:, -1])
        if self.score_thr != 'auto':
            chosen = chosen._replace(score=float(self.score_thr))
        if self.sim_thr != 'auto':
            chosen = chosen._replace(similarity=float(self.sim_thr))
        return chosen

    def _train_gan(
        self, views: Views, bank: Rows, graph: NeighborGraph, seed: int
    ) -> GANReport:
        """Train on all samples but a few, whose balance is watched."""
        # All ranks train the same GAN on the same batches.
        bank, views = share_queries(bank), [share_queries(v) for v in views]
        rng = seeded_generator(bank.device, seed, 0)
        num_samples = len(bank)
        order = torch.randperm(num_samples, generator=rng, device=bank.device)
        num_held_out = min(_MAX_HELD_OUT, max(1, num_samples // 16))
        anchored = self._anchored_in_random_views(views, seed)
        held_out = self._triplet(
            anchored, bank, graph, order[:num_held_out], rng
        )
        batches = self._triplets(
            anchored, bank, graph, order[num_held_out:], rng
        )
        return self.gan.fit(batches, held_out, _log_report)

    def _anchored_in_random_views(
        self, views: Views, seed: int
    ) -> Callable[[Tensor], Tensor]:
        """Anchors of some samples, in another random view each time."""
        # Drawn on the host, which so need not wait for the device.
        rng = np.random.default_rng((seed, 0))
        return lambda rows: self.anchors(
            views, int(rng.integers(len(views))), rows
        )

    def _triplets(
        self,
        anchored: Callable[[Tensor], Tensor],
        bank: Rows,
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
                yield self._triplet(anchored, bank, graph, batch, rng)

    def _triplet(
        self,
        anchored: Callable[[Tensor], Tensor],
        bank: Rows,
        graph: NeighborGraph,
        rows: Tensor,
        rng: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Anchors in one random view, with their positives and negatives."""
        anchor = anchored(rows)
        positive, negative = self.sampler.sample(
            anchor, rows, bank, graph, rng
        )
        return anchor, bank[positive], bank[negative]

    def _mine(
        self,
        views: Views,
        bank: Rows,
        graph: NeighborGraph,
        seed: int,
        thresholds: Thresholds,
    ) -> tuple[Candidates, float]:
        """This rank's pairs of all views; the share of proxies passed."""
        parts, shares = [], []
        total = torch.zeros((), device=bank.device)
        for chunk, rows in own_chunks(
            len(bank),
            _CHUNK_ROWS,
            bank.device,
            description='mining around proxies',
        ):
            # Seeded by chunk, so the draws do not depend on the ranks.
            rng = seeded_generator(bank.device, seed, 1 + chunk)
            passes = [
                self.propose_pass(
                    self.anchors(views, view, rows),
                    rows,
                    bank,
                    graph,
                    rng,
                    thresholds,
                )
                for view in range(len(views))
            ]
            total += sum(pairs.num_passed for pairs in passes)
            parts.append(self._rank(passes, len(bank)))
            shares.append(rows)
        all_reduce(total)
        share = float(total) / (len(views) * len(bank))
        candidates = Candidates.cat(parts)
        if self.ranking == 'shared_votes':
            candidates = _rank_by_shared_votes(
                candidates, torch.cat(shares), len(bank), len(views)
            )
        return candidates, share

    def _rank(self, passes: list[ProxyPairs], num_samples: int) -> Candidates:
        """Merge the views' pairs and score each pair once."""
        src = torch.cat([pairs.src for pairs in passes])
        dst = torch.cat([pairs.dst for pairs in passes])
        value = torch.cat([pairs.cosine for pairs in passes]).double()
        if self.ranking == 'margin':
            value -= torch.cat([pairs.threshold for pairs in passes])
        keys, inverse = torch.unique(
            src * num_samples + dst, return_inverse=True
        )
        src = torch.div(keys, num_samples, rounding_mode='floor')
        best = torch.full_like(keys, -2, dtype=torch.float64)
        best.scatter_reduce_(0, inverse, value, 'amax')
        if self.ranking in ('votes', 'shared_votes'):
            votes = torch.bincount(inverse, minlength=len(keys))
            # Cosine lies in [-1, 1]: it orders equal votes, nothing more.
            best = votes.double() + 0.25 * best
        # A hundred million pairs may wait for the selection.
        narrow = torch.int32 if num_samples <= 2**31 - 1 else torch.int64
        dst = keys - src * num_samples
        return Candidates(src.to(narrow), dst.to(narrow), best)


def _rank_by_shared_votes(
    candidates: Candidates, own: Tensor, num_samples: int, num_views: int
) -> Candidates:
    """Score by shared votes what has been scored by votes.

    Args:
        candidates (Candidates): Of this rank, each pair once, scored by votes
            and a quarter of a cosine.
        own (Tensor): (B,) int64, samples of this rank.
        num_samples (int): N.
        num_views (int): Votes that every sample has for itself.
    """
    src, dst = candidates.src.long(), candidates.dst.long()
    votes = candidates.score.round()  # a quarter is rounded away
    ballots = cast_ballots(own, src, dst, votes.long(), num_samples, num_views)
    shared = ballots.shared(src, dst).double()
    return Candidates(
        candidates.src, candidates.dst, shared + candidates.score - votes
    )


def thresholds_of(score: Tensor, cosine: Tensor) -> Thresholds:
    """Thresholds that fit what the proxies of a round are like.

    Args:
        score (Tensor): (B,) float in (0, 1), of proxies.
        cosine (Tensor): (B,) float, of each proxy to the last of its rows.

    Returns:
        Thresholds: tau is the quantile 0.1 of the scores. With s and c the
        medians of score and cosine, R solves R + (1 - s)(1 - R) = c, within
        [-1, 0.99].
    """
    s, c = float(score.median()), float(cosine.median())
    similarity = (c - (1 - s)) / s
    return Thresholds(
        score=float(score.float().quantile(_REFUSED_SHARE)),
        similarity=min(max(similarity, -1.0), _MAX_SIMILARITY),
    )


def check_threshold(name: str, value: float | str, *, lowest: float) -> None:
    """Insist on a number in [``lowest``, 1), or ``'auto'``.

    Raises:
        ValueError: If it is neither.
    """
    if value == 'auto':
        return
    if isinstance(value, str) or not lowest <= value < 1:
        raise ValueError(
            f'{name} must lie in [{lowest}, 1), got {value!r}; '
            "'auto' takes it from the features"
        )


def _log_report(report: GANReport) -> None:
    print_log(
        f'GAN iteration {report.iteration}: generator '
        f'{report.generator_loss:.3f}, discriminator '
        f'{report.discriminator_loss:.3f}, gap {report.gap:+.3f}, '
        f'proxy similarity {report.proxy_similarity:.3f}',
        logger='current',
    )
