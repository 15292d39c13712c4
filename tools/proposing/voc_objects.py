"""Boxes of the objects of VOC, as mmdet reads them."""

from __future__ import annotations

import numpy as np

from mmisl.detection import StrictVOCDataset, proposal_key

from .voc_split import VOCSplit


def read_objects(split: VOCSplit) -> dict[str, np.ndarray]:
    """Objects that count, by image.

    Args:
        split (VOCSplit): Images to read the annotations of.

    Returns:
        dict[str, np.ndarray]: (g, 4) float32 boxes x1, y1, x2, y2 of the
        objects that are not difficult, in pixels from zero.

    Raises:
        ValueError: If an annotation makes no sense.
    """
    dataset = StrictVOCDataset(
        ann_file=str(split.list_file),
        data_prefix=dict(sub_data_root=str(split.folder)),
        pipeline=[],
        test_mode=True,
    )
    infos = map(dataset.get_data_info, range(len(dataset)))
    return {
        proposal_key(info['img_path']): np.array(
            [
                instance['bbox']
                for instance in info['instances']
                if not instance['ignore_flag']
            ],
            dtype=np.float32,
        ).reshape(-1, 4)
        for info in infos
    }
