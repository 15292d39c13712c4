"""tools/screenshot_report.py on a made report."""

import sys
from pathlib import Path

import numpy as np
import pytest
from made_reports import MadeReport
from PIL import Image

from mmisl.report.page import write_page

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(TOOLS), *sys.path])
    import screenshot_report

    return screenshot_report


def message_of(tool, capsys, argv):
    with pytest.raises(SystemExit) as stop:
        tool.main([str(arg) for arg in argv])
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_screenshot_report__pictures_of_every_part(
    tool, browser, tmp_path, monkeypatch
):
    made = MadeReport()
    report = write_page(made.payload, made.blobs, tmp_path / 'report.html')
    # The fixture's browser: a second Playwright cannot run beside it.
    taken = dict(tool.take_pictures(browser, report))
    assert list(taken) == ['curves', 'gallery', 'map', 'phone']
    for name, picture in taken.items():
        path = tmp_path / f'{name}.png'
        tool.write_small(picture, path)
        assert path.stat().st_size <= tool.MAX_BYTES
        pixels = np.asarray(Image.open(path).convert('RGB'))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
        width = {'phone': 360}.get(name)
        assert width in (None, pixels.shape[1])


def test_screenshot_report__parts_that_are_not_there(tool, browser, tmp_path):
    made = MadeReport(num_runs=1)
    made.payload['runs'][0].update(rounds=[], map=None)
    report = write_page(made.payload, made.blobs, tmp_path / 'report.html')
    assert [name for name, _ in tool.take_pictures(browser, report)] == [
        'curves'
    ]


def test_write_small__noise_gets_fewer_colors(tool, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / 'noise.png')
    before = (tmp_path / 'noise.png').read_bytes()
    assert len(before) > tool.MAX_BYTES
    tool.write_small(before, tmp_path / 'small.png')
    assert (tmp_path / 'small.png').stat().st_size <= tool.MAX_BYTES
    assert Image.open(tmp_path / 'small.png').size == (400, 400)


def test_screenshot_report__no_report(tool, capsys, tmp_path):
    message = message_of(
        tool, capsys, [tmp_path / 'none.html', '--out', tmp_path / 'out']
    )
    assert message == (
        f'error: report {tmp_path}/none.html does not exist; '
        'tools/report.py makes one\n'
    )
    assert not (tmp_path / 'out').exists()


def test_open_page__another_page(tool, browser, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, 'START_SECONDS', 0.2)
    other = tmp_path / 'other.html'
    other.write_text('<p>nothing')
    with pytest.raises(ValueError, match='no page of tools/report.py'):
        tool.open_page(browser, other, tool.PHONE)


def test_screenshot_report__no_browser(tool, capsys, tmp_path, monkeypatch):
    pytest.importorskip('playwright')
    report = tmp_path / 'report.html'
    report.touch()
    monkeypatch.setenv('PATH', str(tmp_path))
    message = message_of(tool, capsys, [report, '--out', tmp_path])
    assert message == (
        'error: none of chromium, chromium-browser, google-chrome is on '
        'PATH; install one (Debian: apt install chromium)\n'
    )
