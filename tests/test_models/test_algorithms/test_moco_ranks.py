"""Ranks with BN give what SplitBN gives on one device, shuffle included."""

import copy

import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from ranks import run_on_ranks
from tiny_methods import moco as tiny

from mmisl.registry import MODELS

NUM_RANKS, BATCH_SIZE = 2, 8


def step_with_share():
    """Two steps; in the second all of rank 1 is padded copies."""
    cfg = copy.deepcopy(tiny.OVERRIDES['model'])
    del cfg['_delete_']
    world_size = get_world_size()
    norm = dict(type='SplitBN', num_splits=NUM_RANKS)
    cfg['backbone']['norm_cfg'] = norm if world_size == 1 else dict(type='BN')
    torch.manual_seed(3)
    with DefaultScope.overwrite_default_scope('mmisl'):
        model = MODELS.build(cfg).double()
    own = slice(get_rank(), None, world_size)
    generator = torch.Generator().manual_seed(5)
    losses = []
    for indices in ([0, 1, 2, 3, 4, 5, 6, 7], [5, -1, 1, -1, 2, -1, 9, -1]):
        images = torch.randn(
            2, BATCH_SIZE, 3, 16, 16, generator=generator, dtype=torch.float64
        )
        samples = [
            DataSample(metainfo=dict(sample_idx=i)) for i in indices[own]
        ]
        loss = model.loss(list(images[:, own]), samples)['loss_contrastive']
        loss.backward()
        loss = loss.detach().clone()
        all_reduce(loss, 'mean')
        losses.append(loss)
        with torch.no_grad():
            for param in model.parameters():
                if param.requires_grad:
                    all_reduce(param.grad, 'mean')
                    param -= 0.1 * param.grad
                    param.grad = None
    state = model.state_dict()
    for name, value in state.items():
        if 'running' in name:
            all_reduce(value, 'mean')
    return dict(state=state, losses=losses)


def test_loss__ranks_equal_splits(tmp_path):
    expected = step_with_share()
    for found in run_on_ranks(step_with_share, NUM_RANKS, tmp_path):
        torch.testing.assert_close(
            found['losses'], expected['losses'], rtol=0, atol=1e-10
        )
        for name, value in expected['state'].items():
            torch.testing.assert_close(
                found['state'][name], value, rtol=0, atol=1e-9
            )
