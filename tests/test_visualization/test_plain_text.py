import warnings

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from matplotlib import font_manager, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from mmisl.visualization import clean, missing_characters, plain_text
from mmisl.visualization.plain_text import font_families, shorten

# No font has a character for it: Unicode has not assigned it.
UNASSIGNED = '\u0378'


def characters_of(family):
    """All that a family has, as another library reads its fonts."""
    return set().union(
        *(
            map(chr, TTFont(entry.fname, fontNumber=0).getBestCmap())
            for entry in font_manager.fontManager.ttflist
            if entry.name == family
        )
    )


def test_font_families__one_where_it_has_all():
    assert font_families(['abc', 'Жук', 'ñ']) == ['DejaVu Sans']
    assert font_families([]) == ['DejaVu Sans']


def test_font_families__another_for_what_the_first_lacks():
    first = characters_of('DejaVu Sans')
    (rare, *_) = sorted(characters_of('STIXGeneral') - first)
    families = font_families([f'a{rare}'])
    assert families[0] == 'DejaVu Sans'
    assert len(families) == 2
    assert rare in characters_of(families[1])
    assert missing_characters([f'a{rare}']) == ''


def test_missing_characters__those_that_no_font_has():
    assert missing_characters([f'a{UNASSIGNED} b', 'c\ud800\n']) == UNASSIGNED


@pytest.mark.parametrize(
    ('text', 'cleaned'),
    [
        ('a  b\n\tc ', 'a b c'),
        ('caf\udce9', 'caf\ufffd'),  # a file name that is no UTF-8
        ('\x1b[31mred\x00', '\ufffd[31mred\ufffd'),
        ('<b>"日本"</b>', '<b>"日本"</b>'),
    ],
)
def test_clean__one_line_that_can_be_written(text, cleaned):
    assert clean(text) == cleaned
    cleaned.encode()


@pytest.mark.parametrize(
    ('text', 'short'),
    [
        ('six', 'six'),
        ('sixsix', 'sixsix'),
        ('sevenses', 'seven…'),
        ('five ones', 'five…'),  # no space before the ellipsis
        ('日本語', '日本語'),  # twice as wide
        ('日本語だ', '日本…'),
        ('e\u0301' * 6, 'e\u0301' * 6),  # a mark takes no place
    ],
)
def test_shorten__to_six_letters(text, short):
    assert shorten(text, 6) == short


def ink(text):
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, text)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_plain_text__a_dollar_sign_is_one():
    with plain_text(['$x$']):
        written = ink('$x$')
        bare = ink('x')
    # A formula would have neither of the two signs.
    assert (written < 128).sum() > 2 * (bare < 128).sum()
    assert rcParams['text.parse_math']


@pytest.mark.parametrize('ending', ['png', 'pdf'])
def test_plain_text__no_warning_for_what_no_font_has(ending, tmp_path):
    texts = [f'{UNASSIGNED}{UNASSIGNED}', 'عربى', '<&">', '\ufffd']
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with plain_text(texts):
            figure = Figure()
            for place, text in enumerate(texts):
                figure.text(0.1, 0.2 * place, text)
            figure.savefig(tmp_path / f'text.{ending}')
    assert (tmp_path / f'text.{ending}').stat().st_size > 1000
    if ending == 'png':
        assert (
            Image.open(tmp_path / 'text.png').convert('L').getextrema()[0] < 9
        )
