"""Files of results that a command saves to, or goes on with."""

import functools
import importlib
import json
from pathlib import Path

import pytest

from mmisl.config_check import ConfigError

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
BUDGET = dict(images=22, epochs=2)


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module


@pytest.fixture
def saved(tools):
    return tools('saved_results')


def content(*runs, kind='methods', command='python two.py', **head):
    return dict(
        kind=kind,
        title='Noise',
        command=command,
        date='2026-03-04',
        versions=dict(mmisl='2'),
        machine=dict(cores=3),
        budget=BUDGET,
        runs=list(runs),
        **head,
    )


def write(path, **changes):
    """A file with three runs, of another time and machine."""
    found = content(
        dict(name='raw pixels', seed=0, knn=1.0),
        dict(name='npid', seed=0, knn=2.0),
        dict(name='isl', seed=0, knn=3.0, config_sha256='a'),
        command='python one.py',
    )
    found.update(date='2026-01-02', machine=dict(cores=2))
    path.write_text(json.dumps({**found, **changes}))
    return path


def test_check_save__runs_that_would_be_lost(saved, tools, tmp_path):
    check = functools.partial(saved.check_save, kind='methods')
    run = tools('comparison.runs').Run(
        Path('c/isl.py'), 3, tmp_path / 'isl' / 'seed3'
    )
    path = tmp_path / 'saved.json'
    check(path, [run], keep=False)  # nothing is there yet

    run.folder.mkdir(parents=True)
    run.result.write_text('{}')
    held = [dict(name='raw pixels', seed=9), dict(name='isl', seed=3)]
    path.write_text(json.dumps(dict(kind='methods', runs=held)))
    check(path, [run], keep=False, baselines=['raw pixels'])

    held = [*held, dict(name='npid', seed=1)]
    text = json.dumps(dict(kind='methods', runs=held))
    path.write_text(text)
    with pytest.raises(
        ConfigError, match=r'1 runs .*npid \(seed 1\).*--keep, or name an'
    ):
        check(path, [run], keep=False, baselines=['raw pixels'])
    check(path, [run], keep=True)
    run.result.unlink()
    with pytest.raises(ConfigError, match=r'3 runs .*such as isl \(seed 3\)'):
        check(path, [run], keep=False)
    assert path.read_text() == text


@pytest.mark.parametrize(
    'text',
    [
        '{',
        '[]',
        '{"kind": "methods", "runs": [{"name": "a"}]}',
        '{"kind": "miners", "runs": []}',
        '{"runs": []}',
    ],
)
def test_check_save__a_file_of_something_else(saved, tmp_path, text):
    path = tmp_path / 'saved.json'
    path.write_text(text)
    for keep in (False, True):
        with pytest.raises(ConfigError, match='json is no file of results'):
            saved.check_save(path, [], kind='methods', keep=keep)


def test_keep_runs__without_a_file(saved, tmp_path):
    new = content(dict(name='npid', seed=1))
    assert saved.keep_runs(tmp_path / 'none.json', new) == new


def test_keep_runs__replaces_its_own_and_adds_the_others(saved, tmp_path):
    path = write(tmp_path / 'saved.json')
    new = content(
        dict(name='raw pixels', seed=1, knn=1.5),
        dict(name='isl', seed=1, knn=4.0, config_sha256='a'),
        dict(name='npid', seed=0, knn=2.5),
    )
    merged = saved.keep_runs(path, new, seedless=['raw pixels'])
    places = [(r['name'], r['seed'], r['knn']) for r in merged['runs']]
    assert places == [
        ('raw pixels', 1, 1.5), ('npid', 0, 2.5), ('isl', 0, 3.0),
        ('isl', 1, 4.0),
    ]  # fmt: skip
    assert merged['command'] == 'python one.py\npython two.py'
    assert merged['machine'] == dict(cores=3)
    state = dict(
        date='2026-01-02', versions=dict(mmisl='2'), machine=dict(cores=2)
    )
    assert merged['earlier'] == [state]


def test_keep_runs__states_of_a_machine_are_told_once(saved, tmp_path):
    first = dict(date='2026-01-01', versions=dict(mmisl='1'), machine={})
    second = dict(first, machine=dict(cores=3), versions=dict(mmisl='2'))
    path = write(
        tmp_path / 'saved.json',
        earlier=[first, second],
        command='python one.py\npython two.py',
        date='2026-02-02',
        versions=dict(mmisl='1'),
        machine={},
    )
    merged = saved.keep_runs(path, content(dict(name='npid', seed=1)))
    # The last day of each, but for that of now.
    assert merged['earlier'] == [dict(first, date='2026-02-02')]
    assert merged['command'] == 'python one.py\npython two.py'


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(budget=dict(BUDGET, epochs=3)), "budget .*'epochs': 3"),
        (dict(kind='miners'), "no file of results of the kind 'methods'"),
        (
            dict(runs=[dict(name='npid', seed=0, config_sha256='b')]),
            r'npid \(seed 0\) of another config',
        ),
        (
            dict(runs=[dict(name='npid', seed=7, checkpoint_sha256='b')]),
            r'npid \(seed 7\) of another checkpoint',
        ),
    ],
)
def test_keep_runs__what_does_not_compare(saved, tmp_path, changes, message):
    path = write(tmp_path / 'saved.json', **changes)
    new = dict(name='npid', seed=1, config_sha256='a', checkpoint_sha256='a')
    with pytest.raises(ConfigError, match=message):
        saved.keep_runs(path, content(new))
