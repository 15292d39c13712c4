"""The images that a config trains on, before and after augmentation."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from mmisl.datasets.instance_dataset import InstanceDataset
from mmisl.datasets.instance_sampler import InstanceSampler
from mmisl.registry import DATASETS


def build_train_dataset(cfg: Config) -> InstanceDataset:
    """The training set of a config, in mmisl's scope.

    Args:
        cfg (Config): Of a training.

    Raises:
        KeyError: If the config has no ``train_dataloader.dataset``.
        TypeError: If that is no ``InstanceDataset``.
    """
    if 'dataset' not in cfg.get('train_dataloader', {}):
        raise KeyError(f'{cfg.filename} has no train_dataloader.dataset')
    with DefaultScope.overwrite_default_scope('mmisl'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    if not isinstance(dataset, InstanceDataset):
        raise TypeError(
            f'train_dataloader.dataset must be an InstanceDataset, got '
            f'{type(dataset).__name__}'
        )
    return dataset


def load_original(info: dict) -> Image.Image:
    """The image before the pipeline.

    Args:
        info (dict): From :meth:`InstanceDataset.get_info`.

    Returns:
        Image.Image: In the colours of its file, which is read when they are
        asked for; RGB where the data set holds arrays.
    """
    if 'img' in info:
        return Image.fromarray(info['img'])
    return Image.open(info['img_path'])


def draw_items(
    dataset: InstanceDataset,
    sampler: InstanceSampler,
    sample_idx: int,
    num_epochs: int,
) -> list[dict]:
    """What the pipeline makes of one image in the first epochs.

    Args:
        dataset (InstanceDataset): The training set.
        sampler (InstanceSampler): Over it, with the seed of the run.
        sample_idx (int): The image, in [0, N).
        num_epochs (int): Epochs 0, 1, 2, ...

    Returns:
        list[dict]: ``inputs`` (3, H, W) uint8 and ``data_samples``, one an
        epoch, or as many as the pipeline makes views of an image at once.
    """
    position = int(dataset.positions()[sample_idx])
    items = []
    for epoch in range(num_epochs):
        sampler.set_epoch(epoch)
        item = dataset[(sampler.stream, position, False)]
        inputs = item['inputs']
        for view in inputs if isinstance(inputs, list) else [inputs]:
            items.append({**item, 'inputs': view})
    return items
