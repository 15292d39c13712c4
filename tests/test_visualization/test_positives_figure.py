import re
import zlib

import numpy as np
import pytest
from drawn_frames import find_frames
from matplotlib.axes import Axes
from PIL import Image

from mmisl.visualization import (
    RoundPositives,
    RunPositives,
    draw_positives,
)

NUM_SAMPLES = 40
LABELS = np.arange(NUM_SAMPLES) % 3


def shade(sample):
    """A colour that says which image it is, and is no frame's."""
    return (6 * sample, 255 - 6 * sample, 250)


def sample_of(rgb):
    assert rgb == shade(rgb[0] // 6)
    return int(rgb[0]) // 6


@pytest.fixture
def images():
    colors = np.array([shade(i) for i in range(NUM_SAMPLES)], dtype=np.uint8)
    return np.broadcast_to(
        colors[:, None, None], (NUM_SAMPLES, 16, 16, 3)
    ).copy()


@pytest.fixture
def texts(monkeypatch):
    """What is written, in order."""
    written, write = [], Axes.text

    def spy(self, x, y, text, **style):
        written.append(text)
        return write(self, x, y, text, **style)

    monkeypatch.setattr(Axes, 'text', spy)
    return [] if written is None else written


def one_round(runs, **others):
    return [
        RoundPositives(
            'round 0, after epoch 4',
            [RunPositives(name, neighbors=n) for name, n in runs.items()],
            **others,
        )
    ]


def draw(images, rounds, path, **options):
    (written,) = draw_positives(images, rounds, paths=[path], **options)
    return find_frames(written)


def test_draw_positives__every_frame_is_of_the_labels(images, tmp_path):
    """Image and colour of each frame are read off the pixels alone."""
    rng = np.random.default_rng(4)
    anchors = [7, 2, 30]
    runs = {
        name: {
            anchor: rng.choice(NUM_SAMPLES, count, replace=False).tolist()
            for anchor, count in zip(anchors, counts)
        }
        for name, counts in {'LA': (6, 3, 1), 'ISL': (4, 6, 2)}.items()
    }
    rows = draw(
        images,
        one_round(runs),
        tmp_path / 'new' / 'positives.png',
        anchors=anchors,
        labels=LABELS,
        max_neighbors=6,
    )
    # Anchor by anchor, LA above ISL; all from left to right.
    shown = [runs[name][anchor] for anchor in anchors for name in runs]
    assert [[sample_of(f.inside) for f in row] for row in rows] == shown
    owners = [anchor for anchor in anchors for _ in runs]
    assert [[frame.color for frame in row] for row in rows] == [
        ['right' if j % 3 == anchor % 3 else 'wrong' for j in row]
        for anchor, row in zip(owners, shown)
    ]
    assert len({f.color for row in rows for f in row}) == 2


def test_draw_positives__rounds_stand_side_by_side(images, tmp_path):
    moments = [
        RoundPositives(
            f'round {i}',
            [
                RunPositives('LA', neighbors={3: [6 + i, 5]}),
                RunPositives('ISL', neighbors={3: [9 + i]} if i else None),
            ],
        )
        for i in range(2)
    ]
    rows = draw(
        images,
        moments,
        tmp_path / 'overview.png',
        anchors=[3],
        labels=LABELS,
        max_neighbors=2,
    )
    assert [[sample_of(f.inside) for f in row] for row in rows] == [
        [6, 5, 7, 5],
        [10],
    ]
    # What has no neighbour in one round is still below its own.
    assert abs(rows[1][0].left - rows[0][2].left) <= 2


def test_draw_positives__many_anchors_in_two_columns(images, tmp_path):
    neighbors = {anchor: [anchor + 10] for anchor in range(5)}
    rows = draw(
        images,
        one_round({'ISL': neighbors}),
        tmp_path / 'positives.png',
        anchors=range(5),
        labels=LABELS,
    )
    assert [[sample_of(f.inside) for f in row] for row in rows] == [
        [10, 13],
        [11, 14],
        [12],
    ]


def test_draw_positives__most_similar_alone_fit(images, tmp_path):
    rows = draw(
        images,
        one_round({'ISL': {0: [9, 8, 7, 6]}}),
        tmp_path / 'positives.png',
        anchors=[0],
        labels=LABELS,
        max_neighbors=3,
    )
    assert [sample_of(f.inside) for f in rows[0]] == [9, 8, 7]


def test_draw_positives__cosine_and_no_frame_without_labels(
    images, texts, tmp_path
):
    run = RunPositives('ISL', '', {4: [5, 6]}, {4: [0.876, -0.05]})
    rounds = [RoundPositives('round 0', [run])]
    path = tmp_path / 'positives.png'
    assert draw(images, rounds, path, anchors=[4]) == []
    assert texts[-2:] == ['0.88', '-0.05']
    assert 'below: cosine to the anchor' in texts
    # Both images are there: each is the only one of its colour.
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    for sample in (4, 5, 6):
        assert (pixels == shade(sample)).all(-1).sum() > 100**2


def test_draw_positives__cosine_where_a_class_is_not_known(
    images, texts, tmp_path
):
    labels = LABELS.copy()
    labels[[5, 7]] = -1
    run = RunPositives(
        'ISL', '', {4: [5, 6, 1], 7: [8]}, {4: [0.9, 0.8, 0.7], 7: [0.6]}
    )
    rows = draw(
        images,
        [RoundPositives('round 0', [run])],
        tmp_path / 'positives.png',
        anchors=[4, 7],
        labels=labels,
        class_names=['none', 'one', 'two'],
    )
    assert [[f.color for f in row] for row in rows] == [['wrong', 'right']]
    names = [text for text in texts if text]
    assert names[-7:] == [
        'one\nimage 4',
        'ISL',
        '0.90',
        'none',
        'image 7',
        'ISL',
        '0.60',
    ]


def test_draw_positives__names_below_anchors_and_wrong_ones(
    images, texts, tmp_path
):
    runs = {'LA': {1: [2, 4]}, 'ISL': {1: []}}
    draw(
        images,
        one_round(runs),
        tmp_path / 'positives.png',
        anchors=[1],
        labels=LABELS,
        class_names=['zero', 'one', 'two'],
        title='What was mined',
    )
    assert [text for text in texts if text] == [
        'What was mined',
        'other class',
        'same class',
        'round 0, after epoch 4',
        'one\nimage 1',
        'LA',
        'ISL',
        'two',
        'no positives',
    ]


def test_draw_positives__says_what_is_missing(images, texts, tmp_path):
    rounds = [
        RoundPositives(
            'round 0',
            [
                RunPositives('LA', 'purity 12 %'),
                RunPositives('kNN', missing='not kept'),
            ],
        )
    ]
    draw(images, rounds, tmp_path / 'positives.png', anchors=[0])
    assert 'LA: purity 12 %' in texts
    assert texts[-2:] == ['nothing mined yet', 'not kept']


NAMES = ['$\\frac{1}2$', '<b>"bold"</b>', "it's & co"]


def test_draw_positives__pdf_can_be_searched(images, tmp_path):
    """Names stand in the PDF letter by letter, in fonts that it holds."""
    png, pdf = draw_positives(
        images,
        one_round({'run_$a$': {0: [1, 2]}}),
        anchors=[0],
        paths=[tmp_path / 'p.png', tmp_path / 'p.pdf'],
        labels=LABELS,
        class_names=NAMES,
    )
    assert Image.open(png).format == 'PNG'
    text, pages = pdf_text(pdf)
    assert len(re.findall(rb'/Type /Page\b', pages)) == 1
    for wanted in ('run_$a$', 'same class', 'round 0, after epoch 4'):
        assert wanted in text
    assert '$\\frac{1}2$' in text
    assert '<b>"bold"</' in text  # and an ellipsis
    assert "it's & co" in text
    fonts = re.findall(rb'/Type /FontDescriptor', pages)
    assert fonts and len(fonts) == len(re.findall(rb'/FontFile2', pages))


def pdf_text(path):
    """What a PDF writes, a line a piece of text, and its bytes."""
    data = path.read_bytes()
    text = b''
    for stream in re.findall(rb'stream\r?\n(.*?)\r?\nendstream', data, re.S):
        try:
            content = zlib.decompress(stream)
        except zlib.error:  # a picture or a font may not be compressed
            continue
        if b' Tf' not in content:  # sets a font, so it writes
            continue
        for token in re.finditer(
            rb'\(((?:\\.|[^\\()])*)\)|T[jJ]', content, re.S
        ):
            letters = b'\n' if token[1] is None else token[1]
            text += re.sub(rb'\\(.)', rb'\1', letters, flags=re.S)
    # Of two bytes a letter, as some versions write, the first is 0.
    return text.replace(b'\0', b'').decode('latin-1'), data


def test_draw_positives__the_same_twice(images, tmp_path):
    options = dict(anchors=[0], labels=LABELS)
    first, second = (
        [
            path.read_bytes()
            for path in draw_positives(
                images,
                one_round({'ISL': {0: [1]}}),
                paths=[tmp_path / n / 'p.png', tmp_path / n / 'p.pdf'],
                **options,
            )
        ]
        for n in 'ab'
    )
    assert first == second
    assert not list(tmp_path.rglob('*.partial'))


@pytest.mark.parametrize(
    'slip', [dict(anchors=[]), dict(rounds=[]), dict(max_neighbors=0)]
)
def test_draw_positives__nothing_to_draw(images, slip, tmp_path):
    options = dict(
        anchors=[0], rounds=one_round({'ISL': {0: [1]}}), max_neighbors=1
    )
    with pytest.raises(ValueError, match='at least one anchor, one round'):
        draw_positives(
            images, paths=[tmp_path / 'p.png'], **{**options, **slip}
        )
