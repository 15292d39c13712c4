import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from mmisl.visualization import NumberCurve, draw_number_curves

PANELS = {
    'purity (%)': [
        NumberCurve('LA', [0, 2], [40.0, 50.0]),
        NumberCurve('LA', [0, 2], [45.0, float('nan')], is_control=True),
        NumberCurve('_$isl$', [1, 2], [60.0, 70.0]),
    ],
    'recall (%)': [NumberCurve('LA', [0, 2], [float('nan')] * 2)],
}


@pytest.fixture
def drawn(monkeypatch):
    """Colour, dashes and points of every line, and all texts."""
    calls = dict(lines=[], texts=[])
    plot, text = Axes.plot, Axes.text

    def spy_plot(self, x, y, **style):
        line = (style['color'], style['linestyle'], list(x), list(y))
        calls['lines'].append(line)
        return plot(self, x, y, **style)

    def spy_text(self, x, y, written, **style):
        calls['texts'].append(written)
        return text(self, x, y, written, **style)

    monkeypatch.setattr(Axes, 'plot', spy_plot)
    monkeypatch.setattr(Axes, 'text', spy_text)
    return calls


def test_draw_number_curves__a_colour_a_run_dashes_a_control(drawn, tmp_path):
    paths = [tmp_path / 'new' / 'c.png', tmp_path / 'new' / 'c.pdf']
    assert draw_number_curves(PANELS, paths=paths) == paths
    (la, control, isl) = drawn['lines']
    assert la[1:] == ('-', [0, 2], [40.0, 50.0])
    assert control[:2] == (la[0], '--')
    assert isl[1:] == ('-', [1, 2], [60.0, 70.0])
    assert isl[0] != la[0]
    # Nothing is known of the second panel.
    assert drawn['texts'] == ['not known']
    assert paths[1].read_bytes().startswith(b'%PDF')


def test_draw_number_curves__the_picture_shows_both_runs(drawn, tmp_path):
    (path,) = draw_number_curves(PANELS, paths=[tmp_path / 'c.png'])
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    left = pixels[:, : pixels.shape[1] // 2]
    bottom = pixels[-50:]  # the legend
    for color in {line[0] for line in drawn['lines']}:
        rgb = np.round(np.array(to_rgb(color)) * 255)
        assert (left == rgb).all(-1).sum() > 200
        assert (bottom == rgb).all(-1).sum() > 50


@pytest.mark.parametrize('epochs', [[2], [0, 1], [40, 46]])
def test_draw_number_curves__whole_epochs(epochs, tmp_path, monkeypatch):
    shown = []
    save = Figure.savefig

    def spy(self, *args, **style):
        shown.extend(self.axes[0].get_xticks())
        return save(self, *args, **style)

    monkeypatch.setattr(Figure, 'savefig', spy)
    curve = NumberCurve('LA', epochs, [1.0] * len(epochs))
    draw_number_curves({'purity': [curve]}, paths=[tmp_path / 'c.png'])
    assert set(shown) & set(range(epochs[0], epochs[-1] + 1))
    assert all(tick == int(tick) for tick in shown)


def test_draw_number_curves__no_panel(tmp_path):
    with pytest.raises(ValueError, match='at least one number'):
        draw_number_curves({}, paths=[tmp_path / 'c.png'])
