"""VOCDataset of mmdet that says what is wrong with its files."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ElementTree

from mmdet.datasets import VOCDataset

from mmisl.registry import DATASETS

from .proposals import check_proposals, proposal_key, read_proposals
from .voc_files import VOCLayout, check_voc_split


@DATASETS.register_module()
class StrictVOCDataset(VOCDataset):
    """A detection set in VOC's layout, checked before it is read.

    Differs from mmdet's class, whose arguments it takes, in what it refuses:
    see :func:`mmisl.detection.voc_files.check_voc_split` and
    :func:`mmisl.detection.proposals.check_proposals`. An object of an unknown
    class is an error, not passed over; ``leave_out`` names those that are
    meant to be.

    VOC has no rule for ``difficult`` objects in training. Here, as in mmdet,
    they are ``ignored_instances``: they are found by nobody and take no part
    as positives. Whether what overlaps them is background is the assigner's
    to say: it is with ``ignore_iof_thr=-1``, as in py-faster-rcnn, which
    drops them; it is not with a threshold in (0, 1]. detectron2, and with it
    MoCo, trains on them as on all others: that is ``train_on_difficult``.
    The test always follows VOC: a detection of one is neither right nor
    wrong, and missing one costs nothing.

    Args:
        leave_out (Sequence[str]): Classes whose objects are left out.
            Defaults to none.
        train_on_difficult (bool): Whether difficult objects are objects like
            others, unless in test mode. Defaults to False.
        **kwargs: Arguments of mmdet's ``VOCDataset``: ``data_root``,
            ``ann_file``, ``data_prefix=dict(sub_data_root=...)``,
            ``metainfo``, ``proposal_file``, ``pipeline`` and others.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If what a file holds makes no sense, the proposals are
            those of another split, or the files are not local ones.
    """

    def __init__(
        self,
        *,
        leave_out: Sequence[str] = (),
        train_on_difficult: bool = False,
        **kwargs: Any,
    ) -> None:
        self.leave_out = tuple(leave_out)
        self.train_on_difficult = train_on_difficult
        super().__init__(**kwargs)
        if self.metainfo['classes'] != VOCDataset.METAINFO['classes']:
            # VOCMetric prints VOC's names in a folder of that name, whatever
            # the classes are; without a type it prints these.
            self._metainfo['dataset_type'] = None

    def load_data_list(self) -> list[dict]:
        """Check the files of the split, then read them."""
        if self.backend_args is not None:
            raise ValueError(
                f'backend_args ({self.backend_args}) must be None: '
                'StrictVOCDataset checks local files; copy the set to a '
                'disk, or use mmdet.VOCDataset'
            )
        check_voc_split(
            self.ann_file,
            VOCLayout(
                Path(self.sub_data_root), self.img_subdir, self.ann_subdir
            ),
            {*self.metainfo['classes'], *self.leave_out},
        )
        return super().load_data_list()

    def load_proposals(self) -> None:
        """Read proposals, and insist that they are those of the split."""
        # join() keeps a path that is absolute.
        path = osp.join(self.data_root, self.proposal_file)
        proposals = read_proposals(path)
        keys = [proposal_key(info['img_path']) for info in self.data_list]
        check_proposals(proposals, keys, path)
        for info, key in zip(self.data_list, keys):
            info['proposals'] = proposals[key]

    def _parse_instance_info(
        self, raw_ann_info: ElementTree, minus_one: bool = True
    ) -> list[dict]:
        if self.train_on_difficult and not self.test_mode:
            for mark in raw_ann_info.iterfind('object/difficult'):
                mark.text = '0'
        return super()._parse_instance_info(raw_ann_info, minus_one)
