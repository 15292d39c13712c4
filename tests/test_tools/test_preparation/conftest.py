"""tools/prepare_data.py with sets as small as those of official_sets."""

import dataclasses
import importlib
from pathlib import Path

import pytest
from official_sets import SIZES

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def tool(monkeypatch):
    """The tool, its sets as small as those of official_sets."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    tool = importlib.import_module('prepare_data')
    for name, counts in SIZES.items():
        kind = tool.IMAGE_SETS[name]
        if name == 'voc07':
            counts = dict(train=3, val=2, **counts)
        small = dataclasses.replace(
            kind,
            archives=tuple(dict.fromkeys(names) for names in kind.archives),
            official=counts,
            num_bytes=0,
        )
        monkeypatch.setitem(tool.IMAGE_SETS, name, small)
    return tool


@pytest.fixture
def run(tool, tmp_path, monkeypatch, capsys):
    """Run the tool in a folder of its own; gives what it printed."""
    work = tmp_path / 'work'
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*args):
        tool.prepare(tool.parse_args([str(arg) for arg in args]))
        return capsys.readouterr().out.strip()

    return run


@pytest.fixture(params=SIZES)
def name(request):
    return request.param
