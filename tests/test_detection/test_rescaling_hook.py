"""Layers are rescaled once, before the first step, alike on all ranks."""

import logging
import random
import tempfile
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.runner import Runner
from ranks import run_on_ranks
from torch import nn

if find_spec('mmdet') is None:
    pytest.skip('needs mmdet: make test installs it', allow_module_level=True)

from mmisl.detection import RescalingHook
from mmisl.detection.rescaling import layers_to_rescale, rescale
from mmisl.models import AlexNetBN
from mmisl.models.layers import NormedLayer

NUM_IMAGES = 5


class Images(torch.utils.data.Dataset):
    """Images that are drawn anew each time, as augmentation does."""

    def __len__(self):
        return NUM_IMAGES

    def __getitem__(self, position):
        image = torch.rand(3, 16, 12) + random.random() + np.random.rand()
        return dict(inputs=image * (position + 1))


class Head(nn.Sequential):
    def __init__(self):
        super().__init__(
            NormedLayer(nn.Linear, 4, 6, norm='none'),
            nn.Dropout(0.5),
            NormedLayer(nn.Linear, 6, 5, norm='none'),
        )


class Detector(BaseModel):
    """A shared head on random places of the feature map, and a box head."""

    def __init__(self):
        super().__init__()
        self.backbone = AlexNetBN(
            'small', channels=(3, 4, 5, 6, 4), norm='none', frozen_stages=0
        )
        self.roi_head = nn.Module()
        self.roi_head.shared_head = Head()
        self.box_head = nn.Linear(5, 3)
        generator = torch.Generator().manual_seed(0)
        scales = (1, 4, 0.3, 2, 1, 0.5, 3)
        layers = layers_to_rescale(self).values()
        for layer, scale in zip(layers, scales, strict=True):
            with torch.no_grad():
                layer.weight.normal_(std=0.2 * scale, generator=generator)
                layer.bias.uniform_(0, 0.3, generator=generator)

    def forward(self, inputs, mode='loss'):
        (features,) = self.backbone(torch.stack(inputs))
        regions = features.flatten(2).transpose(1, 2).flatten(0, 1)
        regions = regions[torch.randperm(len(regions))[:7]]
        outputs = self.roi_head.shared_head(regions)
        return dict(loss=self.box_head(outputs).square().mean())


def make_runner(folder, max_iters=1, **kwargs):
    cfg = dict(
        model=Detector(),
        work_dir=str(folder),
        experiment_name=f'{folder}-{random.random()}',
        train_dataloader=dict(
            batch_size=2,
            dataset=Images(),
            sampler=dict(type='InfiniteSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=False, max_iters=max_iters),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3, momentum=0.9)),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)
        ),
        custom_hooks=[dict(type='mmisl.RescalingHook', num_images=4)],
        randomness=dict(seed=3),
        default_scope='mmengine',
        log_level='INFO',
    )
    return Runner(**cfg | kwargs)


def started(folder, **kwargs):
    """A runner as far as ``train`` has come before ``before_train``."""
    runner = make_runner(folder, **kwargs)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    return runner


def weights_of(model):
    """Weight and bias of the layers that are rescaled."""
    layers = layers_to_rescale(model).values()
    return [
        value.detach().clone()
        for layer in layers
        for value in (layer.weight, layer.bias)
    ]


def outputs_of(model):
    """What the shared head gives everywhere on some images."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(6, 3, 16, 12, generator=generator)
    with torch.no_grad():
        (features,) = model.eval().backbone(images)
        regions = features.flatten(2).transpose(1, 2).flatten(0, 1)
        return model.roi_head.shared_head(regions)


def mean_rates(model):
    """Gradient over weights, by ``backward`` and with noise of its own."""
    layers = layers_to_rescale(model).values()
    squares = torch.zeros(len(layers))
    generator = torch.Generator().manual_seed(2)
    model.eval()
    model.backbone.requires_grad_(True)
    for position in range(NUM_IMAGES):
        image = Images()[position]['inputs']
        (features,) = model.backbone(image[None])
        regions = features.flatten(2).squeeze(0).T
        outputs = model.roi_head.shared_head(regions)
        for _ in range(20):
            model.zero_grad()
            noise = torch.randn(outputs.shape, generator=generator)
            outputs.backward(noise, retain_graph=True)
            squares += torch.stack(
                [layer.weight.grad.norm() ** 2 for layer in layers]
            )
    norms = torch.stack([layer.weight.norm() for layer in layers])
    return (squares.sqrt() / norms).detach()


def test_before_train__outputs_stay_and_rates_become_equal(tmp_path):
    runner = started(tmp_path)
    model = runner.model
    old, old_rates = outputs_of(model), mean_rates(model)
    assert old_rates.max() / old_rates.min() > 20
    RescalingHook().before_train(runner)
    new = outputs_of(model)
    assert old.count_nonzero() > old.numel() / 5
    torch.testing.assert_close(new, old, rtol=1e-5, atol=1e-5 * old.max())
    # Other images, regions and noise than the hook has seen.
    rates = mean_rates(model)
    assert rates.max() / rates.min() < 3
    # conv1 is frozen and rescaled all the same.
    assert not torch.equal(weights_of(model)[0], weights_of(Detector())[0])


def test_before_train__again_changes_nothing(tmp_path):
    runner = started(tmp_path)
    hook = RescalingHook(3)
    hook.before_train(runner)
    expected = weights_of(runner.model)
    hook.before_train(runner)
    for value, wanted in zip(weights_of(runner.model), expected, strict=True):
        torch.testing.assert_close(value, wanted)


def test_before_train__leaves_no_trace(tmp_path):
    runner = started(tmp_path)
    flags = {n: p.requires_grad for n, p in runner.model.named_parameters()}
    modes = {n: m.training for n, m in runner.model.named_modules()}
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    RescalingHook().before_train(runner)
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1][1])
    assert torch.equal(torch.get_rng_state(), states[2])
    assert not flags['backbone.conv1.0.weight']
    assert flags == {
        n: p.requires_grad for n, p in runner.model.named_parameters()
    }
    assert modes == {n: m.training for n, m in runner.model.named_modules()}
    head = runner.model.roi_head.shared_head
    assert not head._forward_hooks
    assert all(p.grad is None for p in runner.model.parameters())


def test_before_train__says_what_it_did(tmp_path, monkeypatch):
    runner = started(tmp_path)
    messages = []
    monkeypatch.setattr(runner.logger, 'info', messages.append)
    before = weights_of(runner.model)[-2]
    RescalingHook().before_train(runner)
    factor = (weights_of(runner.model)[-2] / before).mean().item()
    title, *lines = messages[0].splitlines()
    assert title == 'Rescaled layers; gradient over weights before and after:'
    assert len(lines) == 7
    rows = [line.split() for line in lines]
    assert rows[0][0] == 'backbone.conv1.0'
    assert rows[6][0] == 'roi_head.shared_head.2.0'
    assert float(rows[6][3]) == pytest.approx(factor, rel=1e-3)
    after = [float(row[4]) for row in rows]
    assert after == pytest.approx([after[0]] * 7, rel=1e-3)


def test_train__rescales_once_and_not_when_it_resumes(tmp_path, monkeypatch):
    calls = []

    def spy(layers, factors):
        calls.append(list(factors))
        rescale(layers, factors)

    monkeypatch.setattr('mmisl.detection.rescaling_hook.rescale', spy)
    make_runner(tmp_path, max_iters=2).train()
    assert len(calls) == 1
    resumed = make_runner(tmp_path, max_iters=4, resume=True)
    resumed.train()
    assert resumed.iter == 4
    assert len(calls) == 1


def rescaled_weights():
    """Of one rank, in a run whose model is wrapped if there are several."""
    with tempfile.TemporaryDirectory() as folder:
        runner = started(folder)
        model = runner.model
        if dist.is_initialized():
            runner.model = MMDistributedDataParallel(model)
        RescalingHook(num_images=3).before_train(runner)
        logging.shutdown()
        return weights_of(model)


def test_before_train__two_ranks_do_what_one_does(tmp_path):
    (expected,) = run_on_ranks(rescaled_weights, 1, tmp_path)
    ranks = run_on_ranks(rescaled_weights, 2, tmp_path)
    for given in ranks:
        for value, wanted in zip(given, expected, strict=True):
            assert torch.equal(value, wanted)


def test_init__bad_number():
    with pytest.raises(ValueError, match='num_images must be >= 1, got 0'):
        RescalingHook(0)


def test_before_train__network_without_weights(tmp_path):
    runner = started(tmp_path)
    nn.init.zeros_(runner.model.backbone.conv3[0].weight)
    before = weights_of(runner.model)
    match = (
        'RescalingHook cannot rescale backbone.conv1.0: its gradient over '
        'its weights is 0.0; weights or outputs of the network are zero'
    )
    with pytest.raises(RuntimeError, match=match):
        RescalingHook().before_train(runner)
    for value, wanted in zip(weights_of(runner.model), before, strict=True):
        assert torch.equal(value, wanted)
