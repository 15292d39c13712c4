"""Features of a whole data set, in sample order."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.model import BaseModel
from torch import Tensor
from torch.utils.data import DataLoader

from mmisl.ops import ShardedRows, num_local_rows
from mmisl.progress import track

from .unwrapping import unwrap_model


def extract_features(
    model: BaseModel,
    dataloader: DataLoader,
    num_samples: int,
    *,
    mode: str = 'tensor',
    description: str = 'features',
    augment: bool = False,
) -> Tensor:
    """Encode every sample of a loader, in sample order.

    Every rank encodes its share and writes by ``sample_idx`` into one tensor,
    which is then summed over the ranks: the writes are disjoint, so the sum is
    exact. The model is put in eval mode and back.

    Args:
        model (BaseModel): Gives features (B, D) in the mode asked for.
        dataloader (DataLoader): Over an ``InstanceDataset`` with an
            ``InstanceSampler(unique=True)``.
        num_samples (int): N.
        mode (str): Of the model's ``forward``: ``'tensor'`` for embeddings,
            ``'backbone'`` for pooled features. Defaults to ``'tensor'``.
        description (str): Shown by the progress bar.
        augment (bool): Whether the data preprocessor augments, where it is
            one that does. Defaults to False.

    Returns:
        Tensor: (N, D) float32, on the model's device.

    Raises:
        RuntimeError: If a sample was not delivered.
    """
    feats = _encode(
        model,
        dataloader,
        num_samples,
        mode=mode,
        description=description,
        augment=augment,
        sharded=False,
    )
    all_reduce(feats)
    return feats


def extract_shards(
    model: BaseModel,
    dataloader: DataLoader,
    num_samples: int,
    *,
    mode: str = 'tensor',
    description: str = 'features',
    augment: bool = False,
    device: str | None = None,
) -> ShardedRows:
    """As :func:`extract_features`, but a rank keeps what it has encoded.

    Features do not travel. ``device`` is where they are kept, by default the
    model's.
    """
    feats = _encode(
        model,
        dataloader,
        num_samples,
        mode=mode,
        description=description,
        augment=augment,
        sharded=True,
        device=device,
    )
    return ShardedRows(feats, num_samples)


@torch.no_grad()
def _encode(
    model: BaseModel,
    dataloader: DataLoader,
    num_samples: int,
    *,
    mode: str,
    description: str,
    augment: bool,
    sharded: bool,
    device: str | None = None,
) -> Tensor:
    """Rows that this rank encodes: (N_r, D), or (N, D) with 0 elsewhere."""
    model = unwrap_model(model)
    was_training = model.training
    model.eval()
    feats: Tensor | None = None
    seen = torch.zeros(num_samples)
    world_size = get_world_size() if sharded else 1
    num_rows = num_local_rows(num_samples) if sharded else num_samples
    for batch in track(dataloader, description):
        data = model.data_preprocessor(batch, augment)
        batch_feats = model(data['inputs'], mode=mode)
        if feats is None:
            feats = batch_feats.new_zeros(
                num_rows,
                batch_feats.shape[1],
                dtype=torch.float32,
                device=device or batch_feats.device,
            )
        rows = torch.tensor(
            [sample.sample_idx for sample in data['data_samples']]
        )
        real = rows >= 0  # the others are padded copies
        rows, batch_feats = rows[real], batch_feats[real]
        assert not sharded or (rows % world_size == get_rank()).all()
        feats[rows // world_size] = batch_feats.to(feats)
        seen[rows] += 1
    model.train(was_training)
    assert feats is not None, 'the sampler gives every rank a sample'
    all_reduce(seen)
    num_wrong = torch.count_nonzero(seen - 1).item()
    if num_wrong:
        raise RuntimeError(
            f'{num_wrong} of {num_samples} samples were not delivered exactly '
            'once; use InstanceSampler(unique=True)'
        )
    return feats
