"""Nothing in a training step makes the host wait for the device.

There may be no GPU to ask, but what waits is known: reading a value, and every
operation whose shape depends on values.
"""

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample
from tiny_methods import local_aggregation, moco_isl
from tiny_run import make_config, train, write_data
from torch.utils._python_dispatch import TorchDispatchMode

from mmisl.registry import MODELS

aten = torch.ops.aten
WAITING = {
    aten._local_scalar_dense,
    aten.bincount,
    aten.equal,
    aten.is_nonzero,
    aten.masked_select,
    aten.nonzero,
    aten.unique_consecutive,
    aten.unique_dim,
    aten._unique2,
}


class Waits(TorchDispatchMode):
    """Names of the operations that would make the host wait."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.waits(func, args, kwargs):
            self.names.append(str(func))
        return func(*args, **kwargs)

    @staticmethod
    def waits(func, args, kwargs):
        packet = func.overloadpacket
        if packet is aten.repeat_interleave:
            return kwargs.get('output_size') is None
        if packet in (aten.index, aten.index_put, aten.index_put_):
            return any(
                i is not None and i.dtype == torch.bool for i in args[1]
            )
        return packet in WAITING


@pytest.mark.parametrize(
    ('function', 'waits'),
    [
        (lambda x: x.sum().item(), True),
        (lambda x: x[x > 1], True),
        (lambda x: x.nonzero(), True),
        (lambda x: torch.repeat_interleave(x, x.long()), True),
        (lambda x: torch.repeat_interleave(x, x.long(), output_size=3), False),
        (lambda x: torch.where(x > 1, x, 0).sum(), False),
        (lambda x: x[torch.tensor([0, 0])], False),
    ],
)
def test_waits__knows_what_waits(function, waits):
    with Waits() as found:
        function(torch.tensor([1.0, 2.0]))
    assert bool(found.names) == waits


@pytest.mark.parametrize('degree', [0, 2])
def test_train_step__never_waits(tmp_path, degree):
    init_default_scope('mmisl')
    model = MODELS.build(make_config(tmp_path, tmp_path).model)
    model.set_num_samples(41)
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(41, (2, 41 * degree // 2), generator=generator)
    model.graph.add_edges(ends[0], ends[1])
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    samples = [DataSample() for _ in range(5)]
    for row, sample in enumerate(samples):
        sample.set_metainfo(dict(sample_idx=7 * row))
    batch = dict(inputs=torch.rand(5, 3, 16, 16), data_samples=samples)
    model.train_step(batch, optim_wrapper)  # optimizers set up lazily
    model.memory.apply_update()
    before = model.memory.bank.clone()
    with Waits() as found:
        losses = model.train_step(batch, optim_wrapper)
        model.memory.apply_update()
    assert found.names == []
    assert (losses['loss_neighbor'] > 0) == (degree > 0)
    assert (model.memory.bank != before).any(1).sum() == 5


@pytest.mark.parametrize('degree', [0, 2, 6])
def test_train_step__moco_isl_never_waits(tmp_path, degree):
    init_default_scope('mmisl')
    cfg = make_config(tmp_path, tmp_path, moco_isl.OVERRIDES).model
    cfg.backbone.norm_cfg = dict(type='SplitBN', num_splits=2)
    model = MODELS.build(cfg)
    model.set_num_samples(41)
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(41, (2, 41 * degree // 2), generator=generator)
    model.graph.add_edges(ends[0], ends[1])
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    samples = [
        DataSample(metainfo=dict(sample_idx=i, draw_key=(1, 0, abs(i), 0)))
        for i in (0, 7, 14, -1, 21)
    ]
    views = [torch.rand(5, 3, 16, 16) for _ in range(2)]
    batch = dict(inputs=views, data_samples=samples)
    model.train_step(batch, optim_wrapper)  # optimizers set up lazily
    model.memory.apply_update()
    with Waits() as found:
        losses = model.train_step(batch, optim_wrapper)
        model.memory.apply_update()
    assert found.names == []
    assert (losses['loss_hard_positive'] > 0) == (degree > 0)
    assert model.queue.pointer == 8
    assert model.encoder_k.steps == 2


def test_train_step__local_aggregation_never_waits(tmp_path):
    init_default_scope('mmisl')
    cfg = make_config(tmp_path, tmp_path, local_aggregation.OVERRIDES)
    model = MODELS.build(cfg.model)
    model.set_num_samples(41)
    model.mine([], 0.0, seed=1)
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    samples = [DataSample(metainfo=dict(sample_idx=i)) for i in (0, 7, 14, 21)]
    batch = dict(inputs=torch.rand(4, 3, 16, 16), data_samples=samples)
    model.train_step(batch, optim_wrapper)  # reads once that it has clusters
    model.memory.apply_update()
    with Waits() as found:
        losses = model.train_step(batch, optim_wrapper)
        model.memory.apply_update()
    assert found.names == []
    assert losses['loss_local_aggregation'] > 0


def test_train_step__deepcluster_never_waits():
    neck = dict(type='mmisl.DeepClusterNeck', in_channels=256)
    model = MODELS.build(
        dict(
            type='mmisl.DeepCluster',
            backbone=dict(type='mmisl.AlexNetBN', variant='small', sobel=True),
            neck=dict(neck, fc_channels=(11, 9)),
            head=dict(
                type='mmisl.DeepClusterHead', num_clusters=5, in_channels=9
            ),
            num_components=4,
        )
    )
    model.set_num_samples(41)
    model.clusters.update(torch.arange(41)[None] % 5)
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    samples = [DataSample(metainfo=dict(sample_idx=i)) for i in (0, 7, -1, 21)]
    batch = dict(inputs=torch.rand(4, 3, 16, 16), data_samples=samples)
    model.train_step(batch, optim_wrapper)  # reads once that it has clusters
    with Waits() as found:
        losses = model.train_step(batch, optim_wrapper)
    assert found.names == []
    assert losses['loss_cluster'] > 0


def test_deferred_loss_hook__history_of_the_original(tmp_path):
    data = write_data(tmp_path / 'data')
    histories = []
    for name in ('DeferredLossHook', 'RuntimeInfoHook'):
        cfg = make_config(
            data,
            tmp_path / name,
            {
                'train_cfg.max_rounds': 1,
                'default_hooks.runtime_info.type': name,
                'default_hooks.logger.interval': 4,  # of 6 iterations
            },
        )
        hub = train(cfg).message_hub
        histories.append(
            {
                key: (scalar.data[0].tolist(), scalar.data[1].tolist())
                for key, scalar in hub.log_scalars.items()
                if 'loss' in key
            }
        )
    assert histories[0] == histories[1]
    assert len(histories[0]['train/loss'][0]) == 12
