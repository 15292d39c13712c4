"""Before any training a detector sees what the pretrained network saw."""

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.dataset import default_collate, pseudo_collate
from mmengine.registry import TRANSFORMS, DefaultScope
from PIL import Image
from pretrained import (
    detection_config,
    make_pretrained,
    pretraining_config,
    save_pretrained,
)

pytest.importorskip('mmcv._ext', reason='needs the compiled ops of mmcv')
from mmdet.registry import MODELS

pytestmark = pytest.mark.filterwarnings('ignore')
PAIRS = {
    'faster-rcnn_r50-c4_voc07.py': 'isl_r50.py',
    'fast-rcnn_r18-c4_voc07.py': 'isl_r18.py',
    'faster-rcnn_r50-c4-frozenbn_voc07.py': 'mocov2_r50.py',
    'fast-rcnn_alexnet_voc07.py': 'isl_alexnet.py',
    'faster-rcnn_alexnet_voc07.py': 'npid_alexnet.py',
    'fast-rcnn_alexnet-folded_voc07.py': 'sup_alexnet.py',
    'fast-rcnn_alexnet-deepcluster_voc07.py': 'deepcluster_alexnet.py',
    'faster-rcnn_r50-fpn_voc07.py': 'isl_r50.py',
}


@pytest.fixture(scope='module')
def photo(tmp_path_factory):
    """A JPEG of a size that no stride divides, its channels unlike."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    coarse[..., 0] //= 4
    path = tmp_path_factory.mktemp('photo') / 'photo.jpg'
    Image.fromarray(coarse).resize((143, 119)).save(path, quality=95)
    return str(path)


def pretraining_maps(model, name, photo):
    """Last map of the backbone, and the network's vector of the image."""
    cfg = pretraining_config(name)
    # As in a validation, but the image stays as large as it is.
    steps = [
        step
        for step in cfg.val_dataloader.dataset.pipeline
        if not step.type.endswith(('Resize', 'CenterCrop'))
    ]
    with DefaultScope.overwrite_default_scope('mmisl'):
        pipeline = Compose([TRANSFORMS.build(step) for step in steps])
        item = pipeline(dict(img_path=photo, gt_label=0, sample_idx=0))
    data = model.data_preprocessor(default_collate([item]), False)
    inputs = data['inputs']
    assert inputs.shape == (1, 3, 119, 143)
    return model.backbone(inputs)[-1]


def detector_maps(detector, cfg, photo):
    """Maps of the backbone through the detector's own pipeline."""
    steps = [
        step
        for step in cfg.test_dataloader.dataset.pipeline
        if step.type in ('LoadImageFromFile', 'PackDetInputs')
    ]
    with DefaultScope.overwrite_default_scope('mmdet'):
        pipeline = Compose([TRANSFORMS.build(step) for step in steps])
        info = dict(img_path=photo, img_id=0, scale_factor=(1, 1))
        item = pipeline(info)
    data = detector.data_preprocessor(pseudo_collate([item]), False)
    return detector.backbone(data['inputs'])


def build_detector(cfg):
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(cfg.model)
    detector.init_weights()
    return detector.eval()


@pytest.mark.parametrize('name', PAIRS)
@torch.no_grad()
def test_features__equal_those_of_pretraining(name, photo, tmp_path):
    model = make_pretrained(PAIRS[name])
    checkpoint = save_pretrained(model, tmp_path / 'run.pth')
    cfg = detection_config(name, checkpoint)
    # A pyramid pads the image, which changes what stands at its border.
    cfg.model.data_preprocessor.pad_size_divisor = 1
    detector = build_detector(cfg)
    expected = pretraining_maps(model, PAIRS[name], photo)
    found = detector_maps(detector, cfg, photo)[-1]
    if 'c4' in name:
        # conv5 is the shared head's, without what is added behind it.
        found = detector.roi_head.shared_head.layer4(found)
    assert expected.std() > 0.01  # the comparison says something
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    if 'alexnet' in name:
        check_fc7(detector, model, expected)


def check_fc7(detector, model, conv5):
    """A region that is the whole image, pooled as in pretraining."""
    neck = model.neck
    pooled = neck.pooling(conv5)
    vector = neck.pool([conv5])
    if hasattr(neck, 'hidden'):
        expected = neck.hidden([conv5])
    else:
        expected = neck.fc7(neck.fc6(vector))
    assert expected.std() > 0.01
    found = detector.roi_head.shared_head(pooled)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
