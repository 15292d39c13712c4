import numpy as np
import pytest
import torch
from drawn_frames import find_frames
from PIL import Image

from mmisl.structures import NeighborGraph
from mmisl.visualization import draw_neighbor_grid, nearest_neighbors


def frames(path):
    """Colours of the frames row by row, from left to right."""
    return [frame.color for row in find_frames(path) for frame in row]


@pytest.fixture
def images():
    return np.random.randint(0, 60, (9, 32, 32, 3), dtype=np.uint8)


def test_draw_neighbor_grid__frames_follow_the_labels(images, tmp_path):
    path = draw_neighbor_grid(
        images,
        {4: [1, 0, 8], 2: [], 3: [5, 7]},
        path=tmp_path / 'new' / 'grid.png',
        labels=torch.tensor([0, 1, 0, 2, 1, 2, 0, 0, 1]),
        class_names=['zero', 'one', 'two'],
        title='Round 1',
    )
    assert path == tmp_path / 'new' / 'grid.png'
    assert frames(path) == [
        *('neutral', 'right', 'wrong', 'right'),
        'neutral',
        *('neutral', 'right', 'wrong'),
    ]


def test_draw_neighbor_grid__grey_without_labels(images, tmp_path):
    path = draw_neighbor_grid(
        images, {4: [1, 0], 2: [3]}, path=tmp_path / 'grid.png'
    )
    assert frames(path) == ['neutral'] * 5


def test_draw_neighbor_grid__the_right_image_in_the_right_place(tmp_path):
    # Mapping of PIL and grey images of unequal sides.
    images = {
        7: Image.new('RGB', (32, 32), (250, 0, 250)),
        3: Image.new('RGB', (64, 32), (0, 250, 250)),
        5: np.full((16, 16), 90, dtype=np.uint8),
    }
    path = draw_neighbor_grid(images, {7: [3, 5]}, path=tmp_path / 'grid.png')
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    centers = []
    for rgb in ((250, 0, 250), (0, 250, 250), (90, 90, 90)):
        rows, columns = np.nonzero((pixels == rgb).all(-1))
        assert len(rows) > 1000
        centers.append(np.median(columns))
        if rgb == (0, 250, 250):  # keeps its 2 to 1, less the frame
            ratio = np.ptp(columns) / np.ptp(rows)
            assert ratio == pytest.approx(2, abs=0.2)
    assert centers == sorted(centers)


def test_draw_neighbor_grid__names_only_under_anchors_and_wrong_ones(
    images, tmp_path, monkeypatch
):
    written = []
    monkeypatch.setattr(
        'matplotlib.axes.Axes.text',
        lambda self, x, y, text, **style: written.append(text),
    )
    draw_neighbor_grid(
        images,
        {0: [1, 2, 3]},
        path=tmp_path / 'grid.png',
        labels=[0, 0, 1, 2],
        class_names=['cat', 'dog', 'a very long class name'],
    )
    names = [text for text in written if text]
    assert names[-3:] == ['cat', 'dog', 'a very long…']


def test_draw_neighbor_grid__no_anchor(images, tmp_path):
    with pytest.raises(ValueError, match='at least one anchor'):
        draw_neighbor_grid(images, {}, path=tmp_path / 'grid.png')


def test_nearest_neighbors__most_similar_first():
    graph = NeighborGraph(5)
    graph.add_edges(torch.tensor([0, 0, 0, 3]), torch.tensor([1, 2, 4, 4]))
    angles = torch.tensor([0.0, 0.9, 0.3, 2.0, 0.6])
    feats = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert nearest_neighbors(graph, feats, anchors=[4, 0]) == {
        4: [0, 3],
        0: [2, 4, 1],
    }
    assert nearest_neighbors(
        graph, feats, anchors=torch.tensor([0]), max_neighbors=2
    ) == {0: [2, 4]}


def test_nearest_neighbors__sample_without_any():
    graph = NeighborGraph(3)
    assert nearest_neighbors(graph, torch.eye(3), anchors=[1]) == {1: []}
