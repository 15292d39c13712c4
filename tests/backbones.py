"""Backbones with statistics that matter, and checkpoints of them."""

import functools

import torch
from mmpretrain.models import ResNet
from torch import nn

from mmisl.weights import IMAGENET, META_KEY


def randomize(model):
    """Give normalisation values at which a mistake shows."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for name, low, high in (
                ('weight', 0.5, 1.5),
                ('bias', -0.5, 0.5),
                ('running_mean', -0.2, 0.2),
                ('running_var', 0.5, 1.5),
            ):
                value = getattr(module, name).data
                value.uniform_(low, high, generator=generator)
            module.num_batches_tracked.fill_(7)
    model.eval()  # mmpretrain's returns nothing
    return model


@functools.lru_cache
def make_resnet(depth):
    """mmpretrain's ResNet, as mmisl's configs have it."""
    torch.manual_seed(depth)
    model = ResNet(depth=depth, zero_init_residual=False)
    model.init_weights()
    return randomize(model)


def save_run(backbone, path, preprocessing=IMAGENET, **meta):
    """A checkpoint such as a run of ISL writes."""
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    state['neck.projection.weight'] = torch.zeros(6, 5)
    state['memory.bank'] = torch.zeros(11, 6)
    state['graph.indptr'] = torch.zeros(12, dtype=torch.int64)
    meta = dict(epoch=3, cfg="default_scope = 'mmisl'\n") | meta
    if preprocessing is not None:
        meta[META_KEY] = preprocessing.to_meta()
    torch.save(dict(meta=meta, state_dict=state), path)
    return path


def images():
    return torch.randn(
        2, 3, 65, 97, generator=torch.Generator().manual_seed(1)
    )
