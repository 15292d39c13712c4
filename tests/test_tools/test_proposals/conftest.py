"""tools/make_proposals.py on a VOC of pictures with one block in each."""

import importlib
import json
from pathlib import Path

import pytest
from block_pictures import PICTURES, write_split

ROOT = Path(__file__).resolve().parents[3]
SEARCH_PYTHON = ROOT / '.venv-proposals' / 'bin' / 'python'


@pytest.fixture
def import_tool(monkeypatch):
    """Import a module of tools/."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    return importlib.import_module


@pytest.fixture
def run(import_tool, capsys):
    """Run the tool in this process; gives what it printed."""

    def run(*args):
        tool = import_tool('make_proposals')
        tool.make_proposals(tool.parse_args([str(arg) for arg in args]))
        return capsys.readouterr().out

    return run


@pytest.fixture
def search(run, devkit, tmp_path):
    """Run selective search on the pictures; gives what it printed."""
    if not SEARCH_PYTHON.is_file():
        pytest.skip('`make proposals-env` has not made .venv-proposals')

    def search(*options, out=tmp_path / 'p.pkl'):
        return run('selective-search', devkit, 'trainval', out, *options)

    return search


@pytest.fixture
def devkit(tmp_path):
    """VOCdevkit with the pictures in trainval."""
    write_split(tmp_path / 'VOCdevkit', 'trainval', PICTURES)
    return tmp_path / 'VOCdevkit'


@pytest.fixture
def lines_of():
    """Lines of a journal of selective search."""

    def read(path):
        return [json.loads(line) for line in path.read_text().splitlines()]

    return read
