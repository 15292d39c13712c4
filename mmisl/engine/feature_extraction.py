"""Features of a whole data set, in sample order."""

from __future__ import annotations

import contextlib

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.model import BaseModel, is_model_wrapper
from rich.progress import Progress
from torch import Tensor
from torch.utils.data import DataLoader


@torch.no_grad()
def extract_features(
    model: BaseModel,
    dataloader: DataLoader,
    num_samples: int,
    *,
    mode: str = 'tensor',
    description: str = 'features',
) -> Tensor:
    """Encode every sample of a loader, in sample order, on every rank.

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

    Returns:
        Tensor: (N, D) float32, on the model's device.

    Raises:
        RuntimeError: If a sample was not delivered.
    """
    model = model.module if is_model_wrapper(model) else model
    was_training = model.training
    model.eval()
    feats: Tensor | None = None
    seen = torch.zeros(num_samples)
    with _progress() as advance:
        for batch in advance(dataloader, description):
            data = model.data_preprocessor(batch, False)
            batch_feats = model(data['inputs'], mode=mode)
            if feats is None:
                feats = batch_feats.new_zeros(
                    num_samples, batch_feats.shape[1], dtype=torch.float32
                )
            rows = torch.tensor(
                [sample.sample_idx for sample in data['data_samples']]
            )
            real = rows >= 0  # the others are padded copies
            feats[rows[real]] = batch_feats[real].float()
            seen[rows[real]] += 1
    model.train(was_training)
    assert feats is not None, 'the sampler gives every rank a sample'
    all_reduce(feats)
    all_reduce(seen)
    num_wrong = torch.count_nonzero(seen - 1).item()
    if num_wrong:
        raise RuntimeError(
            f'{num_wrong} of {num_samples} samples were not delivered exactly '
            'once; use InstanceSampler(unique=True)'
        )
    return feats


@contextlib.contextmanager
def _progress():
    """A progress bar on the main process of a terminal, else nothing."""
    with Progress(transient=True, disable=not is_main_process()) as progress:
        if not progress.console.is_terminal:
            progress.disable = True
        yield lambda items, text: progress.track(
            items, total=len(items), description=text
        )
