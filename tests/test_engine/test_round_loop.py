from unittest import mock

import pytest
import torch
from torch import nn

from mmisl.engine.loops import mining_stage, round_loop
from mmisl.ops import ShardedRows


def test_average_batch_norm__ranks_get_the_mean():
    model = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.GroupNorm(2, 4)
    )
    model[1].running_mean.fill_(2.0)
    model[1].running_var.fill_(3.0)
    weight = model[0].weight.clone()

    def with_a_rank_of_zeros(tensor, op):
        assert op == 'mean'
        tensor.div_(2)

    with (
        mock.patch.object(round_loop, 'get_world_size', return_value=2),
        mock.patch.object(round_loop, 'all_reduce', with_a_rank_of_zeros),
    ):
        round_loop._average_batch_norm(model)
    assert model[1].running_mean.tolist() == [1.0] * 4
    assert model[1].running_var.tolist() == [1.5] * 4
    assert torch.equal(model[0].weight, weight)


def test_average_batch_norm__layers_in_eval_mode_are_left_alone():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2).eval())
    with (
        mock.patch.object(round_loop, 'get_world_size', return_value=3),
        mock.patch.object(round_loop, 'all_reduce') as reduce,
    ):
        round_loop._average_batch_norm(model)
    given = [call.args[0] for call in reduce.call_args_list]
    assert given[0] is model[0].running_mean
    assert given[1] is model[0].running_var and len(given) == 2


def test_average_batch_norm__one_process_is_left_alone():
    model = nn.BatchNorm1d(2)
    with mock.patch.object(round_loop, 'all_reduce') as reduce:
        round_loop._average_batch_norm(model)
    reduce.assert_not_called()


@pytest.mark.parametrize('shards', [False, True])
def test_narrow__large_views_are_half_precision(shards):
    feats = torch.rand(5, 3)
    view = ShardedRows(feats, 5) if shards else feats
    assert mining_stage._narrow(view, 2) is view
    # Two views of 5 x 3 x 4 bytes.
    with mock.patch.object(mining_stage, '_HALF_VIEWS_FROM', 119):
        narrow = mining_stage._narrow(view, 2)
    assert narrow.dtype == torch.float16
    assert narrow.shape == (5, 3)
    with mock.patch.object(mining_stage, '_HALF_VIEWS_FROM', 120):
        assert mining_stage._narrow(view, 2) is view
