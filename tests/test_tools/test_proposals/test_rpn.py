"""tools/make_proposals.py rpn, on small detectors of random weights."""

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmisl.detection import read_proposals

# No weight is trained: what is looked at is whose boxes are written, where.
CONFIG = """
default_scope = 'mmdet'
model = dict(
    type={kind!r},
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[120.0] * 3,
        std=[60.0] * 3,
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(type='ResNet', depth=18, base_channels=8, num_stages=2,
                  strides=(1, 2), dilations=(1, 1), out_indices=(1,)),
    neck=None,
    rpn_head=dict(
        type='RPNHead',
        in_channels=16,
        feat_channels=8,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[2, 4], ratios=[0.5, 1.0, 2.0],
            strides=[8],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss'),
    ),
    {roi_head}
    train_cfg=None,
    test_cfg=dict(
        rpn=dict(nms_pre=40, max_per_img=5, nms=dict(type='nms',
                 iou_threshold=0.7), min_bbox_size=0),
        {rcnn}
    ),
)
test_dataloader = dict(
    batch_size=3,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VOCDataset',
        data_root={devkit!r},
        ann_file='VOC2007/ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        proposal_file='of another split.pkl',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(160, 100), keep_ratio=True),
            dict(type='PackDetInputs', meta_keys=(
                'img_id', 'img_path', 'ori_shape', 'img_shape',
                'scale_factor')),
        ],
    ),
)
"""
ROI_HEAD = """roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor', out_channels=16,
            roi_layer=dict(type='RoIAlign', output_size=3),
            featmap_strides=[8],
        ),
        bbox_head=dict(
            type='Shared2FCBBoxHead', in_channels=16, roi_feat_size=3,
            fc_out_channels=4, num_classes=20,
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        ),
    ),"""
RCNN = """rcnn=dict(score_thr=0.0, max_per_img=9,
                  nms=dict(type='nms', iou_threshold=0.5)),"""


@pytest.fixture
def faster(devkit, tmp_path):
    """Config and checkpoint of a Faster R-CNN."""
    return write_detector(tmp_path, devkit, 'FasterRCNN', ROI_HEAD, RCNN)


@pytest.fixture
def alone(devkit, faster, tmp_path):
    """Config and checkpoint of an RPN with the same weights."""
    config, checkpoint = write_detector(tmp_path, devkit, 'RPN', '', '')
    weights = torch.load(faster[1])['state_dict']
    weights = {
        key.replace('rpn_head.', 'bbox_head.'): value
        for key, value in weights.items()
        if not key.startswith('roi_head.')
    }
    torch.save({'meta': {}, 'state_dict': weights}, checkpoint)
    return config, checkpoint


def write_detector(folder, devkit, kind, roi_head, rcnn):
    path = folder / f'{kind}.py'
    path.write_text(
        CONFIG.format(
            kind=kind, roi_head=roi_head, rcnn=rcnn, devkit=str(devkit)
        )
    )
    cfg = Config.fromfile(path)
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    # As they come, all anchors have nearly the same score.
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    checkpoint = path.with_suffix('.pth')
    torch.save({'meta': {}, 'state_dict': model.state_dict()}, checkpoint)
    return path, checkpoint


def test_rpn__is_what_mmdet_dumps(run, devkit, alone, tmp_path):
    printed = run(
        'rpn', *alone, 'trainval', tmp_path / 'p.pkl', '--max-proposals', '30'
    )

    cfg = Config.fromfile(alone[0])
    cfg.model.test_cfg.rpn.max_per_img = 30
    # Images of a batch are padded to one size, so who is with whom counts.
    cfg.test_dataloader.sampler.shuffle = False
    dataset = cfg.test_dataloader.dataset
    dataset.ann_file = 'VOC2007/ImageSets/Main/trainval.txt'
    dataset.test_mode = True
    del dataset.proposal_file
    cfg.update(
        work_dir=str(tmp_path / 'work'),
        load_from=str(alone[1]),
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(
            type='DumpProposals',
            output_dir=str(tmp_path),
            proposals_file='theirs.pkl',
        ),
    )
    Runner.from_cfg(cfg).test()
    theirs = read_proposals(tmp_path / 'theirs.pkl')
    ours = read_proposals(tmp_path / 'p.pkl')
    assert list(ours) == [
        f'JPEGImages/00000{number}.jpg' for number in (5, 2, 9, 1)
    ]
    for key, entry in ours.items():
        assert type(entry) is dict and 5 < len(entry['bboxes']) <= 30
        np.testing.assert_allclose(
            entry['bboxes'], theirs[key].bboxes, rtol=1e-5, atol=1e-4
        )
        np.testing.assert_allclose(
            entry['scores'], theirs[key].scores, rtol=1e-5
        )
    assert '4 images' in printed


def test_rpn__of_a_faster_rcnn_is_that_of_the_rpn_alone(
    run, faster, alone, tmp_path
):
    run('rpn', *faster, 'trainval', tmp_path / 'faster.pkl')
    run('rpn', *alone, 'trainval', tmp_path / 'alone.pkl')
    expected = read_proposals(tmp_path / 'alone.pkl')
    for key, entry in read_proposals(tmp_path / 'faster.pkl').items():
        np.testing.assert_array_equal(entry['bboxes'], expected[key]['bboxes'])
        # The limit of the tool, not the 5 of the config.
        assert len(entry['bboxes']) > 5


def test_rpn__overrides_of_the_config(run, faster, tmp_path):
    run(
        'rpn', *faster, 'trainval', tmp_path / 'p.pkl', '--cfg-options',
        'model.test_cfg.rpn.nms.iou_threshold=0.01',
    )  # fmt: skip
    run('rpn', *faster, 'trainval', tmp_path / 'q.pkl')
    fewer = read_proposals(tmp_path / 'p.pkl')
    for key, entry in read_proposals(tmp_path / 'q.pkl').items():
        assert len(fewer[key]['bboxes']) < len(entry['bboxes'])


def test_rpn__a_detector_without_one(run, faster, tmp_path):
    config, checkpoint = faster
    text = config.read_text().replace('rpn_head=', 'another_head=')
    (tmp_path / 'fast.py').write_text(text)
    with pytest.raises(ValueError, match='must have an RPN'):
        run('rpn', tmp_path / 'fast.py', checkpoint, 'trainval',
            tmp_path / 'p.pkl')  # fmt: skip


def test_rpn__a_checkpoint_of_another_detector(run, faster, tmp_path):
    config, checkpoint = faster
    content = torch.load(checkpoint)
    content['state_dict'].pop('rpn_head.rpn_cls.weight')
    torch.save(content, checkpoint)
    with pytest.raises(RuntimeError, match='rpn_head.rpn_cls.weight'):
        run('rpn', config, checkpoint, 'trainval', tmp_path / 'p.pkl')
    assert not (tmp_path / 'p.pkl').exists()


def test_rpn__a_checkpoint_that_is_not_there(run, faster, tmp_path):
    with pytest.raises(FileNotFoundError, match='no.pth does not exist'):
        run('rpn', faster[0], tmp_path / 'no.pth', 'trainval',
            tmp_path / 'p.pkl')  # fmt: skip


def test_rpn__names_a_missing_image(run, faster, devkit, tmp_path):
    (devkit / 'VOC2007' / 'JPEGImages' / '000009.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'000009\.jpg does not'):
        run('rpn', *faster, 'trainval', tmp_path / 'p.pkl')


def test_rpn__another_split(run, faster, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'Main/val\.txt'):
        run('rpn', *faster, 'val', tmp_path / 'p.pkl')


def test_rpn__a_config_without_a_list_of_images(run, faster, tmp_path):
    config, checkpoint = faster
    text = config.read_text().replace('ann_file=', 'a_file=')
    config.write_text(text)
    with pytest.raises(ValueError, match='must have an ann_file'):
        run('rpn', config, checkpoint, 'trainval', tmp_path / 'p.pkl')
