"""A backbone in detectors of mmdet, and under its runner."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from backbones import make_resnet, save_run
from mmengine.config import Config
from mmengine.registry import MODELS, RUNNERS, DefaultScope
from PIL import Image

from mmisl.weights import IMAGENET

pytestmark = pytest.mark.skipif(
    find_spec('mmdet') is None or find_spec('mmcv._ext') is None,
    reason='needs mmdet and the compiled ops of mmcv: make test installs them',
)
STAGES = ['conv1.', 'bn1.', 'layer1.', 'layer2.', 'layer3.']


@pytest.fixture
def run(tmp_path):
    return str(save_run(make_resnet(50), tmp_path / 'run.pth'))


def test_c4__every_weight_is_in_backbone_or_shared_head(run):
    strict = dict(type='mmisl.StrictPretrained', checkpoint=run)
    with DefaultScope.overwrite_default_scope('mmdet'):
        backbone = MODELS.build(
            dict(
                type='mmdet.ResNet',
                depth=50,
                num_stages=3,
                strides=(1, 2, 2),
                dilations=(1, 1, 1),
                out_indices=(2,),
                init_cfg=strict | dict(leave_out=['layer4.']),
            )
        )
        head = MODELS.build(
            dict(
                type='mmdet.ResLayerExtraNorm',  # mmpretrain's
                depth=50,
                init_cfg=strict | dict(leave_out=STAGES, keep=['norm.']),
            )
        )
        backbone.init_weights()
        head.init_weights()
    state = backbone.state_dict() | head.layer4.state_dict(prefix='layer4.')
    expected = make_resnet(50).state_dict()
    assert set(state) == set(expected)
    for key, value in state.items():
        assert torch.equal(value, expected[key]), key


def write_coco(folder):
    """Two images with a box each."""
    rng = np.random.default_rng(0)
    images, boxes = [], []
    for index in range(2):
        pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f'{index}.png')
        images.append(
            dict(id=index, file_name=f'{index}.png', width=64, height=64)
        )
        boxes.append(
            dict(
                id=index,
                image_id=index,
                category_id=1,
                bbox=[8, 8, 40, 30],
                area=1200,
                iscrowd=0,
            )
        )
    content = dict(
        images=images, annotations=boxes, categories=[dict(id=1, name='thing')]
    )
    (folder / 'boxes.json').write_text(json.dumps(content))


def detector(folder, run, **preprocessor):
    """One epoch of RetinaNet, in which nothing moves."""
    backbone = dict(
        type='ResNet',
        depth=50,
        out_indices=(2, 3),
        norm_eval=True,
        init_cfg=dict(type='mmisl.StrictPretrained', checkpoint=run),
    )
    model = dict(
        type='RetinaNet',
        data_preprocessor=dict(
            type='DetDataPreprocessor',
            mean=list(IMAGENET.mean),
            std=list(IMAGENET.std),
            bgr_to_rgb=True,
            pad_size_divisor=32,
        )
        | preprocessor,
        backbone=backbone,
        neck=dict(
            type='FPN', in_channels=[1024, 2048], out_channels=8, num_outs=2
        ),
        bbox_head=dict(
            type='RetinaHead',
            num_classes=1,
            in_channels=8,
            feat_channels=8,
            stacked_convs=1,
            anchor_generator=dict(
                type='AnchorGenerator',
                octave_base_scale=1,
                scales_per_octave=1,
                ratios=[1.0],
                strides=[16, 32],
            ),
        ),
        train_cfg=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.4,
                min_pos_iou=0,
            ),
            sampler=dict(type='PseudoSampler'),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
    )
    dataset = dict(
        type='CocoDataset',
        data_root=str(folder),
        ann_file='boxes.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=('thing',)),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(64, 64)),
            dict(type='PackDetInputs'),
        ],
    )
    return Config(
        dict(
            default_scope='mmdet',
            work_dir=str(folder / 'work'),
            experiment_name=folder.name,
            model=model,
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dataset,
            ),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
            custom_hooks=[dict(type='mmisl.PreprocessingCheckHook')],
        )
    )


def test_runner__same_colours_train(run, tmp_path):
    write_coco(tmp_path)
    runner = RUNNERS.build(detector(tmp_path, run))
    runner.train()
    assert runner.iter == 1
    expected = make_resnet(50).state_dict()
    for key, value in runner.model.backbone.state_dict().items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize(
    'preprocessor, cure',
    [
        (dict(bgr_to_rgb=False), 'turn the channels round to RGB'),
        (dict(mean=list(IMAGENET.mean[::-1])), r'set mean=\[123.675, 116.28'),
    ],
)
def test_runner__other_colours_stop(run, tmp_path, preprocessor, cure):
    write_coco(tmp_path)
    runner = RUNNERS.build(detector(tmp_path, run, **preprocessor))
    with pytest.raises(ValueError, match=f'trained on RGB, .*{cure}'):
        runner.train()
    assert runner.iter == 0
