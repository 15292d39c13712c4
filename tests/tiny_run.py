"""Images, config and runs that are whole, but tiny."""

from __future__ import annotations

import copy
import itertools
import os
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, RUNNERS
from mmengine.runner import Runner
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NUM_TRAIN, NUM_VAL, NUM_CLASSES = 41, 13, 3
BATCH_SIZE = 8  # the sixth and last batch of an epoch has one image
NUM_BATCHES = 6

# mmengine tells runs apart by the second in which they start.
_RUN = itertools.count()


def write_images(folder: Path, num_images: int, *, seed: int = 0) -> Path:
    """A tree of class folders of 16x16 PNGs, a pattern for each class."""
    rng = np.random.default_rng(seed)
    stripes = np.indices((16, 16)) // 2 % 2 * 100 + 50
    patterns = np.stack([*stripes, stripes[0] ^ stripes[1]])  # (3, 16, 16)
    for index in range(num_images):
        label = index % NUM_CLASSES
        colour = rng.uniform(0.5, 1.5, 3)
        pixels = patterns[label][..., None] * colour
        pixels += rng.normal(0, 8, (16, 16, 3))
        path = folder / f'class{label}' / f'{index:03d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return folder


def write_data(root: Path) -> Path:
    """41 training and 13 test images below one folder."""
    write_images(root / 'train', NUM_TRAIN)
    write_images(root / 'test', NUM_VAL, seed=1)
    return root


def make_config(
    data_root: Path, work_dir: Path, overrides: dict | None = None
) -> Config:
    """Config of 3 rounds of 2 epochs; ``overrides`` by dotted key."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py')
    cfg.merge_from_dict(
        dict(
            work_dir=str(work_dir),
            experiment_name=f'tiny{next(_RUN)}',
            model=_model(),
            data_preprocessor=dict(
                type='mmpretrain.ClsDataPreprocessor',
                mean=[110.0] * 3,
                std=[60.0] * 3,
                to_rgb=False,
            ),
            **_dataloaders(data_root),
            train_cfg=dict(
                type='RoundBasedTrainLoop',
                max_rounds=3,
                encoder=dict(max_epochs=2, val_interval=2),
                mining=dict(num_views=2, quota_per_round=1.0),
            ),
            val_cfg=dict(type='ValLoop'),
            test_cfg=dict(type='TestLoop'),
            val_evaluator=dict(type='KNNMetric', k=5),
            test_evaluator=dict(type='KNNMetric', k=5),
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=dict(type='SGD', lr=0.03, momentum=0.9),
            ),
            param_scheduler=[dict(type='CosineAnnealingLR', T_max=6)],
            auto_scale_lr=dict(base_batch_size=32),
            visualizer=dict(
                type='Visualizer',
                vis_backends=[dict(type='LocalVisBackend')],
            ),
            env_cfg=dict(dist_cfg=dict(backend='gloo')),
        )
    )
    # A copy: merging takes `_delete_` out of what it is given.
    cfg.merge_from_dict(copy.deepcopy(overrides or {}))
    return cfg


def _model() -> dict:
    return dict(
        type='ISL',
        backbone=dict(
            type='mmpretrain.ResNet_CIFAR',
            depth=18,
            stem_channels=4,
            base_channels=4,
        ),
        neck=dict(type='ISLNeck', in_channels=32, out_channels=6),
        head=dict(type='ISLHead', temperature=0.1),
        memory=dict(type='MemoryBank', feat_dim=6),
        miner=dict(
            type='GANMiner',
            feat_dim=6,
            generator='residual',
            score_thr=0.0,
            sim_thr=-0.5,
            topk=5,
            num_draws=7,
            training=dict(min_iters=4, max_iters=8, eval_interval=2),
        ),
    )


def _dataloaders(data_root: Path) -> dict:
    augment = [
        dict(type='mmpretrain.torchvision/RandomResizedCrop', size=16),
        dict(
            type='mmpretrain.torchvision/ColorJitter',
            brightness=0.4,
            hue=0.4,
        ),
    ]

    def images(folder: str, *transforms: dict) -> dict:
        return dict(
            type='mmpretrain.CustomDataset',
            data_root=str(data_root),
            data_prefix=folder,
            pipeline=[
                dict(type='mmpretrain.LoadImageFromFile'),
                dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
                *transforms,
                dict(type='mmpretrain.PackInputs'),
            ],
        )

    def loader(dataset: dict, sampler: str, shuffle: bool = False) -> dict:
        return dict(
            batch_size=BATCH_SIZE,
            num_workers=0,
            drop_last=False,
            collate_fn=dict(type='default_collate'),
            sampler=dict(type=sampler, shuffle=shuffle),
            dataset=dataset,
        )

    train = dict(type='InstanceDataset', dataset=images('train', *augment))
    gallery = dict(type='InstanceDataset', dataset=images('train'))
    test = loader(images('test'), 'DefaultSampler')
    return dict(
        train_dataloader=loader(train, 'InstanceSampler', True),
        gallery_dataloader=loader(gallery, 'InstanceSampler'),
        val_dataloader=test,
        test_dataloader=test,
    )


def train(cfg: Config, *, resume: str | Path | None = None) -> Runner:
    """Train in this process, going on from a checkpoint if one is named."""
    if resume is not None:
        cfg.resume, cfg.load_from = True, str(resume)
    runner = RUNNERS.build(cfg)
    runner.train()
    return runner


def checkpoint_of(work_dir: Path, epoch: int) -> dict:
    """A checkpoint, read as one should read a stranger's."""
    path = Path(work_dir, f'epoch_{epoch}.pth')
    return torch.load(path, weights_only=True)


def files_of(work_dir: Path) -> dict[str, bytes]:
    """Everything a run can be resumed from, by name."""
    return {
        path.name: path.read_bytes()
        for path in Path(work_dir).iterdir()
        if path.suffix in ('.pth', '.partial') or 'checkpoint' in path.name
    }


@HOOKS.register_module()
class RecorderHook(Hook):
    """Keeps what each iteration and validation gave, on every rank."""

    priority = 'VERY_LOW'

    def before_train(self, runner: Runner) -> None:
        """Start anew."""
        self.record: dict = dict(losses=[], lr=[], banks=[], metrics=[])

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Losses, the learning rate that was used, the bank they left."""
        model = getattr(runner.model, 'module', runner.model)
        self.record['losses'].append(outputs['loss'].item())
        self.record['lr'].append(runner.optim_wrapper.get_lr()['lr'][0])
        if model.memory is not None:
            self.record['banks'].append(model.memory.bank.clone())

    def after_val_epoch(self, runner: Runner, metrics=None) -> None:
        """All metrics of a validation."""
        self.record['metrics'].append(dict(metrics))

    def after_train(self, runner: Runner) -> None:
        """Write the record, with the final model, for another process."""
        model = getattr(runner.model, 'module', runner.model)
        record = {**self.record, 'state_dict': model.state_dict()}
        torch.save(record, Path(runner.work_dir, f'rank{runner.rank}.pth'))


def recorder_of(runner: Runner) -> dict:
    """What the run's ``RecorderHook`` has kept."""
    (hook,) = (h for h in runner.hooks if isinstance(h, RecorderHook))
    return hook.record


def run_train_tool(argv: list[str], log: str) -> None:
    """``tools/train.py`` in a process of its own, output into a file."""
    with open(log, 'a') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    sys.path.insert(0, str(ROOT / 'tools'))
    import common
    import train as train_tool

    sys.argv = ['train.py', *argv]
    common.run_tool(train_tool.train, train_tool.parse_args())
