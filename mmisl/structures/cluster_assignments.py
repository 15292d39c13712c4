"""Clusters of the samples of a training set."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ClusterAssignments(nn.Module):
    """Cluster of every sample in each of H clusterings.

    Pseudo-labels belong to the model, by ``sample_idx``: a data set that
    held them would leave the copies of persistent workers stale, and a
    checkpoint would not have them.

    Args:
        num_clusterings (int): H.
        num_clusters (int): k of each clustering.

    Attributes:
        assignments (Tensor): (H, N) int32 in [0, k), -1 before the first
            clustering; equal on all ranks.

    Raises:
        ValueError: If an argument is smaller than 1.
    """

    assignments: Tensor
    # The buffer has the size that was saved; loading checks it here.
    sized_by_data = True

    def __init__(self, num_clusterings: int, num_clusters: int) -> None:
        super().__init__()
        for name, value in (
            ('num_clusterings', num_clusterings),
            ('num_clusters', num_clusters),
        ):
            if value < 1:
                raise ValueError(f'{name} must be >= 1, got {value}')
        self.num_clusters = num_clusters
        self.register_buffer(
            'assignments',
            torch.zeros(num_clusterings, 0, dtype=torch.int32),
        )
        # Not state: what the host knows of this very ``assignments``.
        self._known: tuple[Tensor | None, bool] = (None, False)

    @property
    def num_clusterings(self) -> int:
        """H."""
        return self.assignments.shape[0]

    @property
    def num_samples(self) -> int:
        """Size N of the training set, 0 if not yet known."""
        return self.assignments.shape[1]

    @property
    def is_known(self) -> bool:
        """Whether samples have clusters; read once from the device."""
        if self._known[0] is not self.assignments:
            known = self.num_samples > 0 and bool(
                (self.assignments >= 0).all()
            )
            self._known = (self.assignments, known)
        return self._known[1]

    @property
    def num_empty(self) -> int:
        """Clusters without a sample, over all H clusterings."""
        num_filled = sum(len(row.unique()) for row in self.assignments)
        return self.num_clusterings * self.num_clusters - num_filled

    def set_num_samples(self, num_samples: int) -> None:
        """Fix N; a known N must not change.

        Raises:
            ValueError: If N is smaller than k, or known and different.
        """
        if num_samples < self.num_clusters:
            raise ValueError(
                f'{num_samples} samples cannot fill {self.num_clusters} '
                'clusters; lower num_clusters'
            )
        if self.num_samples not in (0, num_samples):
            raise ValueError(
                f'the clusters are of {self.num_samples} samples, but the '
                f'data set has {num_samples}; train on the data set they '
                'were found in, or start without this checkpoint'
            )
        if self.num_samples == 0:
            self.assignments = torch.full(
                (self.num_clusterings, num_samples),
                -1,
                dtype=torch.int32,
                device=self.assignments.device,
            )

    def update(self, assignments: Tensor) -> None:
        """Take new clusters, the same on all ranks.

        Args:
            assignments (Tensor): (H, N) integer in [0, k).

        Raises:
            ValueError: If the shape is another, or a cluster out of range.
        """
        if assignments.shape != self.assignments.shape:
            raise ValueError(
                f'assignments must be {tuple(self.assignments.shape)}, got '
                f'{tuple(assignments.shape)}'
            )
        low, high = int(assignments.min()), int(assignments.max())
        if low < 0 or high >= self.num_clusters:
            raise ValueError(
                f'clusters must lie in [0, {self.num_clusters}), got '
                f'[{low}, {high}]'
            )
        self.assignments = assignments.to(self.assignments)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # The buffer takes the size that was saved; a known N must agree.
        saved = state_dict.get(prefix + 'assignments')
        if saved is not None:
            if self.num_samples not in (0, saved.shape[1]):
                raise ValueError(
                    f'the checkpoint is of {saved.shape[1]} samples, but the '
                    f'clusters of {self.num_samples}; use the data set the '
                    'checkpoint was trained on'
                )
            # mmengine would only log it and go on with memory as it lay.
            if len(saved) != self.num_clusterings:
                raise ValueError(
                    f'the checkpoint holds {len(saved)} clusterings, but the '
                    f'model has {self.num_clusterings}; set the number as in '
                    'the checkpoint'
                )
            if saved.numel() and int(saved.max()) >= self.num_clusters:
                raise ValueError(
                    f'the checkpoint has a cluster {int(saved.max())}, but '
                    f'the model has {self.num_clusters} clusters, from 0 on; '
                    'set their number as in the checkpoint'
                )
            # Otherwise the flag would be that of the old values.
            self.assignments = self.assignments.new_empty(
                self.num_clusterings, saved.shape[1]
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
