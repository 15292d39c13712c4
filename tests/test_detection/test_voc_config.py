"""The data and metrics of the configs, with a detector that knows all."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, RUNNERS
from mmengine.structures import InstanceData
from torchvision.datasets import VOCDetection

if find_spec('mmdet') is None or find_spec('mmcv._ext') is None:
    pytest.skip(
        'needs mmdet and the compiled ops of mmcv: make test installs them',
        allow_module_level=True,
    )

from mmdet.datasets import VOCDataset

BASE = Path(__file__).parents[2] / 'configs/detection/_base_/voc07.py'
SIDES = ('xmin', 'ymin', 'xmax', 'ymax')


@MODELS.register_module()
class FindsAll(BaseModel):
    """Finds what torchvision reads in the XML file, difficult or not.

    Args:
        folder (str): Folder of the set.
        misses (str, optional): A class that it never finds.
    """

    def __init__(self, folder, misses=None):
        super().__init__(dict(type='mmdet.DetDataPreprocessor'))
        self.truth = VOCDetection(folder, '2007', 'test')
        self.names = [Path(path).stem for path in self.truth.annotations]
        self.classes = VOCDataset.METAINFO['classes']
        self.misses = misses

    def forward(self, inputs, data_samples, mode):
        for sample in data_samples:
            _, content = self.truth[self.names.index(sample.img_id)]
            found = [
                item
                for item in content['annotation']['object']
                if item['name'] != self.misses
            ]
            boxes = [
                [float(item['bndbox'][side]) - 1 for side in SIDES]
                for item in found
            ]
            labels = [self.classes.index(item['name']) for item in found]
            sample.pred_instances = InstanceData(
                bboxes=torch.tensor(boxes).reshape(-1, 4),
                labels=torch.tensor(labels, dtype=torch.long),
                scores=torch.linspace(1, 0.5, len(labels)),
            )
        return data_samples


@pytest.fixture
def cfg(real_voc, tmp_path):
    cfg = Config.fromfile(BASE)
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = tmp_path.name
    dataset = cfg.test_dataloader.dataset
    dataset.data_root = f'{real_voc}/VOCdevkit/'
    dataset.indices = 15
    cfg.test_dataloader.num_workers = 0
    cfg.test_dataloader.persistent_workers = False
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    cfg.custom_hooks = []
    for key in list(cfg):
        if key.startswith(('train', 'val')):
            cfg.pop(key)
    return cfg


@pytest.mark.parametrize('misses, expected', [(None, 1), ('sheep', 14 / 15)])
def test_data_and_metrics__of_who_finds_all(misses, expected, cfg, real_voc):
    # Of the first 15 images, in which 15 classes have an object to be found.
    cfg.model = dict(
        type='mmengine.FindsAll', folder=str(real_voc), misses=misses
    )
    scores = RUNNERS.build(cfg).test()
    for name in ('voc07/mAP', 'voc07/AP50', 'area/mAP', 'area/AP50'):
        assert scores[name] == pytest.approx(expected, abs=1e-6)
    by_class = {
        name.removeprefix('voc07/AP50_'): value
        for name, value in scores.items()
        if name.startswith('voc07/AP50_')
    }
    assert len(by_class) == 15
    assert [k for k, v in by_class.items() if v != 1] == [misses] * bool(
        misses
    )
