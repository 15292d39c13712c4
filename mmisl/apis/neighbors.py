"""Which images look alike to an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmengine.model import BaseModel
from torch import Tensor, arange
from torch.nn.functional import normalize

from mmisl.datasets import list_images
from mmisl.ops import nearest_rows

from .features import extract_features
from .loaders import Images


@dataclass(frozen=True)
class Neighbors:
    """Nearest images of every query.

    Attributes:
        similarity: (Q, k) float32, cosines, falling.
        rows: (Q, k) int64, positions in the gallery.
        files: Paths of the gallery, by row.
    """

    similarity: Tensor
    rows: Tensor
    files: list[str]

    def files_of(self, query: int) -> list[str]:
        """Paths of the neighbours of one query, the nearest first."""
        return [self.files[row] for row in self.rows[query].tolist()]


def find_neighbors(
    model: BaseModel,
    queries: Images,
    gallery: Images | None = None,
    *,
    k: int = 10,
    stage: str = 'neck',
    batch_size: int = 64,
    num_workers: int = 2,
) -> Neighbors:
    """Find the images of a gallery that are most similar to each query.

    The search is exact; of equal similarities the earlier image comes first.

    Args:
        model (BaseModel): From :func:`init_model`.
        queries (Images): A folder, or a list of files.
        gallery (Images, optional): Where to look. Defaults to the queries
            themselves, each image without itself.
        k (int): Neighbours wanted; all there are if these are fewer.
            Defaults to 10.
        stage (str): See :func:`extract_features`. Defaults to ``'neck'``.
        batch_size (int): Images at a time. Defaults to 64.
        num_workers (int): That read images. Defaults to 2.

    Returns:
        Neighbors: On the model's device.

    Raises:
        ConfigError, FileNotFoundError, RuntimeError, ValueError: As
            :func:`extract_features`, and ValueError for k < 1 or one query
            without a gallery.

    Example:
        >>> model = init_model('configs/isl_r18_folder.py', 'epoch_200.pth')
        >>> find_neighbors(model, 'my_images', k=5).files_of(0)
    """
    if k < 1:
        raise ValueError(f'k must be at least 1, got {k}')
    # Listed once: a folder may change while its images are encoded.
    queries = _files(queries)
    if gallery is None and len(queries) == 1:
        raise ValueError(
            f'queries hold one image, {queries[0]}, and no other to compare '
            'it with; name a gallery or more queries'
        )
    settings = dict(
        stage=stage, batch_size=batch_size, num_workers=num_workers
    )
    asked = _encode(model, queries, settings)
    if gallery is None:
        found, exclude, looked_at = asked, arange(len(asked)), queries
        exclude = exclude.to(asked.device)
    else:
        exclude, looked_at = None, _files(gallery)
        found = _encode(model, looked_at, settings)
    similarity, rows = nearest_rows(
        asked, found, k, exclude=exclude, description='nearest images'
    )
    return Neighbors(similarity, rows, looked_at)


def _encode(model: BaseModel, files: list[str], settings: dict) -> Tensor:
    return normalize(extract_features(model, files, **settings))


def _files(images: Images) -> list[str]:
    if isinstance(images, (str, Path)):
        return list_images(images)
    return [str(file) for file in images]
