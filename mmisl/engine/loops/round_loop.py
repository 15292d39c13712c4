"""Training in rounds: encoder epochs, mining, the next round."""

from __future__ import annotations

from typing import ClassVar

import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.runner import BaseLoop
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from mmisl.datasets import ClusterSampler, InstanceDataset
from mmisl.registry import LOOPS

from ..seeding import derive_seed, reseed
from ..unwrapping import unwrap_model
from .mining_stage import (
    encode_augmented,
    encode_plain,
    mining_settings,
    report_stage,
    take,
)
from .round_state import RoundSchedule, RoundState

_STATE_KEY = 'round_state'
# Reading a loss waits for the device, so not every iteration is checked.
_CHECK_INTERVAL = 50


@LOOPS.register_module()
class RoundBasedTrainLoop(BaseLoop):
    """Train in rounds: encoder epochs, then mining.

    ``runner.epoch`` counts encoder epochs over all rounds, so schedulers,
    checkpoints and validation keep their usual meaning. Stopping at any point
    and resuming gives the same run as an uninterrupted one: what comes next
    is saved with each checkpoint, every epoch and stage draws from generators
    seeded by its place in the run, and a stage that was cut short starts anew.

    Args:
        runner (Runner): Holds a :class:`mmisl.BaseAlgorithm`, or a model
            that answers to the same calls.
        dataloader (dict | DataLoader): Over an
            :class:`mmisl.InstanceDataset`.
        max_rounds (int): Rounds. Mining follows all but the last. One round
            is a run without mining.
        encoder (dict): ``max_epochs`` of a round; optionally
            ``first_epochs`` of round 0 (default: the same; 0 mines first),
            ``val_interval`` in epochs (default 1; 0 validates at the end
            only) and ``restart_lr`` (default False): whether each round
            starts with the learning rate schedule anew, as AND does; the
            schedule is then that of one round.
        mining (dict, optional): For an algorithm that mines a graph from
            augmented views, ``num_views`` encoded per sample;
            ``quota_per_round``, mean neighbours per sample that each mining
            adds; and ``refresh_bank`` (default False): whether the bank takes
            the mean of the views before they are mined, as it must when
            weights come from elsewhere. Others take no key here.

    Raises:
        TypeError: If the data set is not an ``InstanceDataset``.
        ValueError: If a number is out of range, if there is one image only,
            or if ranks are to have different seeds.
    """

    # Of the arguments that are dicts: what check_config compares them with.
    dict_arguments: ClassVar = dict(
        encoder=frozenset(
            {'max_epochs', 'first_epochs', 'val_interval', 'restart_lr'}
        ),
        mining=frozenset({'num_views', 'quota_per_round', 'refresh_bank'}),
    )

    def __init__(
        self,
        runner,
        dataloader: dict | DataLoader,
        max_rounds: int,
        encoder: dict,
        mining: dict | None = None,
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
        if dataset.num_instances < 2:
            raise ValueError(
                'training needs at least 2 images to tell apart, got '
                f'{dataset.num_instances} in {dataset.folders}; check '
                'data_root, data_prefix, ann_file and indices of '
                'train_dataloader.dataset'
            )
        if runner._randomness_cfg.get('diff_rank_seed'):
            raise ValueError(
                'randomness.diff_rank_seed is True, but all ranks must have '
                'one seed, from which they order the images, mine and '
                'cluster alike; leave it out: random numbers of an image '
                'are its own on any rank'
            )
        self.runner.visualizer.dataset_meta = dataset.metainfo
        model = unwrap_model(runner.model)
        # Before a checkpoint is loaded: the bank must have its size by then.
        model.set_num_samples(dataset.num_instances)
        if model.needs_labels:
            model.check_labels(dataset.labels())
        if encoder is None:
            raise ValueError(
                'train_cfg.encoder is None; set it to a dict with max_epochs'
            )
        encoder = take(
            'encoder',
            encoder,
            max_epochs=None,
            first_epochs=encoder.get('max_epochs'),
            val_interval=1,
            restart_lr=False,
        )
        self.mining = mining_settings(model, mining or {}, max_rounds)
        if max_rounds > 1:
            model.check_mining(dataset.num_instances)
        self.restart_lr = encoder.pop('restart_lr')
        self.schedule = RoundSchedule(max_rounds=max_rounds, **encoder)
        self.val_begin = 1
        self.val_interval = self.schedule.val_interval
        # Set by mmengine's EarlyStoppingHook.
        self.stop_training = False
        self._epoch = 0
        self._iter = 0
        self._seed_of_loader = runner.seed

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
            return self.schedule.first_state()
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
        self._follow_seed()
        self.runner.call_hook('before_train')
        while not (
            self.stop_training or self.schedule.is_finished(self.state)
        ):
            stages[self.state.stage]()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _follow_seed(self) -> None:
        """Let the sampler draw by the seed of the run that is resumed.

        mmengine takes it from the checkpoint once the loader stands, which
        was built with that of the command line, or with a drawn one.
        """
        sampler = self.dataloader.sampler
        # A seed that the config gives the sampler alone stays.
        if getattr(sampler, 'seed', None) == self._seed_of_loader:
            sampler.seed = self.runner.seed

    def run_epoch(self) -> None:
        """One encoder epoch."""
        reseed(self.runner.seed, 'encoder', self._epoch, get_rank())
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        sampler = self.dataloader.sampler
        if isinstance(sampler, ClusterSampler):
            model = unwrap_model(self.runner.model)
            clusters = model.clusters
            if clusters is None:
                raise TypeError(
                    f'{type(model).__name__} has no clusters for '
                    'ClusterSampler to draw from; set train_dataloader.'
                    "sampler.type='InstanceSampler'"
                )
            sampler.set_clusters(clusters.assignments[0])
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
        """Encode what is looked at, mine, and report what came of it."""
        self.runner.call_hook('before_mining')
        round_idx = self.state.round
        seed = derive_seed(self.runner.seed, 'mining', round_idx)
        reseed(seed)
        model = unwrap_model(self.runner.model)
        views = self._encode_views(model, round_idx)
        self.runner.call_hook('after_extraction')
        if self.mining['refresh_bank']:
            model.refresh_memory(views)
        quota = (round_idx + 1) * self.mining['quota_per_round']
        summary = model.mine(views, quota, seed)
        for param in model.redrawn_parameters():
            self.runner.optim_wrapper.optimizer.state.pop(param, None)
        report_stage(self.runner, model, summary, round_idx)
        if self.restart_lr:
            self._restart_lr()
        self._advance()
        self.runner.call_hook('after_mining', summary=summary)

    def _encode_views(self, model, round_idx: int) -> list:
        """What the algorithm wants to look at, V of (N, D)."""
        if model.mining_views == 'bank':
            return []
        if model.mining_views == 'plain':
            num_samples = self.dataloader.dataset.num_instances
            return [encode_plain(model, self.runner, num_samples)]
        num_views = self.mining['num_views']
        return encode_augmented(
            model,
            self.dataloader,
            first_view=round_idx * num_views,
            num_views=num_views,
            seed=self.runner.seed,
        )

    def _advance(self) -> None:
        state = self.state.advance(self.schedule)
        self.runner.message_hub.update_info(_STATE_KEY, state.as_dict())

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


def _average_batch_norm(model: torch.nn.Module) -> None:
    """Give all ranks the mean of their running statistics.

    Every rank encodes its share of the views and of the validation images,
    and the checkpoint holds rank 0's statistics: without this a resumed run
    would see other features than an uninterrupted one. Layers in eval mode
    are left out: their statistics are equal already, and a mean of equal
    numbers can be off by a bit.
    """
    if get_world_size() == 1:
        return
    for module in model.modules():
        if not isinstance(module, _BatchNorm) or not module.training:
            continue
        if module.track_running_stats:
            all_reduce(module.running_mean, 'mean')
            all_reduce(module.running_var, 'mean')
