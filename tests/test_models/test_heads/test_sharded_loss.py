"""The loss over a sharded bank on 2 and 4 ranks is that of one process."""

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from ranks import run_on_ranks

from mmisl.models.heads import ISLHead
from mmisl.models.memories import MemoryBank
from mmisl.structures import NeighborGraph

SAMPLES = torch.tensor([3, 11, 0, 7, 12, 1])
# The last of two ranks gets two samples, the last of four none.
SHARES = {1: [6], 2: [4, 2], 4: [3, 2, 1, 0]}
DIM = 5


def own_samples():
    sizes = SHARES[get_world_size()]
    begin = sum(sizes[: get_rank()])
    return slice(begin, begin + sizes[get_rank()])


def loss(num_samples, num_edges):
    """Summed losses and gradient of this rank's samples, and its bytes."""
    generator = torch.Generator().manual_seed(1)
    feats = torch.randn(6, DIM, generator=generator, dtype=torch.float64)
    feats = F.normalize(feats, dim=1)[own_samples()].requires_grad_()
    memory = MemoryBank(num_samples, DIM, sharded=True).double()
    graph = NeighborGraph(num_samples)
    # 3 and 0 have neighbours, 11 has one, the others none.
    edges = torch.tensor([[3, 3, 0, 11], [5, 8, 2, 10]])[:, :num_edges]
    graph.add_edges(edges[0], edges[1])
    with Traffic() as traffic:
        losses = ISLHead(0.1).loss(
            feats, SAMPLES[own_samples()], graph, memory.rows
        )
        total = torch.stack(list(losses.values())) * len(feats)
        total.sum().backward()
    return [total.detach(), feats.grad, traffic.num_bytes]


class Traffic:
    """Counts what is handed to torch.distributed."""

    NAMES = ('all_gather', 'all_to_all_single', 'all_reduce', 'broadcast')

    def __enter__(self):
        self.num_bytes = 0
        self.originals = {name: getattr(dist, name) for name in self.NAMES}
        for name, original in self.originals.items():
            setattr(dist, name, self._counted(original))
        return self

    def _counted(self, original):
        def counted(*args, **kwargs):
            tensors = [args[0]] if torch.is_tensor(args[0]) else args[0]
            self.num_bytes += sum(tensor.nbytes for tensor in tensors)
            return original(*args, **kwargs)

        return counted

    def __exit__(self, *exception):
        for name, original in self.originals.items():
            setattr(dist, name, original)


def run_all():
    return [loss(13, 4), loss(13, 0), loss(1300, 4)]


@pytest.fixture(scope='module')
def expected():
    return run_all()


@pytest.fixture(scope='module', params=[2, 4])
def ranks(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f'ranks{request.param}')
    return run_on_ranks(run_all, request.param, folder)


@pytest.mark.parametrize('case', range(3))
def test_loss__value_and_gradient_of_one_process(expected, ranks, case):
    total, grad, _ = expected[case]
    torch.testing.assert_close(
        sum(results[case][0] for results in ranks), total
    )
    # Each rank divides by its own number of samples; undone above.
    found = torch.cat([results[case][1] for results in ranks])
    torch.testing.assert_close(found, grad, rtol=1e-10, atol=1e-12)


def test_traffic__does_not_grow_with_the_bank(expected, ranks):
    assert expected[0][2] == 0  # one process asks nobody
    for results in ranks:
        small, without_edges, large = (result[2] for result in results)
        assert small == large
        assert 0 < without_edges < small
