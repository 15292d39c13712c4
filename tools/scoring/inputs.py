"""Features and labels to score, from files or from an encoder."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import (
    ConfigError,
    add_launcher_arguments,
    add_options_argument,
    check_checkpoint,
    check_config,
    load_config,
    start_processes,
)
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import set_random_seed
from torch import Tensor

from mmisl.apis import (
    STAGES,
    build_loader,
    init_model,
    loader_config,
    set_loader_configs,
)
from mmisl.datasets import (
    TRANSFER_SETS,
    InstanceDataset,
    transfer_labels,
)
from mmisl.datasets.prepared import describe_config_subset, describe_subset
from mmisl.datasets.transfer_sets import PARTS
from mmisl.engine import extract_features
from mmisl.evaluation import check_labelled
from mmisl.weights import fingerprint

# In place of a checkpoint: weights as a seed initialises them.
UNTRAINED, UNTRAINED_SEED = 'untrained', 0


@dataclass(frozen=True)
class Part:
    """Features and labels of one part of the images.

    Attributes:
        feats: (N, C) float32.
        labels: (N,) int64; of images with several labels (N, K), see
            :func:`mmisl.datasets.transfer_labels`.
    """

    feats: Tensor
    labels: Tensor


def add_inputs(
    parser: argparse.ArgumentParser,
    *,
    stage: str,
    num_parts: int = 2,
    several_labels: bool = False,
) -> None:
    """Arguments that say what is scored.

    Args:
        parser (argparse.ArgumentParser): Of a subcommand.
        stage (str): Default of ``--stage``.
        num_parts (int): 2 for training and test images, 1 for test images.
            Defaults to 2.
        several_labels (bool): Whether sets whose images have several labels
            can be scored. Defaults to False.
    """
    files = 'TRAIN.npz TEST.npz' if num_parts == 2 else 'TEST.npz'
    parser.add_argument(
        'inputs',
        nargs='+',
        metavar='INPUT',
        help=f'CONFIG CHECKPOINT, or {files} of tools/extract_features.py;\n'
        f'CHECKPOINT {UNTRAINED!r}: as seed {UNTRAINED_SEED} initialises it',
    )
    parser.add_argument(
        '--stage',
        choices=tuple(STAGES),
        default=stage,
        help='with CONFIG CHECKPOINT: features of the neck, or what the\n'
        f'backbone gives it, pooled (default: {stage})',
    )
    parser.add_argument(
        '--set',
        choices=[
            name
            for name, definition in TRANSFER_SETS.items()
            if several_labels or not definition.is_multi_label
        ],
        dest='image_set',
        help='with CONFIG CHECKPOINT: images of this set, its training and\n'
        'validation part together, instead of those of the config',
    )
    parser.add_argument(
        '--data-root',
        help='with --set: its folder (default: where\n'
        'tools/prepare_data.py puts it)',
    )
    parser.set_defaults(num_parts=num_parts)
    add_options_argument(parser)
    add_launcher_arguments(parser)


def read_inputs(
    args: argparse.Namespace,
) -> tuple[dict[str, Part], dict[str, str]]:
    """Features that the command line names.

    Returns:
        tuple[dict[str, Part], dict[str, str]]: Parts ``train`` and ``test``,
        or ``test`` alone; and what they are from.

    Raises:
        ConfigError: If the inputs are neither, an argument does not go with
            them, or images have no labels.
    """
    names = ('train', 'test')[-args.num_parts :]
    if args.data_root is not None and args.image_set is None:
        raise ConfigError(
            f'--data-root ({args.data_root}) is the folder of a --set, and '
            'none is named; for other images of a config give --cfg-options'
        )
    if all(name.endswith('.npz') for name in args.inputs):
        if len(args.inputs) != len(names):
            raise ConfigError(
                f'{len(names)} files of features are wanted '
                f'({", ".join(names)}), got {len(args.inputs)}'
            )
        if args.image_set is not None or args.cfg_options:
            raise ConfigError(
                '--set and --cfg-options go with CONFIG CHECKPOINT; the '
                'features of a file are what they are'
            )
        start_processes(Config(dict(env_cfg=dict(dist_cfg={}))), args)
        files = dict(zip(names, args.inputs))
        return {k: read_features(Path(v)) for k, v in files.items()}, files
    if len(args.inputs) != 2:
        raise ConfigError(
            'INPUT must be CONFIG CHECKPOINT, or files that end with .npz; '
            f'got {" ".join(args.inputs)}'
        )
    return encode(args, names)


def read_features(path: Path) -> Part:
    """Read a file of ``tools/extract_features.py``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no features and labels, or they are not of
            the same images.
    """
    if not path.is_file():
        raise FileNotFoundError(f'features file {path} does not exist')
    try:
        with np.load(path) as arrays:
            feats, labels = arrays['features'], arrays['labels']
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'{path} must hold arrays `features` and `labels`, as '
            'tools/extract_features.py writes them'
        ) from error
    if feats.dtype.kind != 'f' or labels.dtype.kind not in 'iu':
        raise ValueError(
            f'{path}: features must be floats and labels integers, got '
            f'{feats.dtype} and {labels.dtype}'
        )
    if feats.ndim != 2 or labels.shape[:1] != feats.shape[:1]:
        raise ValueError(
            f'{path}: features must be (N, C) and labels begin with N, got '
            f'{feats.shape} and {labels.shape}'
        )
    return Part(
        torch.from_numpy(feats).float(),
        torch.from_numpy(labels.astype(np.int64)),
    )


def check_test(test: Part) -> None:
    """Insist on test images that can be scored by themselves.

    Raises:
        ValueError: See :func:`mmisl.evaluation.check_labelled`.
    """
    check_labelled(
        test.feats,
        test.labels,
        test.feats,
        test.labels,
        parts=('test', 'test'),
    )


def encode(
    args: argparse.Namespace, names: tuple[str, ...]
) -> tuple[dict[str, Part], dict[str, str]]:
    """Encode the splits of a config, and see that the encoder is unchanged."""
    args.config, args.checkpoint = args.inputs
    cfg = load_config(args)
    model, source = load_network(cfg, args, args.stage)
    if args.image_set is None:
        splits = dict(train='train', test='val')
        loaders = {name: loader_config(cfg, splits[name]) for name in names}
        subset = describe_config_subset(
            *(loader['dataset'] for loader in loaders.values())
        )
        parts = {
            name: encode_part(model, loader, args.stage)
            for name, loader in loaders.items()
        }
    else:
        source['set'] = args.image_set
        root = args.data_root or TRANSFER_SETS[args.image_set].data_root
        subset = describe_subset(root)
        parts = encode_set(
            model,
            args.image_set,
            args.stage,
            data_root=args.data_root,
            parts=PARTS if 'train' in names else names,
        )
        if 'train' in names:
            parts['train'] = joined(parts['train'], parts.pop('val'))
    if subset is not None:
        source['subset'] = subset
    check_unchanged(model, source)
    return parts, source


def load_network(
    cfg: Config, args: argparse.Namespace, stage: str
) -> tuple[Any, dict[str, str]]:
    """The network of a config with the weights that the command line names.

    Returns:
        tuple[Any, dict[str, str]]: Network, and what a report says of it.
    """
    untrained = args.checkpoint == UNTRAINED
    if not untrained:
        check_checkpoint(args.checkpoint)
    check_config(cfg, required=('model',))
    start_processes(cfg, args)
    if untrained:
        set_random_seed(UNTRAINED_SEED)
    model = init_model(
        cfg, None if untrained else args.checkpoint, stage=stage
    )
    return model, dict(
        config=args.config,
        checkpoint=args.checkpoint,
        stage=stage,
        backbone_sha256=fingerprint(model.backbone),
    )


def check_unchanged(model: Any, source: dict[str, str]) -> None:
    """Insist that the backbone is what it was when it was loaded.

    Raises:
        RuntimeError: If a weight or a statistic has changed.
    """
    if fingerprint(model.backbone) != source['backbone_sha256']:
        raise RuntimeError(
            'the backbone has changed while it was evaluated, so the scores '
            'are not of the checkpoint; a layer of it writes to its weights '
            'or statistics in eval mode'
        )


def encode_set(
    model: BaseModel,
    name: str,
    stage: str,
    *,
    data_root: str | None = None,
    split: int = 0,
    parts: Sequence[str] = PARTS,
    known: dict[str, Tensor] | None = None,
) -> dict[str, Part]:
    """Encode parts of a transfer set, by default all three.

    ``known`` keeps the features by file, for another split of the images.
    """
    loaders = set_loader_configs(model.cfg, name, data_root, split=split)
    num_classes = TRANSFER_SETS[name].num_classes
    return {
        part: encode_part(
            model, loaders[part], stage, num_classes=num_classes, known=known
        )
        for part in parts
    }


def encode_part(
    model: BaseModel,
    loader_cfg: dict,
    stage: str,
    *,
    num_classes: int | None = None,
    known: dict[str, Tensor] | None = None,
) -> Part:
    """Encode the images of a loader.

    Args:
        model (BaseModel): From ``init_model``.
        loader_cfg (dict): Config of the loader.
        stage (str): Key of ``STAGES``.
        num_classes (int, optional): Of a transfer set, whose labels may be
            several an image.
        known (dict[str, Tensor], optional): Features by file. Where it has
            all of these images none is encoded; else they are added to it.

    Raises:
        ConfigError: If not every image has a label.
    """
    loader, dataset = build_loader(loader_cfg)
    if num_classes is None:
        labels = split_labels(dataset)
    else:
        labels = transfer_labels(dataset, num_classes)
    files: list[str] = []
    if known is not None:
        rows = range(dataset.num_instances)
        files = [dataset.get_info(row)['img_path'] for row in rows]
        if known.keys() >= set(files):
            return Part(torch.stack([known[file] for file in files]), labels)
    feats = extract_features(
        model, loader, dataset.num_instances, mode=STAGES[stage]
    )
    if known is not None:
        known.update(zip(files, feats))
    return Part(feats, labels)


def joined(*parts: Part) -> Part:
    """Several parts as one."""
    return Part(
        torch.cat([part.feats for part in parts]),
        torch.cat([part.labels for part in parts]),
    )


def split_labels(dataset: InstanceDataset) -> Tensor:
    """Labels of a data set.

    Raises:
        ConfigError: If not every image has one.
    """
    labels = dataset.labels()
    if labels is None:
        raise ConfigError(
            f'images of {type(dataset.dataset).__name__} have no labels to '
            'score with; take a data set in which every image has one'
        )
    return labels
