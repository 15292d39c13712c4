"""Which methods train one and the same first round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmisl.registry import MODELS

from .budget import as_text, schedule_of, short_type
from .runs import Run
from .schedules import end_overrides, schedulers_of

# Model types by what they train before they have mined anything, and heads
# whose loss is the same while there is no graph.
ENGINES = dict(
    NPID='NPID',
    ISL='NPID',
    LocalAggregation='NPID',
    MoCo='MoCo',
    MoCoISL='MoCo',
)
HEADS = dict(
    NPIDHead='NPID',
    ISLHead='NPID',
    ContrastiveHead='MoCo',
    MoCoISLHead='MoCo',
)
# Below the folder of the method that trains it.
FOLDER = 'first_round'
# These can train one round alone; what clusters between rounds can not.
ONE_ROUND = ('NPID', 'ISL', 'MoCo', 'MoCoISL')
# Settings of a model that nothing depends on until something is mined, and
# those that are compared in a way of their own.
LATER = ('miner', 'num_clusters', 'num_clusterings', 'num_iters')
COMPARED_APART = ('type', 'head', 'warmup_head', 'memory')
# What writes a bank, as every bank needs, and hooks that only look on.
HARMLESS_HOOKS = (
    'MemoryBankHook',
    'KNNGalleryHook',
    'MiningSnapshotHook',
    'NeighborPictureHook',
    'RunRecordHook',
    'StageTimesHook',
    'ProgressHook',
)
# Settings of a run that its first round depends on.
OF_RUN = (
    'optim_wrapper',
    'param_scheduler',
    'data_preprocessor',
    'train_dataloader',
    'load_from',
)


@dataclass(frozen=True)
class FirstRound(Run):
    """A first round that others go on from, trained with one seed.

    Attributes:
        num_epochs: Its length.
        text: All that it depends on.
        schedule_ends: Overrides that let schedules end with the whole run.
    """

    num_epochs: int
    text: str
    schedule_ends: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """Of the method that trains it."""
        return f'first round of {self.config.stem}'

    @property
    def end(self) -> Path:
        """The checkpoint of its last epoch."""
        return self.folder / f'epoch_{self.num_epochs}.pth'

    @property
    def options(self) -> dict[str, Any]:
        """Overrides of its config that leave all other rounds out.

        The learning rate goes on as if they were there.
        """
        return {
            'train_cfg.max_rounds': 1,
            'train_cfg.encoder.first_epochs': self.num_epochs,
            **dict(self.schedule_ends),
        }


@dataclass
class SharedRound:
    """A first round that several methods train alike.

    Attributes:
        text: What they have in common.
        memory: Of their memory bank, None if no method has one.
        members: Their configs, by path.
    """

    text: str
    memory: str | None
    members: dict[Path, Config] = field(default_factory=dict)

    @property
    def num_epochs(self) -> int:
        """As long as the shortest first round."""
        return min(
            schedule_of(cfg).first_epochs for cfg in self.members.values()
        )

    @property
    def able(self) -> list[Path]:
        """Members that can train it for all others."""
        return [
            path
            for path, cfg in self.members.items()
            if short_type(cfg.model) in ONE_ROUND
            and memory_of(cfg) == self.memory
        ]

    def trainer(self, work_dir: Path) -> Path:
        """The member that trains it, by the config's path.

        The first that can; one that has done so in this folder comes before.
        """
        begun = [
            path
            for path in self.able
            if (work_dir / path.stem / FOLDER).is_dir()
        ]
        return (begun or self.able)[0]

    def describe(self, work_dir: Path) -> str:
        """A line for the terminal."""
        names = [path.stem for path in self.members]
        return (
            f'first round of {self.num_epochs} epochs, trained once a seed by '
            f'{self.trainer(work_dir).stem}, shared by {", ".join(names)}'
        )

    def admits(self, text: str, memory: str | None) -> bool:
        """Whether another method trains the same; a bank may be missing."""
        banks = {self.memory, memory} - {None}
        return text == self.text and len(banks) < 2


def plan_first_rounds(
    shared: Sequence[SharedRound], runs: Sequence[Run], work_dir: Path
) -> dict[Run, FirstRound]:
    """Which run goes on from which first round.

    Args:
        shared (Sequence[SharedRound]): What methods have in common.
        runs (Sequence[Run]): Of these methods and others.
        work_dir (Path): Of all runs.

    Returns:
        dict[Run, FirstRound]: Of runs that share theirs with others, of the
        same seed.
    """
    return {
        run: FirstRound(
            config=trainer,
            seed=run.seed,
            folder=work_dir / trainer.stem / FOLDER / f'seed{run.seed}',
            num_epochs=group.num_epochs,
            text=as_text([group.num_epochs, group.text, group.memory]),
            schedule_ends=tuple(end_overrides(group.members[trainer]).items()),
        )
        for group in shared
        for trainer in [group.trainer(work_dir)]
        for run in runs
        if run.config in group.members
    }


def shared_rounds(configs: Mapping[Path, Config]) -> list[SharedRound]:
    """First rounds of two methods or more.

    Args:
        configs (Mapping[Path, Config]): By path, with overrides merged.
    """
    found: list[SharedRound] = []
    for path, cfg in configs.items():
        text, memory = first_round_text(cfg), memory_of(cfg)
        if text is None:
            continue
        match = next((s for s in found if s.admits(text, memory)), None)
        if match is None:
            match = SharedRound(text, memory)
            found.append(match)
        match.members[path] = cfg
        match.memory = match.memory or memory
    return [
        shared for shared in found if len(shared.members) > 1 and shared.able
    ]


def first_round_text(cfg: Config) -> str | None:
    """All that decides how a first round goes, but the memory bank.

    Returns:
        str | None: None where the round cannot be shared: the method is no
        known one, mines before it trains, has a hook that may change the
        training, or settings that are counted over its miner's parameters
        too, or over the iterations of the run.
    """
    model = cfg.model.to_dict()
    engine = ENGINES.get(short_type(model))
    head = warmup_head(model)
    if (
        engine is None
        or not _is_plain(head, engine)
        or schedule_of(cfg).first_epochs < 1
        or cfg.optim_wrapper.get('paramwise_cfg')
        or (cfg.get('auto_scale_lr') or {}).get('enable')
        or any(_counts_iterations(each) for each in schedulers_of(cfg))
        or not _is_undisturbed(cfg)
    ):
        return None
    settings = {key: cfg.get(key) for key in OF_RUN}
    settings.update(
        engine=engine,
        # Schedules may end with the run.
        total_epochs=schedule_of(cfg).total_epochs,
        # Classes differ in their defaults.
        temperature=temperature_of(head),
        model={
            key: value
            for key, value in model.items()
            if key not in (*LATER, *COMPARED_APART)
        },
        randomness={
            key: value
            for key, value in (cfg.get('randomness') or {}).items()
            if key != 'seed'
        },
    )
    return as_text(settings)


def _is_plain(head: dict[str, Any], engine: str) -> bool:
    """Whether a head's loss is its engine's, but for the temperature."""
    if HEADS.get(short_type(head)) != engine:
        return False
    if head.get('backend', 'torch') != 'torch':  # kernels round differently
        return False
    loss = {'type': 'CrossEntropyLoss', **head.get('loss', {})}
    weight = loss.pop('loss_weight', 1.0)
    return short_type(loss) == 'CrossEntropyLoss' and weight == len(loss) == 1


def _is_undisturbed(cfg: Config) -> bool:
    """Whether no hook of a config may change the training."""
    hooks = cfg.get('custom_hooks') or []
    return all(short_type(hook) in HARMLESS_HOOKS for hook in hooks)


def _counts_iterations(settings: Mapping[str, Any]) -> bool:
    """Whether a scheduler's end hangs on the iterations of a run."""
    return 'end' not in settings and not settings.get('by_epoch', True)


def warmup_head(model: dict[str, Any]) -> dict[str, Any]:
    """Config of the head that a method begins with."""
    head = model['head']
    if short_type(model) != 'LocalAggregation':
        return head
    given = model.get('warmup_head')
    return given or dict(type='NPIDHead', temperature=temperature_of(head))


def temperature_of(head: dict[str, Any]) -> float:
    """Of a head, as given or by default."""
    return MODELS.build(head).temperature


def memory_of(cfg: Config) -> str | None:
    """Text of the memory bank's config; None without one."""
    memory = cfg.model.get('memory')
    return None if memory is None else as_text(memory.to_dict())
