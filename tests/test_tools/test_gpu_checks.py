import importlib
import json
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / 'tools' / 'benchmark'
TOOL = 'benchmark/gpu_checks.py'
needs_triton = pytest.mark.skipif(
    find_spec('triton') is None, reason='Triton is not installed'
)


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@needs_triton
def test_gpu_checks__every_section_at_toy_size(tmp_path, run_tool):
    out = tmp_path / 'checks.json'
    # Not the tests: this one would run others.
    sections = ['kernels', 'waiting', 'bank_loss', 'training', 'mining']
    done = run_tool(
        *(TOOL, '--device', 'cpu', '--tiny', '--out', out),
        *('--only', *sections),
        fresh=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(out.read_text())['rows']
    found = {name: [] for name in sections}
    for row in rows:
        assert list(row) == ['section', 'what', 'figure', 'target', 'verdict']
        assert row['verdict'] not in ('FAILED', 'MISSED'), row
        found[row['section']].append(row)
    # Three types of bank, six results each, and the same bits twice.
    assert len(found['kernels']) == 19
    assert {row['verdict'] for row in found['kernels']} == {'met'}
    # Two types with three sides, and the curve.
    assert len(found['bank_loss']) >= 8
    assert [row['what'][:15] for row in found['training']] == [
        'r18, torch: (a)',
        'r18, torch: (b)',
        'r18, torch: (c)',
    ]
    parts = [row['what'] for row in found['waiting']]
    for name in ('forward', 'backward', 'optimizer step', 'bank update'):
        assert f'torch: {name}' in parts
    agreed = [row['figure'] for row in found['mining'][:2]]
    assert all(figure.startswith('100.00 % of ') for figure in agreed)
    assert not any(figure.endswith(' of 0') for figure in agreed)


def test_gpu_checks__no_gpu_is_said_in_a_line(run_tool):
    done = run_tool(TOOL)
    assert done.returncode == 2
    assert done.stdout == ''
    assert done.stderr.count('\n') == 1
    assert 'no GPU is visible to torch' in done.stderr


def test_gpu_checks__full_size_on_a_cpu_is_refused(run_tool):
    done = run_tool(TOOL, '--device', 'cpu')
    assert done.returncode == 2
    assert '--device cpu needs --tiny' in done.stderr


def test_gpu_checks__time_that_runs_out_is_a_failure(tmp_path, run_tool):
    out = tmp_path / 'checks.json'
    done = run_tool(
        *(TOOL, '--device', 'cpu', '--tiny', '--out', out),
        *('--only', 'kernels', 'mining', '--minutes', 0.001),
    )
    assert done.returncode == 1
    rows = json.loads(out.read_text())['rows']
    assert [row['verdict'] for row in rows] == ['FAILED', 'FAILED']
    assert 'stopped after 0 s' in rows[0]['figure']
    assert 'no time left of 0.001 min' in rows[1]['figure']


def test_attempt__keeps_an_error_to_itself(load):
    sections = load('gpu_sections')

    def checks():
        yield sections.Check('first', '1')
        raise ValueError('k is 0\nand more')

    first, failure = sections.attempt('part', checks)
    assert (first.what, first.verdict) == ('first', 'measured')
    assert (failure.what, failure.verdict) == ('part', 'FAILED')
    assert failure.figure == 'ValueError: k is 0'


@needs_triton
def test_kernel_checks__a_wrong_kernel_exceeds_what_is_allowed(
    load, monkeypatch
):
    checks = load('kernel_checks')
    case = checks.TINY_CASES[0]
    inputs = checks._inputs(case, 'cpu')
    wrong = {
        name: 1.001 * value
        for name, value in checks._results(
            case, inputs, torch.float32, 'torch'
        ).items()
    }
    original = checks._results

    def results(case, inputs, dtype, backend):
        if backend == 'triton':
            return wrong
        return original(case, inputs, dtype, backend)

    monkeypatch.setattr(checks, '_results', results)
    found = {
        name: error > allowed
        for name, error, allowed, _ in checks.compare(case, 'cpu')
    }
    assert len(found) == 6
    assert all(found.values())


def test_places__name_the_line_that_waited(load):
    loop = load('waiting_loop')

    def waits():
        warnings.warn(loop.SYNC_MESSAGE, stacklevel=1)
        warnings.warn('something else', stacklevel=1)

    (place,) = loop._places(waits)
    line = waits.__code__.co_firstlineno + 1
    assert place == f'test_gpu_checks.py:{line} waits'
