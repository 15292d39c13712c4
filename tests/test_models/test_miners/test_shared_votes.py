import pytest
import torch

from mmisl.models.miners import shared_votes
from mmisl.models.miners.shared_votes import cast_ballots

NUM_SAMPLES, SELF_VOTES = 11, 3


def random_votes():
    """Votes (N, N) for others; sample 4 votes for none, 5 for all."""
    rng = torch.Generator().manual_seed(0)
    votes = torch.randint(-3, 4, (NUM_SAMPLES,) * 2, generator=rng)
    votes = votes.clamp_min(0)
    votes[4], votes[5] = 0, 2
    return votes.fill_diagonal_(0)


def cast(votes):
    src, dst = votes.nonzero(as_tuple=True)
    shuffled = torch.randperm(len(src))
    src, dst = src[shuffled], dst[shuffled]
    own = torch.arange(len(votes))
    return cast_ballots(own, src, dst, votes[src, dst], len(votes), SELF_VOTES)


@pytest.mark.parametrize('values_at_once', [1, 40, 2**22])
def test_shared__is_the_product_of_the_vote_matrix(
    monkeypatch, values_at_once
):
    monkeypatch.setattr(shared_votes, '_VALUES_AT_ONCE', values_at_once)
    votes = random_votes()
    whole = votes + SELF_VOTES * torch.eye(NUM_SAMPLES, dtype=torch.int64)
    every = torch.arange(NUM_SAMPLES)
    src, dst = torch.cartesian_prod(every, every).T
    got = cast(votes).shared(src, dst)
    assert got.dtype == torch.int64
    assert torch.equal(got.view(NUM_SAMPLES, -1), whole @ whole.T)


def test_cast_ballots__ascending_rows_and_their_votes():
    votes = torch.zeros(4, 4, dtype=torch.int64)
    votes[1, 3], votes[1, 0], votes[2, 1] = 2, 5, 1
    ballots = cast(votes)
    # N = 4 fills ballots that are shorter than the longest.
    assert ballots.rows.tolist() == [
        [0, 4, 4],
        [0, 1, 3],
        [1, 2, 4],
        [3, 4, 4],
    ]
    assert ballots.votes.tolist() == [
        [3, 0, 0],
        [5, 3, 2],
        [1, 3, 0],
        [3, 0, 0],
    ]


def test_shared__no_pair():
    none = torch.empty(0, dtype=torch.int64)
    assert len(cast(random_votes()).shared(none, none)) == 0
