import math

import pytest

from mmisl.report.curves import (
    MAX_POINTS,
    make_curves,
    round_ends,
    stage_times,
)


def charts_of(scalars):
    return {chart['title']: chart for chart in make_curves(scalars)}


def test_make_curves__mean_of_an_epoch():
    charts = charts_of(
        [
            dict(loss=4.0, loss_a=1, lr=0.1, epoch=1, iter=1, step=1),
            dict(loss=2.0, loss_a=2, lr=0.3, epoch=1, iter=2, step=2),
            dict(loss=math.nan, epoch=2, step=3),
            {'knn/bank_top1': 50.0, 'step': 2},
        ]
    )
    assert charts['loss'] == dict(
        group='Loss',
        title='loss',
        unit='',
        main=True,
        series=[dict(label='loss', x=[1.0, 2.0], y=[3.0, None])],
    )
    assert charts['loss a'] == dict(
        group='Loss',
        title='loss a',
        unit='',
        main=False,
        series=[dict(label='loss_a', x=[1.0], y=[1.5])],
    )
    (series,) = charts['learning rate']['series']
    assert series['y'] == [pytest.approx(0.2)]
    assert charts['kNN top-1 accuracy'] == dict(
        group='kNN',
        title='kNN top-1 accuracy',
        unit='%',
        main=True,
        series=[dict(label='bank', x=[2.0], y=[50.0])],
    )
    assert list(charts) == [
        'loss',
        'loss a',
        'kNN top-1 accuracy',
        'learning rate',
    ]


def test_make_curves__what_was_mined_stands_by_topic():
    record = {
        'mining/round': 0,
        'mining/gan_gap': 0.1,
        'mining/edges_accepted': 3,
        'mining/edges_requested': 5,
        'mining/purity': 0.5,
        'mining/cluster_purity': 0.5,
        'stage/mining_seconds': 3,
        'other/number_of': 2,
        'name': 'text',
        'step': 4,
    }
    charts = make_curves([record])
    assert [(chart['group'], chart['title']) for chart in charts] == [
        ('Mining', 'purity of edges'),
        ('Mining', 'purity of clusters'),
        ('Mining', 'edges of the round'),
        ('GAN', 'gan gap'),
        ('Other', 'number of'),
    ]
    labels = [series['label'] for series in charts[2]['series']]
    assert labels == ['edges_accepted', 'edges_requested']
    # A share in percent, as beside the neighbours.
    assert charts[0]['unit'] == '%'
    assert charts[0]['series'][0]['y'] == [50.0]


def test_make_curves__few_tell_the_story():
    record = {
        'loss': 1.0,
        'loss_a': 1.0,
        'lr': 0.1,
        'knn/bank_top1': 9.0,
        'knn/bank_top10': 10.0,
        'knn/recomputed_top1': 8.0,
        'mining/purity': 0.5,
        'mining/mean_degree': 3.0,
        'mining/max_degree': 6,
        'mining/num_hubs': 2,
        'mining/num_edges': 30,
        'mining/gan_gap': 0.5,
        'step': 1,
    }
    charts = make_curves([record])
    shown = {
        chart['title']: [series['label'] for series in chart['series']]
        for chart in charts
        if chart['main']
    }
    assert shown == {
        'loss': ['loss'],
        'kNN top-1 accuracy': ['bank', 'recomputed'],
        'purity of edges': ['purity'],
        'neighbours per image': ['mean_degree'],
        'largest degree': ['max_degree'],
    }
    assert [chart['title'] for chart in charts if not chart['main']] == [
        'loss a',
        'kNN top-10 accuracy',
        'edges',
        'hubs',
        'gan gap',
        'learning rate',
    ]


def test_make_curves__thinned_out():
    scalars = [dict(loss=float(e), epoch=e) for e in range(1, 2001)]
    (series,) = make_curves(scalars)[0]['series']
    assert len(series['x']) == len(series['y']) == MAX_POINTS
    assert series['x'][0] == 1 and series['x'][-1] == 2000
    assert series['x'] == series['y'] == sorted(set(series['x']))


def test_make_curves__infinity_of_both_signs():
    scalars = [dict(loss=s * math.inf, epoch=1) for s in (1, -1)]
    assert make_curves(scalars)[0]['series'][0]['y'] == [None]


def test_make_curves__nothing_logged():
    assert make_curves([]) == []


def test_round_ends():
    scalars = [
        {'mining/round': 1, 'step': 6},
        {'mining/round': 0, 'step': 4},
        {'loss': 1, 'epoch': 5, 'step': 50},
    ]
    assert round_ends(scalars) == [4.0, 6.0]


def test_stage_times__summed_by_kind():
    scalars = [
        {'stage/encoder_seconds': 2.5, 'stage/round': 0, 'step': 1},
        {'stage/encoder_seconds': 3.5, 'stage/round': 0, 'step': 2},
        {'stage/mining_seconds': 1.0, 'stage/round': 0, 'step': 2},
        {'stage/naming_seconds': 0.25, 'stage/round': 0, 'step': 2},
        {'stage/validation_seconds': 2.0, 'stage/round': 0, 'step': 2},
        {'mining/seconds': 0.5, 'step': 2},
    ]
    assert stage_times(scalars) == [
        ('encoder', 6.0, 2),
        ('validation', 2.0, 1),
        ('mining', 1.0, 1),
        ('naming', 0.25, 1),
    ]
    assert stage_times(scalars[5:]) == [('mining', 0.5, 1)]
    assert stage_times([]) == []
