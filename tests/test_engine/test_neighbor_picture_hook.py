"""Which neighbours the live picture shows, and where from."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from mmisl.datasets import InstanceDataset
from mmisl.engine.hooks import NeighborPictureHook, neighbor_picture_hook
from mmisl.engine.hooks.neighbor_picture_hook import (
    nearest_positives,
    read_image,
)
from mmisl.structures import ClusterAssignments, NeighborGraph


class Infos(InstanceDataset):
    """Only what is known of images."""

    def __init__(self, *infos):
        self.infos = infos

    def get_info(self, sample_idx):
        return self.infos[sample_idx]


def features(angles):
    """Unit vectors at some angles in degrees, (N, 2)."""
    angles = torch.tensor(angles).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_nearest_positives__of_a_graph_by_similarity():
    graph = NeighborGraph(5)
    graph.add_edges(torch.tensor([0, 0, 0, 2]), torch.tensor([1, 2, 3, 4]))
    rows = features([0.0, 30.0, 10.0, 20.0, 5.0])
    model = SimpleNamespace(graph=graph, clusters=None)
    found = nearest_positives(model, rows, torch.tensor([0, 4, 1]), 2)
    # 4 is closest to 0, but no edge joins them.
    assert found == {0: [2, 3], 4: [2], 1: [0]}


def test_nearest_positives__of_an_image_without_neighbours():
    model = SimpleNamespace(graph=NeighborGraph(3), clusters=None)
    rows = features([0.0, 1.0, 2.0])
    assert nearest_positives(model, rows, torch.tensor([1]), 4) == {1: []}


def test_nearest_positives__of_clusters_as_by_slow_loops():
    rng = torch.Generator().manual_seed(0)
    rows = normalize(torch.randn(23, 4, generator=rng))
    assignments = torch.randint(0, 5, (2, 23), generator=rng)
    clusters = ClusterAssignments(2, 5)
    clusters.set_num_samples(23)
    clusters.update(assignments)
    model = SimpleNamespace(graph=None, clusters=clusters)
    anchors = torch.tensor([7, 3, 20])
    expected = {}
    for anchor in anchors.tolist():
        members = [
            (-float(rows[anchor].double() @ rows[other].double()), other)
            for other in range(23)
            if other != anchor
            and any(run[other] == run[anchor] for run in assignments.tolist())
        ]
        expected[anchor] = [other for _, other in sorted(members)[:3]]
    assert nearest_positives(model, rows, anchors, 3) == expected


def test_read_image__of_arrays_and_files_made_small(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    Image.new('L', (900, 300), 77).save(tmp_path / 'b.png')
    dataset = Infos(
        dict(img=pixels),
        dict(img_path=str(tmp_path / 'a.png')),
        dict(img_path=str(tmp_path / 'b.png')),
        dict(img_path=str(tmp_path / 'missing.png')),
        {},
    )
    for index in (0, 1):
        assert np.array_equal(np.asarray(read_image(dataset, index)), pixels)
    large = read_image(dataset, 2)
    assert large.size == (160, 53)
    assert np.asarray(large)[5, 5].tolist() == [77] * 3
    with pytest.raises(FileNotFoundError, match='missing.png'):
        read_image(dataset, 3)
    with pytest.raises(OSError, match='neither img nor img_path of image 4'):
        read_image(dataset, 4)


def runner_of(images):
    """What the hook reads of a runner after round 0, and its pictures."""
    graph = NeighborGraph(2)
    graph.add_edges(torch.tensor([0]), torch.tensor([1]))
    dataset = SimpleNamespace(
        num_instances=2,
        labels=lambda: None,
        metainfo={},
        get_info=lambda index: images[index],
    )
    pictures = []
    visualizer = SimpleNamespace(
        _vis_backends={},
        add_image=lambda name, image, step: pictures.append((name, step)),
    )
    loop = SimpleNamespace(
        state=SimpleNamespace(round=1),
        dataloader=SimpleNamespace(dataset=dataset),
    )
    runner = SimpleNamespace(
        model=SimpleNamespace(graph=graph, clusters=None),
        train_loop=loop,
        seed=1,
        epoch=4,
        visualizer=visualizer,
    )
    return runner, pictures


SUMMARY = SimpleNamespace(rows=features([0.0, 1.0]))
IMAGES = [dict(img=np.zeros((4, 4, 3), np.uint8))] * 2


def test_hook__counts_pictures_in_epochs():
    runner, pictures = runner_of(IMAGES)
    NeighborPictureHook().after_mining(runner, SUMMARY)
    assert pictures == [('mining/neighbors', 4)]


@pytest.mark.parametrize(
    'settings, round_idx', [(dict(num_anchors=0), 0), (dict(interval=2), 1)]
)
def test_hook__draws_nothing_when_it_should_not(settings, round_idx):
    runner, pictures = runner_of(IMAGES)
    runner.train_loop.state.round = round_idx + 1
    NeighborPictureHook(**settings).after_mining(runner, SUMMARY)
    assert pictures == []


def test_hook__only_the_main_process_draws(monkeypatch):
    monkeypatch.setattr(
        neighbor_picture_hook, 'is_main_process', lambda: False
    )
    runner, pictures = runner_of([{}, {}])  # reading them would fail
    NeighborPictureHook().after_mining(runner, SUMMARY)
    assert pictures == []


@pytest.mark.parametrize(
    ('image', 'words'),
    [
        ({}, 'the data set has neither'),
        (dict(img=np.zeros((4, 4, 7), np.uint8)), 'Cannot handle'),
    ],
)
def test_hook__an_image_that_cannot_be_shown_ends_no_run(
    monkeypatch, image, words
):
    said = []
    monkeypatch.setattr(
        neighbor_picture_hook,
        'print_log',
        lambda text, **options: said.append(text),
    )
    runner, pictures = runner_of([image, image])
    NeighborPictureHook().after_mining(runner, SUMMARY)
    assert pictures == []
    (line,) = said
    assert line.startswith(f'no picture of round 0: {words}')


def test_anchors__are_those_of_the_seed():
    hook = NeighborPictureHook(num_anchors=5)
    anchors = hook._anchors(1, 100)
    assert torch.equal(anchors, hook._anchors(1, 100))
    assert not torch.equal(anchors, hook._anchors(2, 100))
    assert len(anchors.unique()) == 5 and anchors.max() < 100
    assert hook._anchors(1, 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    'settings',
    [dict(num_anchors=-1), dict(max_neighbors=0), dict(interval=0)],
)
def test_hook__refuses_numbers_out_of_range(settings):
    with pytest.raises(ValueError, match='need num_anchors >= 0'):
        NeighborPictureHook(**settings)
