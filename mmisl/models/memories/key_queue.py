"""First in, first out: the keys of the latest images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmisl.registry import MODELS

from ..rank_batches import gather_batch


@MODELS.register_module()
class KeyQueue(BaseModule):
    """The latest K keys, each with the sample it is of.

    He et al., "Momentum Contrast for Unsupervised Visual Representation
    Learning", CVPR 2020, section 3.2; ``moco/builder.py``
    (``_dequeue_and_enqueue``) of the authors' code.

    # Deviates from that code, whose batches have to divide K: here the ring
    # is written round its end, by batches of any size. Of a batch larger
    # than K the last K keys stay.

    W ranks give the queue of one process, which would see their keys in turn
    (rank 0, 1, ..., W - 1, 0, ...) as :class:`mmisl.InstanceSampler` deals
    them out. Padded copies and keys that are not finite never enter. Where
    the next key goes is counted on the device, which alone knows how many
    keys of all ranks count, so the host waits for nothing.

    Args:
        size (int): K. Defaults to 65536, as for ImageNet.
        feat_dim (int): D. Defaults to 128.
        seed (int): Seed of the initial keys. Defaults to 0.

    Attributes:
        keys (Tensor): (K, D) float32, norm 1; at first random directions.
        sample_idx (Tensor): (K,) int64, the sample of each key; at first -1.
        pointer (Tensor): () int64 in [0, K), the oldest key, which goes next.

    Raises:
        ValueError: If an argument is out of range.
    """

    keys: Tensor
    sample_idx: Tensor
    pointer: Tensor

    def __init__(
        self, size: int = 65536, feat_dim: int = 128, *, seed: int = 0
    ) -> None:
        super().__init__()
        for name, value in (('size', size), ('feat_dim', feat_dim)):
            if value < 1:
                raise ValueError(f'{name} must be >= 1, got {value}')
        generator = torch.Generator().manual_seed(seed)
        keys = torch.randn(size, feat_dim, generator=generator)
        self.register_buffer('keys', F.normalize(keys))
        self.register_buffer('sample_idx', torch.full((size,), -1))
        self.register_buffer('pointer', torch.tensor(0))

    @property
    def size(self) -> int:
        """Number K of keys."""
        return len(self.keys)

    @property
    def feat_dim(self) -> int:
        """Size D of a key."""
        return self.keys.shape[1]

    @torch.no_grad()
    def enqueue(self, keys: Tensor, sample_idx: Tensor) -> None:
        """Put the keys of all ranks in place of the oldest.

        Args:
            keys (Tensor): (B, D) float, norm 1; B is the same on all ranks.
            sample_idx (Tensor): (B,) int64 on the device of ``keys``, -1 for
                padded copies.
        """
        keys = gather_batch(keys.to(self.keys.dtype))
        sample_idx = gather_batch(sample_idx)
        enters = (sample_idx >= 0) & keys.isfinite().all(1)
        num_new = enters.sum()
        # Those that enter, in order, then the others. Shapes must not depend
        # on how many there are, so min(B, K) places are written, some of them
        # with what they hold.
        order = torch.argsort(~enters, stable=True)
        num_written = min(len(keys), self.size)
        turn = torch.arange(num_written, device=keys.device)
        turn = turn + num_new - num_written
        chosen = order[turn.clamp_min(0)]
        place = (self.pointer + turn) % self.size  # all different
        is_new = turn >= 0
        self.keys[place] = torch.where(
            is_new.unsqueeze(1), keys[chosen], self.keys[place]
        )
        self.sample_idx[place] = torch.where(
            is_new, sample_idx[chosen], self.sample_idx[place]
        )
        self.pointer.add_(num_new).remainder_(self.size)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # mmengine would only log it and go on with random keys.
        saved = state_dict.get(prefix + 'keys')
        if saved is not None and saved.shape != self.keys.shape:
            raise ValueError(
                f'the checkpoint holds a queue of {len(saved)} keys of '
                f'{saved.shape[1]} values, but model.queue has size='
                f'{self.size} and feat_dim={self.feat_dim}; set both as in '
                'the checkpoint'
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
