import json

import pytest

from mmisl.runs import merge_scalars, read_scalars
from mmisl.runs.scalars import epoch_means

RECORDS = [
    dict(loss=2.0, epoch=1, iter=2, step=2),
    {'knn/top1': 9.0, 'step': 1},
]


def test_read_scalars__last_line_cut_off(tmp_path):
    path = tmp_path / 'scalars.json'
    lines = [json.dumps(record) for record in RECORDS]
    path.write_text('\n'.join([*lines, '{"loss": 0.']))
    assert read_scalars(path) == RECORDS


def test_read_scalars__broken_line_in_the_middle(tmp_path):
    path = tmp_path / 'scalars.json'
    path.write_text('{"loss": 0.\n{"loss": 1.0, "step": 2}\n')
    with pytest.raises(ValueError, match='scalars.json, line 1, is no JSON'):
        read_scalars(path)


def test_read_scalars__purity_of_clusters_under_its_former_name(tmp_path):
    clustered = {'mining/num_clusters': 5, 'mining/purity': 0.5, 'step': 1}
    mined_edges = {'mining/num_edges': 5, 'mining/purity': 0.5, 'step': 1}
    path = tmp_path / 'scalars.json'
    path.write_text(f'{json.dumps(clustered)}\n{json.dumps(mined_edges)}\n')
    first, second = read_scalars(path)
    assert first['mining/cluster_purity'] == 0.5
    assert 'mining/purity' not in first
    assert second == mined_edges


def test_read_scalars__times_of_validation_in_old_logs(tmp_path):
    records = [
        dict(loss=1.0, time=0.5, iter=3, epoch=1, step=3),
        {'knn/top1': 9.0, 'time': 2.0, 'data_time': 1.0, 'step': 1},
        dict(time=0.5, step=3),
    ]
    path = tmp_path / 'scalars.json'
    path.write_text(''.join(f'{json.dumps(r)}\n' for r in records))
    assert read_scalars(path) == [
        records[0],
        {'knn/top1': 9.0, 'val/time': 2.0, 'val/data_time': 1.0, 'step': 1},
        records[2],
    ]


def step(epoch, loss):
    return dict(loss=loss, epoch=epoch, iter=2 * epoch, step=2 * epoch)


def score(epoch, value):
    return {'knn/top1': value, 'step': epoch}


def mined(epoch, edges):
    return {'mining/edges': edges, 'step': epoch}


def test_merge_scalars__a_resumed_run():
    """Killed in epoch 3 after the mining behind epoch 2 had no checkpoint."""
    first = [
        step(1, 5.0),
        score(1, 10.0),
        step(2, 4.0),
        score(2, 20.0),
        mined(2, 7),
        step(3, 3.5),
    ]
    second = [mined(2, 7.0), step(3, 3.0), score(3, 30.0)]
    assert merge_scalars([first, second]) == [
        *first[:4],
        mined(2, 7.0),
        step(3, 3.0),
        score(3, 30.0),
    ]


def test_merge_scalars__started_anew():
    first = [step(1, 5.0), score(1, 1.0), step(2, 4.0), score(2, 2.0)]
    second = [step(1, 6.0)]
    assert merge_scalars([first, second]) == second


def iteration(number, loss):
    return dict(loss=loss, iter=number, step=number)


def test_merge_scalars__iterations_started_anew():
    """As a detector counts them: no record has an epoch."""
    first = [
        iteration(100, 4.0),
        iteration(200, 3.0),
        score(200, 1.0),
        iteration(300, 2.0),
        iteration(400, 1.0),
        score(400, 2.0),
    ]
    second = [iteration(100, 5.0), iteration(200, 4.5)]
    assert merge_scalars([first, second]) == second


def test_merge_scalars__iterations_resumed():
    first = [iteration(100, 4.0), iteration(200, 3.0), iteration(300, 2.0)]
    second = [iteration(250, 2.5), iteration(350, 1.5)]
    assert merge_scalars([first, second]) == [*first[:2], *second]
    assert merge_scalars([first, [score(300, 1.0)]]) == [
        *first,
        score(300, 1.0),
    ]


def test_merge_scalars__a_start_that_logged_nothing():
    first = [step(1, 5.0), score(1, 1.0)]
    assert merge_scalars([first, []]) == first
    assert merge_scalars([]) == []


def test_merge_scalars__a_start_that_only_validated():
    first = [step(1, 5.0), score(1, 1.0)]
    assert merge_scalars([first, [score(1, 1.5)]]) == [
        step(1, 5.0),
        score(1, 1.5),
    ]


def test_epoch_means__by_hand():
    records = [
        score(3, 7),
        dict(loss=4.0, epoch=2, step=3),
        dict(loss=1.0, epoch=2, step=6),
        dict(loss=3, epoch=1, step=2),
        dict(loss='none', epoch=1, step=2),
    ]
    means = epoch_means(records, 'loss')
    assert list(means.items()) == [(1.0, 3.0), (2.0, 2.5)]
    assert epoch_means(records, 'knn/top1') == {3.0: 7.0}
    assert epoch_means(records, 'never') == {}
