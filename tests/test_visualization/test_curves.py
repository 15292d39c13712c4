import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from mmengine.visualization import LocalVisBackend
from PIL import Image

from mmisl.visualization import draw_curves

RECORDS = [
    {'loss': 4.0, 'lr': 0.1, 'epoch': 1, 'step': 3},
    {'loss': 2.0, 'lr': 0.1, 'epoch': 1, 'step': 6},
    {'loss': 1.0, 'lr': 0.1, 'epoch': 2, 'step': 9},
    {'knn/bank_top1': 31.5, 'step': 2},
    {'mining/round': 0, 'mining/purity': 0.75, 'step': 2},
    {'loss': 0.5, 'lr': 0.1, 'epoch': 3, 'step': 12},
]


@pytest.fixture
def drawn(monkeypatch):
    """What was plotted: curves by name and the ends of rounds."""
    calls = dict(curves=[], rounds=[])
    plot, axvline = Axes.plot, Axes.axvline

    def spy_plot(self, x, y, **style):
        calls['curves'].append((style['label'], list(x), list(y)))
        return plot(self, x, y, **style)

    def spy_axvline(self, x, **style):
        calls['rounds'].append(x)
        return axvline(self, x, **style)

    monkeypatch.setattr(Axes, 'plot', spy_plot)
    monkeypatch.setattr(Axes, 'axvline', spy_axvline)
    return calls


def test_draw_curves__means_per_epoch_and_round_ends(drawn, tmp_path):
    path = draw_curves(
        RECORDS,
        {'loss': ['loss'], 'kNN (%)': ['knn/bank_top1', 'knn/never']},
        path=tmp_path / 'new' / 'curves.png',
    )
    assert drawn['curves'] == [
        ('loss', [1, 2, 3], [3.0, 1.0, 0.5]),
        ('bank_top1', [2], [31.5]),
    ]
    assert drawn['rounds'] == [2, 2]  # one per panel
    assert path == tmp_path / 'new' / 'curves.png'


def test_draw_curves__reads_what_mmengine_writes(drawn, tmp_path):
    backend = LocalVisBackend(str(tmp_path / 'vis_data'))
    for record in RECORDS:
        backend.add_scalars(dict(record), step=record['step'])
    draw_curves(
        tmp_path / 'vis_data' / 'scalars.json',
        {'purity': ['mining/purity']},
        path=tmp_path / 'curves.png',
    )
    assert drawn['curves'] == [('purity', [2], [0.75])]


@pytest.mark.parametrize(
    ('num_panels', 'columns', 'rows'), [(1, 1, 1), (3, 3, 1), (4, 2, 2)]
)
def test_draw_curves__picture_shows_every_panel(
    num_panels, columns, rows, tmp_path
):
    path = draw_curves(
        RECORDS,
        {f'panel {i}': ['loss'] for i in range(num_panels)},
        path=tmp_path / 'curves.png',
    )
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    blue = np.round(np.array(to_rgb('#1f77b4')) * 255)
    line = (pixels == blue).all(-1)
    height, width = line.shape
    for i in range(num_panels):
        top = i // columns * height // rows
        left = i % columns * width // columns
        panel = line[
            top : top + height // rows, left : left + width // columns
        ]
        assert panel.sum() > 100


def test_draw_curves__panel_without_numbers_says_so(
    drawn, tmp_path, monkeypatch
):
    written = []
    monkeypatch.setattr(
        Axes, 'text', lambda self, x, y, text, **style: written.append(text)
    )
    draw_curves([], {'purity': ['mining/purity']}, path=tmp_path / 'c.png')
    assert written == ['not logged']
    assert drawn['curves'] == []


def test_draw_curves__no_panel(tmp_path):
    with pytest.raises(ValueError, match='at least one panel'):
        draw_curves(RECORDS, {}, path=tmp_path / 'curves.png')
