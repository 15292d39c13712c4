"""Pictures of what a detector found, beside what it should have found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import mmcv
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from mmisl.registry import HOOKS


@HOOKS.register_module()
class DetectionPictureHook(Hook):
    """Draws the first images of a test: the truth left, detections right.

    mmdet's ``DetVisualizationHook`` draws every image of a test, and leaves
    out difficult objects, whose detections then look like mistakes. Here they
    are marked with a ``?`` after their class. Pictures are named after their
    images: ``000001_found.jpg``. On several ranks the main one draws its
    share.

    Args:
        folder (str): Folder for the pictures; it is made. A picture that is
            there already is replaced.
        num_images (int): How many images are drawn, at least 1. Defaults
            to 20.
        score_thr (float): Detections with a score above this are drawn.
            Defaults to 0.3.

    Raises:
        ValueError: If ``num_images`` is less than 1.
    """

    def __init__(
        self, folder: str, num_images: int = 20, score_thr: float = 0.3
    ) -> None:
        if num_images < 1:
            raise ValueError(f'num_images ({num_images}) must be at least 1')
        self.folder = Path(folder)
        self.num_images = num_images
        self.score_thr = score_thr

    def before_test(self, runner: Runner) -> None:
        """Make the folder, so that a wrong name is noticed at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._left = self.num_images if is_main_process() else 0
        # Of this hook alone: a config needs none for detection.
        self._visualizer = DetLocalVisualizer('pictures')
        dataset = runner.test_dataloader.dataset
        self._visualizer.dataset_meta = dataset.metainfo

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        """Draw the images of a batch until there are enough."""
        for sample in (outputs or ())[: self._left]:
            self._draw(sample.cpu())
            self._left -= 1

    def after_test(self, runner: Runner) -> None:
        """Say where the pictures are."""
        runner.logger.info(f'Pictures of detections are in {self.folder}')

    def _draw(self, sample: DetDataSample) -> None:
        classes = self._visualizer.dataset_meta['classes']
        sample.gt_instances = InstanceData.cat(
            [
                _labelled(sample.gt_instances, classes, ''),
                _labelled(sample.ignored_instances, classes, '?'),
            ]
        )
        source = Path(sample.img_path)
        # As the pipeline reads it, but RGB.
        image = mmcv.imread(str(source), channel_order='rgb')
        _clip(sample.pred_instances, *image.shape[:2])
        path = self.folder / f'{source.stem}_found.jpg'
        partial = path.with_suffix('.partial.jpg')
        self._visualizer.add_datasample(
            path.name,
            image,
            sample,
            pred_score_thr=self.score_thr,
            out_file=str(partial),
        )
        os.replace(partial, path)


def _labelled(
    instances: InstanceData, classes: Sequence[str], mark: str
) -> InstanceData:
    """Objects with the names that the visualiser writes beside them."""
    return InstanceData(
        bboxes=instances.bboxes,
        labels=instances.labels,
        label_names=[classes[k] + mark for k in instances.labels.tolist()],
    )


def _clip(instances: InstanceData, height: int, width: int) -> None:
    """Move boxes into their image, or the visualiser shrinks the picture."""
    bboxes = instances.bboxes.clamp(min=0)
    bboxes[:, 0::2].clamp_(max=width - 1)
    bboxes[:, 1::2].clamp_(max=height - 1)
    instances.bboxes = bboxes
