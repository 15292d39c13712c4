"""Training in rounds: encoder epochs, mining, the next round."""

from __future__ import annotations

import logging
import math

import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.logging import print_log
from mmengine.runner import BaseLoop
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from mmisl.datasets import InstanceDataset, InstanceSampler
from mmisl.evaluation import graph_statistics, mining_warnings
from mmisl.ops import ShardedRows
from mmisl.registry import LOOPS

from ..feature_extraction import extract_features, extract_shards
from ..seeding import derive_seed, reseed
from ..unwrapping import unwrap_model
from .round_state import RoundSchedule, RoundState

_STATE_KEY = 'round_state'
# Reading a loss waits for the device, so not every iteration is checked.
_CHECK_INTERVAL = 50
# 2 GiB: 8 views of ImageNet would take 5.2 GB in single precision.
_HALF_VIEWS_FROM = 2**31


@LOOPS.register_module()
class RoundBasedTrainLoop(BaseLoop):
    """Train in rounds: encoder epochs, then mining.

    ``runner.epoch`` counts encoder epochs over all rounds, so schedulers,
    checkpoints and validation keep their usual meaning. Stopping at any point
    and resuming gives the same run as an uninterrupted one: what comes next
    is saved with each checkpoint, every epoch and stage draws from generators
    seeded by its place in the run, and a stage that was cut short starts anew.

    Args:
        runner (Runner): Holds a model with ``mine``, such as
            :class:`mmisl.ISL`.
        dataloader (dict | DataLoader): Over an
            :class:`mmisl.InstanceDataset`.
        max_rounds (int): Rounds. Mining follows all but the last.
        encoder (dict): ``max_epochs`` of a round; optionally
            ``first_epochs`` of round 0 (default: the same), ``val_interval``
            in epochs (default 1; 0 validates at the end only) and
            ``restart_lr`` (default False): whether each round starts with
            the learning rate schedule anew, as AND does; the schedule is
            then that of one round.
        mining (dict): ``num_views`` encoded per sample and
            ``quota_per_round``, mean neighbours per sample that each mining
            adds.

    Raises:
        TypeError: If the data set is not an ``InstanceDataset``.
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        runner,
        dataloader: dict | DataLoader,
        max_rounds: int,
        encoder: dict,
        mining: dict,
    ) -> None:
        super().__init__(runner, dataloader)
        dataset = self.dataloader.dataset
        if not isinstance(dataset, InstanceDataset):
            raise TypeError(
                'train_dataloader.dataset must be an InstanceDataset, which '
                'gives every image its row in the bank, got '
                f'{type(dataset).__name__}; wrap it: '
                "dict(type='mmisl.InstanceDataset', dataset=...)"
            )
        self.runner.visualizer.dataset_meta = dataset.metainfo
        # Before a checkpoint is loaded: the bank must have its size by then.
        unwrap_model(runner.model).set_num_samples(dataset.num_instances)
        encoder = _take(
            'encoder',
            encoder,
            max_epochs=None,
            first_epochs=encoder.get('max_epochs'),
            val_interval=1,
            restart_lr=False,
        )
        mining = _take('mining', mining, num_views=None, quota_per_round=None)
        if mining['num_views'] < 1 or mining['quota_per_round'] < 0:
            raise ValueError(
                'mining needs num_views >= 1 and quota_per_round >= 0, got '
                f'{mining["num_views"]} and {mining["quota_per_round"]}'
            )
        self.restart_lr = encoder.pop('restart_lr')
        self.schedule = RoundSchedule(max_rounds=max_rounds, **encoder)
        self.num_views = mining['num_views']
        self.quota_per_round = mining['quota_per_round']
        self.val_begin = 1
        self.val_interval = self.schedule.val_interval
        # Set by mmengine's EarlyStoppingHook.
        self.stop_training = False
        self._epoch = 0
        self._iter = 0

    @property
    def max_epochs(self) -> int:
        """Encoder epochs over all rounds."""
        return self.schedule.total_epochs

    @property
    def max_iters(self) -> int:
        """Encoder iterations over all rounds."""
        return self.max_epochs * len(self.dataloader)

    @property
    def epoch(self) -> int:
        """Encoder epochs finished, over all rounds."""
        return self._epoch

    @property
    def iter(self) -> int:
        """Encoder iterations finished, over all rounds."""
        return self._iter

    @property
    def state(self) -> RoundState:
        """What runs next; lives where mmengine saves and resumes it."""
        hub = self.runner.message_hub
        if _STATE_KEY not in hub.runtime_info:
            return RoundState()
        return RoundState(**hub.get_info(_STATE_KEY))

    def run(self) -> torch.nn.Module:
        """Launch training, or go on from the state that was resumed."""
        stages = dict(
            encoder=self.run_epoch,
            validation=self.run_validation,
            mining=self.run_mining,
        )
        if self.state.round >= self.schedule.max_rounds:
            raise ValueError(
                f'the checkpoint stands in round {self.state.round}, counted '
                'from 0, but train_cfg.max_rounds is '
                f'{self.schedule.max_rounds}; raise max_rounds to go on'
            )
        self.runner.call_hook('before_train')
        while not (
            self.stop_training or self.schedule.is_finished(self.state)
        ):
            stages[self.state.stage]()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """One encoder epoch."""
        reseed(self.runner.seed, 'encoder', self._epoch, get_rank())
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if self.runner.optim_wrapper._accumulative_counts > 1:
            # Gradients that wait would be lost by a resume at this epoch's
            # end, so the last step of an epoch is always taken.
            self.runner.optim_wrapper.initialize_count_status(
                self.runner.model, 0, len(self.dataloader)
            )
        for batch_idx, data_batch in enumerate(self.dataloader):
            self.run_iter(batch_idx, data_batch)
        _average_batch_norm(unwrap_model(self.runner.model))
        # A checkpoint written by the hooks says what comes after this epoch.
        self._advance()
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, batch_idx: int, data_batch: dict) -> None:
        """One encoder iteration."""
        self.runner.call_hook(
            'before_train_iter', batch_idx=batch_idx, data_batch=data_batch
        )
        outputs = self.runner.model.train_step(
            data_batch, optim_wrapper=self.runner.optim_wrapper
        )
        last = batch_idx + 1 == len(self.dataloader)
        if last or batch_idx % _CHECK_INTERVAL == 0:
            self._check_finite(outputs)
        self.runner.call_hook(
            'after_train_iter',
            batch_idx=batch_idx,
            data_batch=data_batch,
            outputs=outputs,
        )
        self._iter += 1

    def _check_finite(self, outputs: dict[str, Tensor]) -> None:
        if not torch.isfinite(outputs['loss']):
            terms = ', '.join(
                f'{name} {value.item():g}' for name, value in outputs.items()
            )
            raise RuntimeError(
                f'the loss is not finite in epoch {self._epoch + 1}, '
                f'iteration {self._iter + 1} ({terms}); checkpoints written '
                'so far are untouched. Lower optim_wrapper.optimizer.lr, or '
                'train without --amp'
            )

    def run_validation(self) -> None:
        """Validate, if the config validates at all."""
        if self.runner.val_loop is not None:
            self.runner.val_loop.run()
        self._advance()

    def run_mining(self) -> None:
        """Encode the views, mine, and report what came of it."""
        round_idx = self.state.round
        seed = derive_seed(self.runner.seed, 'mining', round_idx)
        reseed(seed)
        model = unwrap_model(self.runner.model)
        views = self._encode_views(model, round_idx)
        quota = (round_idx + 1) * self.quota_per_round
        summary = model.mine(views, quota, seed)
        self._report(model, summary, round_idx)
        if self.restart_lr:
            self._restart_lr()
        self._advance()
        self.runner.call_hook('after_mining')

    def _advance(self) -> None:
        state = self.state.advance(self.schedule)
        self.runner.message_hub.update_info(_STATE_KEY, state.as_dict())

    def _encode_views(
        self, model, round_idx: int
    ) -> list[Tensor | ShardedRows]:
        """Augmented views of every sample, V of (N, D)."""
        dataset = self.dataloader.dataset
        extract = extract_shards if model.memory.is_split else extract_features
        views = []
        for view in range(self.num_views):
            sampler = InstanceSampler(
                dataset,
                seed=self.runner.seed,
                view=round_idx * self.num_views + view,
                unique=True,
            )
            loader = DataLoader(
                dataset,
                batch_size=self.dataloader.batch_size,
                sampler=sampler,
                num_workers=self.dataloader.num_workers,
                collate_fn=self.dataloader.collate_fn,
            )
            feats = extract(
                model,
                loader,
                dataset.num_instances,
                description=f'view {view + 1}/{self.num_views}',
                augment=True,
            )
            views.append(_narrow(feats, self.num_views))
        return views

    def _report(self, model, summary, round_idx: int) -> None:
        """Log numbers of the stage, and say at once when it went wrong."""
        statistics = graph_statistics(
            model.graph.indptr,
            model.graph.indices,
            labels=self.dataloader.dataset.labels(),
        )
        scalars = {
            'round': round_idx,
            'candidates': summary.num_candidates,
            'edges_requested': summary.num_requested,
            'edges_accepted': summary.num_accepted,
            'seconds': summary.seconds,
            **statistics,
            **summary.observations,
        }
        scalars = {
            f'mining/{name}': value
            for name, value in scalars.items()
            if value is not None
        }
        self.runner.visualizer.add_scalars(scalars, step=self._epoch)
        text = ', '.join(
            f'{name.removeprefix("mining/")} {value:.4g}'
            for name, value in scalars.items()
        )
        print_log(f'Mining of round {round_idx}: {text}', logger='current')
        for warning in mining_warnings(
            statistics,
            requested_edges=summary.num_requested,
            accepted_edges=summary.num_accepted,
            gan_gap=summary.observations.get('gan_gap'),
        ):
            print_log(
                f'Mining of round {round_idx}: {warning}',
                logger='current',
                level=logging.WARNING,
            )

    def _restart_lr(self) -> None:
        """Put optimizer groups and schedulers back to where they began."""
        runner = self.runner
        if runner.param_schedulers is None:
            return  # the learning rate never moved
        for group in runner.optim_wrapper.optimizer.param_groups:
            group['lr'] = group['initial_lr']
        runner.param_schedulers = runner.build_param_scheduler(
            runner.cfg.param_scheduler
        )


def _narrow(
    feats: Tensor | ShardedRows, num_views: int
) -> Tensor | ShardedRows:
    """A view; in half precision where all of them together are large."""
    num_bytes = num_views * math.prod(feats.shape) * feats.dtype.itemsize
    if num_bytes <= _HALF_VIEWS_FROM:
        return feats
    if isinstance(feats, ShardedRows):
        return feats.map(Tensor.half)
    return feats.half()


def _average_batch_norm(model: torch.nn.Module) -> None:
    """Give all ranks the mean of their running statistics.

    Every rank encodes its share of the views and of the validation images,
    and the checkpoint holds rank 0's statistics: without this a resumed run
    would see other features than an uninterrupted one.
    """
    if get_world_size() == 1:
        return
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            all_reduce(module.running_mean, 'mean')
            all_reduce(module.running_var, 'mean')


def _take(name: str, given: dict, **defaults) -> dict:
    """Fill in defaults; None marks a key that must be given.

    Raises:
        ValueError: If a key is unknown or missing.
    """
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise ValueError(
            f'train_cfg.{name} has no key {unknown[0]!r}; it takes '
            f'{", ".join(defaults)}'
        )
    filled = {**defaults, **given}
    for key, value in filled.items():
        if value is None:
            raise ValueError(f'train_cfg.{name} needs the key {key!r}')
    return filled
