import pytest

from mmisl.runs import short_names


def test_short_names__are_the_ends_that_differ():
    assert short_names(['/a/isl']) == ['isl']
    assert short_names(['/a/isl', '/a/la']) == ['isl', 'la']
    assert short_names(['/a/isl', '/b/isl']) == ['a/isl', 'b/isl']
    # One path ends like the other.
    assert short_names(['/isl', '/b/isl']) == ['//isl', 'b/isl']


def test_short_names__the_same_folder_in_other_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match='isl is given twice; name different'):
        short_names(['isl', tmp_path / 'isl'])
