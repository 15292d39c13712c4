"""Take pictures of a report: its curves, gallery and map, and on a phone.

Usage:
    python tools/screenshot_report.py REPORT.html --out DIR [--prefix demo]

Writes DIR/PREFIX_curves.png, _gallery.png, _map.png (with an image opened)
and _phone.png, each small enough for a repository. A part that the report
does not have is left out.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import add_traceback_argument, run_tool
from PIL import Image

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
DESKTOP = {'width': 1180, 'height': 1000}
PHONE = {'width': 360, 'height': 760}
START_SECONDS = 30
MAX_BYTES = 200_000
# A long gallery says no more than its first anchors.
MAX_HEIGHT = 1100
# Steps by which the colours of a palette come nearer to those they stand for.
KMEANS = 4
# Beside a section, of what the page has there anyway.
MARGIN = 20


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read ``argv``, or the command line if that is None."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('report', type=Path, help='page of tools/report.py')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder of the pictures'
    )
    parser.add_argument(
        '--prefix', default='report', help='of their names (default: report)'
    )
    add_traceback_argument(parser)
    return parser.parse_args(argv)


def screenshot_report(args: argparse.Namespace) -> None:
    """Write the pictures.

    Raises:
        FileNotFoundError: If there is no report, or no browser.
        RuntimeError: If Playwright is not installed.
        ValueError: If the file is no report.
    """
    if not args.report.is_file():
        raise FileNotFoundError(
            f'report {args.report} does not exist; tools/report.py makes one'
        )
    args.out.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for name, picture in take_pictures(browser, args.report):
            path = args.out / f'{args.prefix}_{name}.png'
            write_small(picture, path)
            print(f'{path} ({path.stat().st_size // 1000} kB)')


@contextmanager
def open_browser() -> Iterator[Any]:
    """A headless Chromium, driven by Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise RuntimeError(
            'pictures of a report need playwright, which is not installed: '
            "pip install -e '.[dev]'"
        ) from error
    found = [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        raise FileNotFoundError(
            f'none of {", ".join(BROWSERS)} is on PATH; install one (Debian: '
            'apt install chromium)'
        )
    # Chromium as root has no sandbox.
    sandbox = [] if os.geteuid() else ['--no-sandbox']
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found[0], args=sandbox
        )
        yield browser
        browser.close()


def take_pictures(browser: Any, report: Path) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of every part that the report has."""
    page = open_page(browser, report, DESKTOP)
    if page.locator('figure.chart').count():
        page.locator('#curves').scroll_into_view_if_needed()
        page.locator('figure.chart canvas').first.wait_for()
        yield 'curves', take_section(page, '#curves')
    if page.locator('.anchor-card').count():
        yield 'gallery', take_section(page, '#neighbors')
    if page.locator('.maps').count():
        page.locator('.maps').first.scroll_into_view_if_needed()
        page.locator('.maps[data-ready]').first.wait_for()
        canvas = page.locator('figure.map canvas').first
        canvas.focus()
        canvas.press('ArrowRight')
        canvas.press('Enter')
        page.locator('.detail[data-sample]').first.wait_for()
        canvas.blur()
        yield 'map', take_section(page, '#map')
    if page.locator('.anchor-card').count():
        phone = open_page(browser, report, PHONE)
        phone.evaluate("document.querySelector('.showing').scrollIntoView()")
        settle(phone)
        yield 'phone', phone.screenshot()


def open_page(browser: Any, report: Path, size: dict[str, int]) -> Any:
    """The report in a window of a size, all its parts started.

    Raises:
        ValueError: If it does not start.
    """
    from playwright.sync_api import TimeoutError

    page = browser.new_page(
        viewport=size, color_scheme='light', reduced_motion='reduce'
    )
    page.goto(report.absolute().as_uri())
    try:
        page.locator('html[data-ready]').wait_for(
            state='attached', timeout=1000 * START_SECONDS
        )
    except TimeoutError as error:
        raise ValueError(
            f'{report} has not started within {START_SECONDS} s: it is no '
            'page of tools/report.py, or not a whole one; make it again'
        ) from error
    # It sticks to the window, and would lie over the sections.
    page.add_style_tag(content='nav.sections { position: static; }')
    return page


def take_section(page: Any, selector: str) -> bytes:
    """The picture of a section, its beginning if it is long."""
    settle(page)
    box = page.locator(selector).bounding_box()
    box['y'] += page.evaluate('scrollY')
    box['height'] = min(box['height'], MAX_HEIGHT)
    box['x'] -= MARGIN
    box['width'] += 2 * MARGIN
    return page.screenshot(full_page=True, clip=box)


def settle(page: Any) -> None:
    """Wait until all thumbnails are painted."""
    unpainted = page.locator('canvas.thumbnail:not([data-painted])')
    unpainted.first.wait_for(state='detached')


def write_small(picture: bytes, path: Path) -> None:
    """Write a PNG with as many colours as fit into ``MAX_BYTES``."""
    image = Image.open(io.BytesIO(picture)).convert('RGB')
    partial = path.with_name(f'{path.name}.partial')
    # The other methods give small swatches the colour of something larger.
    method = Image.Quantize.MAXCOVERAGE
    for colors in (None, 256, 128, 64):
        fewer = image.quantize(colors, method, KMEANS) if colors else image
        fewer.save(partial, 'PNG', optimize=True)
        if partial.stat().st_size <= MAX_BYTES:
            break
    os.replace(partial, path)


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    run_tool(screenshot_report, parse_args(argv))


if __name__ == '__main__':
    main()
