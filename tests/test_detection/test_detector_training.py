"""Every kind of detector trains on real VOC images, resumes and is tested."""

import json

import numpy as np
import pytest
import torch
from mmengine.registry import RUNNERS
from pretrained import detection_config, make_pretrained, save_pretrained

pytest.importorskip('mmcv._ext', reason='needs the compiled ops of mmcv')
from mmisl.detection import proposal_key, read_split, write_proposals

# Most of AlexNet's weights are in fc6 and fc7; narrow ones will do here.
FC = (48, 40)
NARROW = dict(neck=dict(fc_channels=FC))
STARTS = {
    'fast-rcnn_r18-c4_voc07.py': ('isl_r18.py', {}),
    'faster-rcnn_r18-c4_voc07.py': ('isl_r18.py', {}),
    'faster-rcnn_r50-c4_voc07.py': ('isl_r50.py', {}),
    'fast-rcnn_alexnet_voc07.py': ('isl_alexnet.py', NARROW),
    'fast-rcnn_alexnet-folded_voc07.py': ('isl_alexnet.py', NARROW),
    'faster-rcnn_alexnet_voc07.py': ('npid_alexnet.py', NARROW),
}
NUM_ITERS = 6


@pytest.fixture(scope='module')
def voc(real_voc):
    """The real images, with 40 boxes of each as proposals."""
    root = real_voc / 'VOCdevkit' / 'VOC2007'
    generator = np.random.default_rng(0)
    for split in ('trainval', 'test'):
        names = read_split(root / 'ImageSets' / 'Main' / f'{split}.txt')
        proposals = {}
        for name in names:
            corner = generator.uniform(0, 200, (40, 2))
            sides = generator.uniform(30, 130, (40, 2))
            proposals[proposal_key(f'JPEGImages/{name}.jpg')] = dict(
                bboxes=np.hstack([corner, corner + sides]).astype(np.float32),
                scores=np.linspace(1, 0, 40, dtype=np.float32),
            )
        write_proposals(
            root / 'proposals' / f'selective_search_{split}.pkl', proposals
        )
    return real_voc


def small_config(name, checkpoint, voc, work_dir):
    """A config on two images of a short side of 96, no flips."""
    cfg = detection_config(name, checkpoint)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    # Tested at the end, once.
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    for stage, number in (('train', 2), ('test', 3)):
        loader = cfg[f'{stage}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root=str(voc / 'VOCdevkit'), indices=number)
        loader.dataset.pipeline = [
            shrunk(step) for step in loader.dataset.pipeline
        ]
    cfg.model.train_cfg.rcnn.sampler.num = 24
    if 'rpn' in cfg.model.train_cfg:
        # Anchors are larger than these images.
        cfg.model.train_cfg.rpn.allowed_border = -1
        cfg.model.train_cfg.rpn_proposal.max_per_img = 60
        # layer4 sees each of them anew, a thousand by the config.
        cfg.model.test_cfg.rpn.max_per_img = 20
    if 'alexnet' in name:
        cfg.model.roi_head.shared_head.fc_channels = FC
        cfg.model.roi_head.bbox_head.in_channels = FC[1]
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=NUM_ITERS)
    cfg.param_scheduler = []
    # Falls in a few steps, whatever the network.
    cfg.optim_wrapper.optimizer = dict(
        type='AdamW', lr=5e-4, weight_decay=0.01
    )
    cfg.default_hooks.checkpoint.interval = NUM_ITERS // 2
    cfg.default_hooks.logger.interval = 1
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    return cfg


def shrunk(step):
    if step.type == 'ProposalBroadcaster':
        step.transforms = [shrunk(part) for part in step.transforms]
    elif step.type == 'RandomChoiceResize':
        step.scales = [(160, 96)]
    elif step.type == 'Resize':
        step.scale = (160, 96)
    elif step.type == 'RandomFlip':
        step.prob = 0.0
    return step


def logged(work_dir):
    """Scalars of every training step of a run."""
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    entries = map(json.loads, path.read_text().splitlines())
    return [entry for entry in entries if 'loss' in entry]


@pytest.mark.parametrize('name', STARTS)
def test_training__learns_resumes_and_is_tested(name, voc, tmp_path):
    source, options = STARTS[name]
    model = make_pretrained(source, **options)
    checkpoint = save_pretrained(model, tmp_path / 'pretrained.pth')

    first = RUNNERS.build(
        small_config(name, checkpoint, voc, tmp_path / 'first')
    )
    first.train()
    losses = [entry['loss'] for entry in logged(tmp_path / 'first')]
    assert len(losses) == NUM_ITERS
    assert np.mean(losses[-2:]) < 0.95 * np.mean(losses[:2])

    cfg = small_config(name, checkpoint, voc, tmp_path / 'second')
    cfg.resume = True
    cfg.load_from = str(tmp_path / 'first' / f'iter_{NUM_ITERS // 2}.pth')
    second = RUNNERS.build(cfg)
    second.train()
    steps = [entry['step'] for entry in logged(tmp_path / 'second')]
    assert steps == list(range(NUM_ITERS // 2 + 1, NUM_ITERS + 1))
    check_frozen(second.model, first.model)

    metrics = second.test()
    assert {'voc07/AP50', 'area/AP50'} <= set(metrics)
    assert all(0 <= value <= 1 for value in metrics.values())


def check_frozen(resumed, other):
    """What does not learn is the same in both runs, the rest is not."""
    state = other.state_dict()
    is_equal = {
        key: torch.equal(value, state[key])
        for key, value in resumed.state_dict().items()
    }
    learning = {
        key for key, p in resumed.named_parameters() if p.requires_grad
    }
    assert not any(is_equal[key] for key in learning if 'weight' in key)
    frozen = set(dict(resumed.named_parameters())) - learning
    assert all(is_equal[key] for key in frozen)
