"""A picture of mined neighbours for TensorBoard and its like."""

from __future__ import annotations

import io
import logging
import tempfile
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from PIL import Image
from torch import Tensor

from mmisl.compat import make_image_folder
from mmisl.datasets import InstanceDataset
from mmisl.registry import HOOKS
from mmisl.visualization import draw_neighbor_grid

from ..positives import Rows, pair_cosine
from ..seeding import derive_seed
from ..unwrapping import unwrap_model

PICTURE_NAME = 'mining/neighbors'
# A cell of the picture is no larger, and large images would only take time.
_MAX_SIDE = 160


@HOOKS.register_module()
class NeighborPictureHook(Hook):
    """Shows some images and their positives after every mining.

    The picture goes to all backends of the visualizer under the name
    ``mining/neighbors``, counted in encoder epochs: TensorBoard and Weights &
    Biases show it, and a PNG lies below ``vis_data/vis_image``. The anchors
    are drawn once for a seed, so rounds can be compared, and the runs of one
    seed; an anchor that nothing was mined for says so. Frames tell right from
    wrong where every image has one label.

    What it costs is bounded by the number of anchors: similarity is computed
    for their neighbours alone, and their images are read from the data set. A
    picture that cannot be drawn is a warning and ends no run.

    Args:
        num_anchors (int): Rows of the picture; 0 draws none. Defaults to 8.
        max_neighbors (int): Neighbours of an anchor, the most similar first.
            Defaults to 8.
        interval (int): Every so many rounds. Defaults to 1.

    Raises:
        ValueError: If an argument is out of range.
    """

    # Behind the hook that saves: what was mined is safe by then.
    priority = 'VERY_LOW'

    def __init__(
        self, num_anchors: int = 8, max_neighbors: int = 8, interval: int = 1
    ) -> None:
        if num_anchors < 0 or max_neighbors < 1 or interval < 1:
            raise ValueError(
                'need num_anchors >= 0, max_neighbors >= 1 and interval >= 1, '
                f'got {num_anchors}, {max_neighbors} and {interval}'
            )
        self.num_anchors = num_anchors
        self.max_neighbors = max_neighbors
        self.interval = interval

    def after_mining(self, runner: Runner, summary) -> None:
        """Draw the round that has ended; all ranks look up, one draws."""
        round_idx = runner.train_loop.state.round - 1
        if self.num_anchors == 0 or round_idx % self.interval:
            return
        dataset = runner.train_loop.dataloader.dataset
        neighbors = nearest_positives(
            unwrap_model(runner.model),
            summary.rows,
            self._anchors(runner.seed, dataset.num_instances),
            self.max_neighbors,
        )
        if is_main_process():
            try:
                picture = draw_picture(dataset, neighbors, round_idx)
            except Exception as error:
                # A data set can be anything, and the other ranks go on.
                print_log(
                    f'no picture of round {round_idx}: {error}',
                    logger='current',
                    level=logging.WARNING,
                )
                return
            make_image_folder(runner.visualizer, PICTURE_NAME)
            runner.visualizer.add_image(
                PICTURE_NAME, picture, step=runner.epoch
            )

    def _anchors(self, seed: int, num_samples: int) -> Tensor:
        """Samples that every round shows, (A,) int64, ascending."""
        rng = np.random.default_rng(derive_seed(seed, 'pictures'))
        number = min(self.num_anchors, num_samples)
        return torch.from_numpy(
            np.sort(rng.choice(num_samples, number, replace=False))
        )


def nearest_positives(
    model, rows: Rows, anchors: Tensor, max_neighbors: int
) -> dict[int, list[int]]:
    """Positives of some samples, the most similar first.

    Args:
        model: An algorithm, not wrapped, with a graph or clusters.
        rows (Rows): (N, D) float, norm 1. With shards a collective call.
        anchors (Tensor): (A,) int64, the same on all ranks.
        max_neighbors (int): Kept of each.

    Returns:
        dict[int, list[int]]: By anchor, in the given order; of equally
        similar ones the smaller index comes first.
    """
    anchors = anchors.to(rows.device)
    if model.graph is not None:
        place, found = model.graph.neighbors(anchors)
    else:
        assignments = model.clusters.assignments.to(rows.device)
        own = assignments[:, anchors]  # (H, A)
        together = (assignments[:, None] == own[..., None]).any(0)  # (A, N)
        together[torch.arange(len(anchors)), anchors] = False
        place, found = together.nonzero(as_tuple=True)
    cosine = pair_cosine(rows, anchors[place], found).cpu()
    place, found = place.cpu(), found.cpu()
    nearest = {}
    for number, anchor in enumerate(anchors.tolist()):
        own = place == number
        order = cosine[own].argsort(descending=True, stable=True)
        nearest[anchor] = found[own][order][:max_neighbors].tolist()
    return nearest


def draw_picture(
    dataset: InstanceDataset, neighbors: dict[int, list[int]], round_idx: int
) -> np.ndarray:
    """The picture, (H, W, 3) uint8, RGB.

    Raises:
        OSError: If an image cannot be read.
    """
    shown = set(neighbors).union(*neighbors.values())
    with tempfile.TemporaryDirectory() as folder:
        path = draw_neighbor_grid(
            {index: read_image(dataset, index) for index in sorted(shown)},
            neighbors,
            path=Path(folder, 'neighbors.png'),
            labels=dataset.labels(),
            class_names=dataset.metainfo.get('classes'),
            title=f'mined after round {round_idx}',
        )
        with Image.open(path) as picture:
            return np.asarray(picture.convert('RGB'))


def read_image(dataset: InstanceDataset, sample_idx: int) -> Image.Image:
    """An image as the data set has it, not augmented, made small.

    Raises:
        OSError: If the data set has no image to look at, or its file cannot
            be read.
    """
    info = dataset.get_info(sample_idx)
    if 'img' in info:
        image = Image.fromarray(np.asarray(info['img']))
    elif 'img_path' in info:
        image = Image.open(io.BytesIO(get(info['img_path'])))
    else:
        raise OSError(
            f'the data set has neither img nor img_path of image {sample_idx}'
        )
    image = image.convert('RGB')
    image.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return image
