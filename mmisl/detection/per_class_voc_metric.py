"""VOCMetric of mmdet, with a number for every class."""

from __future__ import annotations

from typing import Any

from mmdet.evaluation import VOCMetric, eval_map
from mmengine.logging import MMLogger

from mmisl.registry import METRICS


@METRICS.register_module()
class PerClassVOCMetric(VOCMetric):
    """Mean average precision as in VOC, and that of every class.

    Differs from mmdet's class, whose arguments it takes and whose matching
    and table it uses, in what it logs for ``metric='mAP'``: ``AP50`` is not
    rounded to 3 decimals; there is an ``AP50_<class>`` for every class that
    has an object which is not difficult, whose mean ``AP50`` is; the table
    names the classes of the data set; and there is no warning where VOC2007
    is measured by area, which today is what tables quote.

    The 11 recalls are ``0.1 * i`` in floating point, as in py-faster-rcnn: 3
    objects found of 10 are a recall of 0.3, which does not reach the fourth
    of them.

    Args:
        **kwargs: Arguments of mmdet's ``VOCMetric``: ``eval_mode``,
            ``iou_thrs``, ``prefix`` and others.

    Raises:
        ValueError: If ``metric`` is not ``'mAP'``, or ``scale_ranges`` are
            given.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.metric != 'mAP' or self.scale_ranges is not None:
            raise ValueError(
                f"metric ({self.metric!r}) must be 'mAP' and scale_ranges "
                f'({self.scale_ranges}) None; use mmdet.VOCMetric for others'
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute fractions in [0, 1].

        Args:
            results (list): Of every image, its ground truth and detections.

        Returns:
            dict[str, float]: ``mAP``, the mean over IoU thresholds; ``AP50``
            and the like, of each; ``AP50_<class>`` and the like.
        """
        truth, detections = zip(*results)
        classes = self.dataset_meta['classes']
        logger = MMLogger.get_current_instance()
        means: dict[str, float] = {}
        by_class: dict[str, float] = {}
        for threshold in self.iou_thrs:
            name = f'AP{round(threshold * 100):02d}'
            logger.info(f'{name} by {self.eval_mode}:')
            means[name], found = eval_map(
                detections,
                truth,
                iou_thr=threshold,
                dataset=classes,
                logger=logger,
                eval_mode=self.eval_mode,
                use_legacy_coordinate=True,
            )
            by_class |= {
                f'{name}_{kind}': float(result['ap'])
                for kind, result in zip(classes, found)
                if result['num_gts'] > 0
            }
        mean = sum(means.values()) / len(means)
        return {'mAP': mean, **means, **by_class}
