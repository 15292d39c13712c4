"""Every config is read, checked and built, with narrow layers."""

import ast
import math
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmpretrain.structures import DataSample

from mmisl.config_check import check_config
from mmisl.engine.loops.round_state import RoundSchedule
from mmisl.registry import MODELS

FOLDER = Path(__file__).resolve().parents[1] / 'configs'
NUM_CONFIGS = 130
PATHS = sorted([*FOLDER.glob('*.py'), *FOLDER.glob('study/*.py')])
BASES = sorted((FOLDER / '_base_').rglob('*.py'))
NUM_SAMPLES = 7
# With 8, torch 2.11 (oneDNN, AVX-512) crashes in the backward pass of strided
# 1x1 convolutions of large channels_last images.
WIDTH = 12
# What an algorithm's ``loss`` returns.
ISL_LOSSES = {'loss_instance', 'loss_neighbor', 'loss_hard_positive'}
LOSSES = dict(
    ISL=ISL_LOSSES,
    LocalAggregation={'loss_local_aggregation'},
    DeepCluster={'loss_cluster'},
    NPID={'loss_instance'},
    Supervised={'loss'},
    MoCo={'loss_contrastive'},
    MoCoISL={'loss_contrastive', 'loss_hard_positive'},
)


def test_configs__number():
    assert len(PATHS) == NUM_CONFIGS


def test_configs__table():
    listed = set()
    for line in (FOLDER / 'README.md').read_text().splitlines():
        row = re.match(r'\| `([^`]+\.py)`', line)
        listed |= set(expand(row[1])) if row else set()
    assert listed == {name_of(path) for path in PATHS}


def expand(name):
    """``a_{b,c}.py`` stands for ``a_b.py`` and ``a_c.py``."""
    braces = re.search(r'{(.*?)}', name)
    if not braces:
        return [name]
    words = braces[1].split(',')
    return [name.replace(braces[0], word) for word in words]


def name_of(path):
    return path.relative_to(FOLDER).as_posix()


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cfg(path):
    with DefaultScope.overwrite_default_scope('mmisl'):
        yield Config.fromfile(path)


def docstring_of(path):
    return ast.get_docstring(ast.parse(path.read_text())) or ''


def bases_of(path):
    """Files that a config inherits from directly."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            names = ast.literal_eval(node.value)
            names = [names] if isinstance(names, str) else names
            return {(path.parent / name).resolve() for name in names}
    return set()


def shrink(cfg):
    """Same layers, fewer channels; the neck in proportion to them."""
    model = cfg.model.to_dict()
    model['data_preprocessor'] = cfg.data_preprocessor
    if 'num_clusters' in model:
        model['num_clusters'] = 3
    if 'num_components' in model:
        model['num_components'] = 2
    if 'checkpoint' in model:
        model['checkpoint'] = None
    if model['type'] == 'LinearProbes':
        if 'variant' not in model['backbone']:
            model['backbone'].update(stem_channels=WIDTH, base_channels=WIDTH)
        return model
    backbone, neck = model['backbone'], model['neck']
    head = model['head']
    if 'num_clusters' in head:
        head['num_clusters'] = 3
    if 'fc_channels' in neck:
        neck['fc_channels'] = (16, 12)
        if 'in_channels' in head:
            head['in_channels'] = 12
    else:
        width = backbone.get('base_channels', 64)
        backbone.update(stem_channels=WIDTH, base_channels=WIDTH)
        neck['in_channels'] = neck['in_channels'] * WIDTH // width
        if 'in_channels' in head:
            head['in_channels'] = head['in_channels'] * WIDTH // width
    if 'hid_channels' in neck:
        neck['hid_channels'] = 2 * WIDTH
    return model


def view_steps(cfg):
    """Steps of the augmentation, and how many views of an image it makes."""
    dataset = cfg.train_dataloader.dataset
    while 'pipeline' not in dataset:
        dataset = dataset.dataset
    steps = [
        *dataset.pipeline,
        *cfg.data_preprocessor.get('augments', []),
    ]
    for step in steps:
        if step['type'].endswith('MultiView'):
            (steps,) = step['transforms']
            return steps, step['num_views']
    return steps, cfg.data_preprocessor.get('num_views', 1)


def give_positives(model):
    if model.graph is not None:
        model.graph.add_edges(torch.tensor([0, 0]), torch.tensor([3, 5]))
    if model.clusters is not None:
        numbers = torch.arange(NUM_SAMPLES) % model.clusters.num_clusters
        shape = model.clusters.assignments.shape
        model.clusters.update(numbers.expand(shape))


def crop_size(cfg):
    sizes = [
        step['size']
        for step in view_steps(cfg)[0]
        if step['type'].endswith(('RandomResizedCrop', 'RandomCrop'))
    ]
    # Probes on images as they are take the size that the model is built for.
    (size,) = sizes or [cfg.model.image_size]
    return size


def check_probes(model, losses, size):
    """Classifiers of every stage learn, and nothing else."""
    assert (size, size) == model.image_size
    assert set(losses) == {f'loss_{stage}' for stage in model.stages}
    sum(losses.values()).backward()
    trained = [p for p in model.parameters() if p.grad is not None]
    expected = list(model.probes.parameters())
    assert len(trained) == len(expected)
    assert all(a is b for a, b in zip(trained, expected))
    assert all(param.grad.abs().sum() > 0 for param in trained)


def test_configs__docstring(path):
    text = ' '.join(docstring_of(path).split())
    # The command is named, and what the numbers are worth.
    assert f'configs/{name_of(path)}' in text
    assert 'Hardware meant for: ' in text
    if not path.stem.startswith('demo'):
        assert re.search('(Paper: .* Here: )|(Numbers: )', text)


def test_configs__check(cfg):
    check_config(cfg)


def test_configs__schedule(cfg):
    encoder = {'val_interval': 1, **cfg.train_cfg.encoder}
    encoder.pop('restart_lr', None)
    encoder.setdefault('first_epochs', encoder['max_epochs'])
    schedule = RoundSchedule(max_rounds=cfg.train_cfg.max_rounds, **encoder)
    for scheduler in cfg.param_scheduler[:-1]:
        # Cut off where the first pairs come in, and raised there.
        if scheduler.type == 'CosineAnnealingLR':
            assert scheduler.T_max == schedule.total_epochs
            cut = scheduler.end
            # A method with one round goes along with those that mine.
            assert cut == schedule.first_epochs or schedule.max_rounds != 3
        else:
            assert scheduler.milestones == [cut]
            assert scheduler.gamma > 1
            assert scheduler.end == schedule.total_epochs
    for final in cfg.param_scheduler[-1:]:  # none for a constant rate
        if final.type == 'CosineAnnealingLR':
            # One that ends early or late would be a silent mistake.
            begin = final.get('begin', 0)
            assert begin + final.T_max == schedule.total_epochs
            assert final.get('end', schedule.total_epochs) == (
                schedule.total_epochs
            )
        elif final.type == 'MultiStepLR':
            first, *_, last = final.milestones
            assert first < last < schedule.total_epochs
        else:
            assert final.monitor == 'knn/bank_top1'


@pytest.mark.parametrize(
    'name, base_lr, rises, falls, end',
    [
        ('cifar10_isl', 0.03, 40, 50, 60),
        ('cifar10_mocov2', 0.06, 40, 50, 60),
        ('nette_isl', 0.03, 24, 32, 40),
        ('full_isl', 0.03, 140, 170, 200),
    ],
)
def test_study__learning_rate_by_epoch(name, base_lr, rises, falls, end):
    """As the schedulers set it one after the other; by hand."""
    cfg = Config.fromfile(FOLDER / f'study/{name}.py')
    optimizer = torch.optim.SGD(
        [torch.zeros(1, requires_grad=True)], cfg.optim_wrapper.optimizer.lr
    )
    schedulers = [
        PARAM_SCHEDULERS.build(dict(optimizer=optimizer, **scheduler))
        for scheduler in cfg.param_scheduler
    ]
    rates = []
    for _ in range(end):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()

    def cosine(epoch, length):
        return (1 + math.cos(math.pi * epoch / length)) / 2

    low = base_lr * cosine(rises - 1, end)
    high = low * {60: 4, 40: 3, 200: 5}[end]
    assert 1.05 * base_lr < high < 1.2 * base_lr
    assert rates == pytest.approx(
        [base_lr * cosine(epoch, end) for epoch in range(rises)]
        + [high] * (falls - rises)
        + [high * cosine(epoch, end - falls) for epoch in range(end - falls)]
    )


@pytest.mark.parametrize(
    'heldout',
    sorted(FOLDER.glob('study/heldout_*.py')),
    ids=lambda path: path.stem,
)
def test_heldout__scored_on_training_images_that_are_not_trained_on(heldout):
    cfg = Config.fromfile(heldout)
    trained_on = cfg.train_dataloader.dataset.dataset
    voting = cfg.gallery_dataloader.dataset.dataset
    assert set(voting.indices) == set(trained_on.indices)
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        scored = loader.dataset
        for key in ('type', 'data_root', 'data_prefix'):
            assert scored[key] == trained_on[key]
        assert len(set(scored.indices)) == 10_000
        assert not set(scored.indices) & set(trained_on.indices)
        assert max(scored.indices) < 50_000


def test_configs__model(cfg):
    model = MODELS.build(shrink(cfg))
    model.set_num_samples(NUM_SAMPLES)
    give_positives(model)
    size, num_views = crop_size(cfg), view_steps(cfg)[1]
    samples = [
        DataSample(
            metainfo=dict(sample_idx=i, draw_key=(1, 0, abs(i), 0))
        ).set_gt_label(1)
        for i in (5, 0, -1)
    ]
    images = torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8)
    data = model.data_preprocessor(
        dict(
            # Several views of a pipeline; a preprocessor makes its own.
            inputs=images
            if num_views == 1 or cfg.data_preprocessor.get('num_views')
            else [images] * num_views,
            data_samples=samples,
        ),
        True,
    )
    losses = model(**data, mode='loss')
    if cfg.model.type == 'LinearProbes':
        check_probes(model, losses, size)
        return
    assert set(losses) == LOSSES[cfg.model.type]
    loss = sum(losses.values())
    assert loss.isfinite()
    loss.backward()
    trained = [next(model.backbone.parameters()), *model.neck.parameters()]
    assert all(param.grad.abs().sum() > 0 for param in trained)
    if model.memory is None:
        return
    before = model.memory.bank.clone()
    model.memory.apply_update()
    moved = (model.memory.bank != before).any(1)
    assert moved.nonzero().squeeze(1).tolist() == [0, 5]


@pytest.mark.parametrize('base', BASES, ids=lambda path: path.stem)
def test_bases__each_has_a_user_and_a_docstring(base):
    users = [path for path in PATHS + BASES if base in bases_of(path)]
    assert users
    assert docstring_of(base)
