"""The file that write_page leaves, without a browser."""

import base64
import gzip
import html.parser
import json
from hashlib import sha256
from importlib.resources import files

import numpy as np
import pytest
from made_reports import HOSTILE, MadeReport

from mmisl.report import page_assets
from mmisl.report.page import Blob, embed_json, write_page
from mmisl.report.page_blobs import encode_blob
from mmisl.report.page_tables import (
    StageCell,
    fact_rows,
    format_seconds,
    is_picture,
    runs_by_dataset,
    stage_rows,
    stage_totals,
)


class Scripts(html.parser.HTMLParser):
    """Collects the text of scripts by id, as a browser parts them."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.current = None
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == 'script':
            self.current = dict(attrs).get('id', f'#{len(self.found)}')
            self.found[self.current] = ''

    def handle_endtag(self, tag):
        if tag == 'script':
            self.current = None

    def handle_data(self, data):
        if self.current is not None:
            self.found[self.current] += data


@pytest.fixture
def made():
    return MadeReport()


@pytest.fixture
def text(made, tmp_path):
    return write_page(made.payload, made.blobs, tmp_path / 'r.html').read_text(
        encoding='utf-8'
    )


def test_write_page__payload_comes_back(made, text):
    embedded = json.loads(Scripts(text).found['payload'])
    assert embedded['payload'] == made.payload


def test_write_page__arrays_come_back(made, text):
    found = Scripts(text).found
    blobs = json.loads(found['payload'])['blobs']
    assert len(blobs) == len(made.blobs)
    for name, array in made.arrays.items():
        spec = blobs[name]
        data = gzip.decompress(base64.b64decode(found[spec['id']]))
        back = np.frombuffer(data, spec['dtype']).reshape(spec['shape'])
        np.testing.assert_array_equal(back, array)


def test_write_page__nothing_is_loaded_from_elsewhere(text):
    links = [
        value
        for _, attributes in Scripts(text).tags
        for name, value in attributes.items()
        if name in ('src', 'href', 'srcset', 'action')
    ]
    assert len(links) > 10
    assert all(link.startswith(('data:', '#')) for link in links)


def test_write_page__no_script_but_its_own_is_run(made, text):
    (policy,) = [
        attributes['content']
        for tag, attributes in Scripts(text).tags
        if attributes.get('http-equiv') == 'Content-Security-Policy'
    ]
    directives = [part.split() for part in policy.split(';')]
    (allowed,) = [rest for name, *rest in directives if name == 'script-src']
    data = {'text/plain', 'application/json'}
    own = [
        f"'sha256-{base64.b64encode(sha256(source.encode()).digest()).decode()}'"
        for source, (_, attributes) in zip(
            Scripts(text).found.values(),
            [one for one in Scripts(text).tags if one[0] == 'script'],
        )
        if attributes.get('type') not in data
    ]
    assert len(own) == len(page_assets.list_libraries()) + 1
    assert allowed == own
    assert ['default-src', "'none'"] in directives


def test_write_page__hostile_names_make_no_elements(made, text, tmp_path):
    tags = [tag for tag, _ in Scripts(text).tags]
    plain = MadeReport()
    spoken = json.dumps(plain.payload)
    for name in HOSTILE[:3]:
        spoken = spoken.replace(json.dumps(name)[1:-1], 'harmless')
    other = write_page(json.loads(spoken), plain.blobs, tmp_path / 'p.html')
    assert tags == [tag for tag, _ in Scripts(other.read_text()).tags]


def test_write_page__same_report_gives_same_file(made, text, tmp_path):
    again = write_page(made.payload, made.blobs, tmp_path / 'again.html')
    assert again.read_text(encoding='utf-8') == text


def test_write_page__libraries_come_with_licences(text):
    assert 'Copyright (c) 2022 Leon Sorokin' in text
    assert 'Copyright 2010-2026 Mike Bostock' in text


def test_write_page__blob_that_is_not_named_is_left_out(made, tmp_path):
    made.blobs['more'] = Blob(b'x' * 99, 'uint8', (99,))
    text = write_page(made.payload, made.blobs, tmp_path / 'r').read_text()
    assert 'more' not in json.loads(Scripts(text).found['payload'])['blobs']


def test_write_page__missing_blob_leaves_what_was_there(made, tmp_path):
    path = tmp_path / 'report.html'
    path.write_text('before')
    del made.blobs['run1-round2-control']
    with pytest.raises(ValueError, match="'run1-round2-control'.*put null"):
        write_page(made.payload, made.blobs, path)
    assert path.read_text() == 'before'


def test_write_page__failure_half_way_leaves_what_was_there(made, tmp_path):
    path = tmp_path / 'report.html'
    path.write_text('before')
    # The last section of the page asks for it.
    del made.payload['detection'][0]['source']
    with pytest.raises(Exception, match='source'):
        write_page(made.payload, made.blobs, path)
    assert [p.name for p in tmp_path.iterdir()] == ['report.html']
    assert path.read_text() == 'before'


def test_embed_json__ends_no_script():
    value = {'a': ['</script><!--', '&amp;\u2028\u2029', 'ä']}
    text = embed_json(value)
    assert not set('<>&\u2028\u2029') & set(text)
    assert json.loads(text) == value


def test_blob__big_endian_and_strides():
    array = np.arange(24, dtype='>i4').reshape(4, 6)[::2, ::3]
    blob = Blob.from_array(array)
    back = np.frombuffer(blob.data, '<i4').reshape(blob.shape)
    np.testing.assert_array_equal(back, array)
    assert blob.dtype == 'int32'


def test_blob__names_keep_their_lines():
    blob = Blob.from_lines(['a\nb', 'ж\u2028小', 'broken \udcff', ''])
    assert blob.shape == (4,)
    lines = gzip.decompress(base64.b64decode(encode_blob(blob))).decode()
    assert lines.split('\n') == ['a b', 'ж 小', 'broken ?', '']


def test_blob__dtype_that_no_browser_has():
    with pytest.raises(ValueError, match="'int64'.*uint8, uint16, int32"):
        Blob.from_array(np.zeros(3, np.int64))


def test_fact_rows__union_of_labels():
    runs = [
        {'facts': [['seed', '1'], ['method', 'ISL']]},
        {'facts': [['method', 'ISL'], ['epochs', '4']]},
    ]
    assert [(r.label, r.texts, r.differs) for r in fact_rows(runs)] == [
        ('seed', ['1', None], True),
        ('method', ['ISL', 'ISL'], False),
        ('epochs', [None, '4'], True),
    ]


def test_stage_rows__share_of_the_run_and_of_the_longest():
    runs = [
        {'stages': [['encoder', 6.0, 2], ['mining', 2.0, 1]]},
        {'stages': [['mining', 0.0, 1], ['encoder', 4.0, 1]]},
        {'stages': [['mining', 2.0, 3]]},
    ]
    (first, encoder), (second, mining) = stage_rows(runs)
    assert (first, second) == ('encoder', 'mining')
    assert encoder == [
        StageCell(6.0, 2, share=0.75, width=0.75),
        StageCell(4.0, 1, share=1.0, width=0.5),
        None,
    ]
    # What the other stages of the last run took is not known.
    assert mining == [
        StageCell(2.0, 1, share=0.25, width=0.25),
        StageCell(0.0, 1, share=0.0, width=0.0),
        StageCell(2.0, 3, share=None, width=0.25),
    ]
    assert stage_totals(runs) == [8.0, 4.0, None]
    assert stage_rows([{'stages': []}]) == []


def test_runs_by_dataset__keeps_order():
    runs = [{'dataset': d, 'id': i} for i, d in enumerate('aba')]
    groups = runs_by_dataset(runs)
    assert {k: [r['id'] for r in v] for k, v in groups.items()} == {
        'a': [0, 2],
        'b': [1],
    }


@pytest.mark.parametrize(
    'seconds, text',
    [
        (0, '0.0 s'),
        (9.94, '9.9 s'),
        (9.96, '10 s'),
        (59.6, '1 min 00 s'),
        (185, '3 min 05 s'),
        (3599.7, '1 h 00 min'),
        (7384.2, '2 h 03 min'),
        (90000, '25 h 00 min'),
    ],
)
def test_format_seconds__units(seconds, text):
    assert format_seconds(seconds) == text


def test_is_picture__no_address():
    assert is_picture('data:image/png;base64,AA==')
    assert not is_picture('https://example.com/a.png')
    assert not is_picture('data:text/html,<b>')


def test_read_scripts__no_file_is_forgotten():
    assets = files('mmisl.report') / 'assets'
    for folder, listed in [
        ('js', page_assets._SCRIPTS),
        ('css', page_assets._STYLES),
    ]:
        there = {path.name for path in (assets / folder).iterdir()}
        assert there == {f'{name}.{folder}' for name in listed}


def test_read_scripts__nothing_ends_the_script():
    for source in [
        page_assets.read_scripts(),
        *(library.source for library in page_assets.list_libraries()),
    ]:
        assert '</script' not in source
        assert '<!--' not in source


def test_list_libraries__changed_file_is_named(monkeypatch):
    read = page_assets.read_asset
    monkeypatch.setattr(
        page_assets,
        'read_asset',
        lambda name: (
            read(name) + ('//' if name.endswith('zoom.min.js') else '')
        ),
    )
    with pytest.raises(RuntimeError, match='d3-zoom.min.js.*SHA-256'):
        page_assets.list_libraries()
