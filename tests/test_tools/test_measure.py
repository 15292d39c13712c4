"""What the benchmarks print."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / 'tools' / 'benchmark'


@pytest.fixture
def measure(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module('measure')


@pytest.mark.parametrize(
    'values, mean, deviation, text',
    [
        ([2.5], 2.5, 0, '2.5'),
        ([70.0, 74.0, 75.0], 73, 7**0.5, '73 ± 2.65'),
        ([54_877, 61_037], 57_957, 3080 * 2**0.5, '57,957 ± 4,356'),
    ],
)
def test_spread__mean_and_deviation(measure, values, mean, deviation, text):
    spread = measure.Spread.of(values)
    assert spread.values == values
    assert spread.mean == pytest.approx(mean)
    assert spread.deviation == pytest.approx(deviation)
    assert str(spread) == text
