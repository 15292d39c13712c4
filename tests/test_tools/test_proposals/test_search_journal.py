"""What selective search has found stays found."""

import pytest

SETTINGS = {'--mode': 'fast', 'OpenCV': '5.0.0'}


@pytest.fixture
def journal(import_tool, tmp_path):
    """Open the journal, as often as you like."""
    module = import_tool('proposing.search_journal')

    def open_journal(settings=SETTINGS):
        return module.SearchJournal(tmp_path / 'p.pkl.partial', settings)

    return open_journal


@pytest.fixture
def begun(journal):
    """A journal with two images, as bytes."""
    with journal() as first:
        first.add('a.jpg', [[0, 1, 2, 3]])
        first.add('b.jpg', [])
    return first.path


def test_journal__gives_back_what_was_found(journal, begun):
    with journal() as again:
        assert again.boxes == {'a.jpg': [[0, 1, 2, 3]], 'b.jpg': []}
        again.add('c.jpg', [[4, 4, 8, 8]])
    with journal() as last:
        assert list(last.boxes) == ['a.jpg', 'b.jpg', 'c.jpg']


@pytest.mark.parametrize(
    'tail', [b'{"image": "c.jpg", "boxes": [[1, 2', b'\0\0\0\n{"image": "d"']
)
def test_journal__cuts_off_what_a_kill_left_half_written(journal, begun, tail):
    whole = begun.read_bytes()
    begun.write_bytes(whole + tail)
    with journal() as again:
        assert list(again.boxes) == ['a.jpg', 'b.jpg']
        again.add('c.jpg', [])
    assert begun.read_bytes() == whole + b'{"image": "c.jpg", "boxes": []}\n'


@pytest.mark.parametrize('num_bytes', [0, 9])
def test_journal__begins_anew_without_a_first_line(journal, begun, num_bytes):
    begun.write_bytes(begun.read_bytes()[:num_bytes])
    with journal() as again:
        assert again.boxes == {}
    with journal():  # and its settings stand there again
        pass


def test_journal__refuses_other_settings_and_keeps_the_file(journal, begun):
    before = begun.read_bytes()
    with pytest.raises(ValueError) as caught:
        journal({'--mode': 'quality', 'OpenCV': '5.0.0'})
    assert (
        'was begun with --mode fast, OpenCV 5.0.0, and this is --mode quality'
        in str(caught.value)
    )
    assert begun.read_bytes() == before


def test_journal__belongs_to_one_process(journal, begun):
    with journal(), pytest.raises(RuntimeError, match='another process'):
        journal()
