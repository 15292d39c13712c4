"""Work dirs as runs leave them, made without training."""

import json

import numpy as np
import torch
from PIL import Image

from mmisl.structures import MiningSnapshot, ScoredEdges, snapshot_path

CONFIG = """
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InstanceSampler'),
    dataset=dict(
        type='InstanceDataset',
        dataset=dict(
            type='mmpretrain.CustomDataset',
            data_root={root!r},
            pipeline=[
                dict(type='mmpretrain.LoadImageFromFile'),
                dict(type='mmpretrain.NumpyToPIL', to_rgb=True),
                dict(
                    type='mmpretrain.torchvision/RandomResizedCrop', size=12
                ),
                dict(type='mmpretrain.PackInputs'),
            ],
        ),
    ),
)
model = dict(
    type='ISL',
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
    miner=dict(type='GANMiner'),
)
train_cfg = dict(max_rounds=3, encoder=dict(max_epochs=2))
randomness = dict(seed=7)
"""
# What may not be executed, and what is hard to show.
CLASSES = ['<b>"x" & \'y\'', 'чижик 小鸟', 'z' * 90]
START = '20260102_030405'


def write_tree(root, num_images=11):
    """Images of 10 x 8 in three classes; gives colours by sample_idx."""
    rng = np.random.default_rng(2)
    colours = rng.integers(0, 256, (num_images, 3), dtype=np.uint8)
    for index, colour in enumerate(colours):
        path = root / CLASSES[index * len(CLASSES) // num_images]
        path.mkdir(parents=True, exist_ok=True)
        image = Image.new('RGB', (10, 8), tuple(map(int, colour)))
        image.save(path / f'{index:02d} "<i>&.png')
    return colours


def edges(num_samples, pairs, cosine, directed=False, added=0):
    """Scored edges from pairs and their similarities."""
    src, dst = np.array(pairs, np.int32).reshape(-1, 2).T
    cosine = np.array(cosine, np.float32)
    return ScoredEdges(
        num_samples=num_samples,
        src=src,
        dst=dst,
        score=cosine,
        cosine=cosine,
        added=np.full(len(src), added, np.uint16),
        directed=directed,
    )


def write_run(
    folder,
    root,
    *,
    num_images=11,
    rounds=2,
    control=True,
    bank=True,
    config=CONFIG,
    info=None,
):
    """A work dir with log, config, snapshots and a checkpoint."""
    logs = folder / START / 'vis_data'
    logs.mkdir(parents=True)
    if config is not None:
        (logs / 'config.py').write_text(config.format(root=str(root)))
    records = []
    for epoch in range(1, 2 * rounds + 1):
        for step in (1, 2):
            records.append(dict(loss=9 - epoch + step, epoch=epoch, step=step))
        records.append({'knn/bank_top1': 10.0 * epoch, 'step': epoch})
    for index in range(rounds):
        records.append(
            {
                'mining/round': index,
                'mining/purity': 0.5,
                'mining/seconds': 1.5,
                'step': 2 * index + 2,
            }
        )
        write_snapshot(folder, num_images, index, control=control)
    text = ''.join(f'{json.dumps(record)}\n' for record in records)
    (logs / 'scalars.json').write_text(text)
    if info is not None:
        (folder / START / 'run.json').write_text(json.dumps(info))
    if bank:
        rows = torch.randn(num_images, 5, generator=torch.manual_seed(0))
        rows = torch.nn.functional.normalize(rows)
        state = {'memory.bank': rows, 'neck.fc.weight': torch.zeros(5, 2)}
        torch.save(
            dict(state_dict=state, meta={}),
            folder / f'epoch_{2 * rounds}.pth',
        )
    return folder


def write_snapshot(folder, num_images, index, control=True):
    """Round r joins 0 to 1, ..., r + 1, the last the most similar."""
    others = range(1, index + 2)
    mined = edges(
        num_images,
        [(0, other) for other in others],
        [other / 10 for other in others],
    )
    plain = edges(num_images, [(2, 3), (3, 4)], [0.5, 1.0])
    MiningSnapshot(
        round=index,
        epoch=2 * index + 2,
        method='ISL',
        miner='GANMiner',
        edges=mined,
        control=plain if control else None,
    ).save(snapshot_path(folder, index))
