"""A headless browser, and pages whose errors and requests are noted."""

import os
import shutil

import pytest

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
# Pages that a report may read: itself, and what it carries.
INNER = ('file:', 'data:', 'blob:')


def _no_browser(reason):
    """Skip, but never in CI, where these tests have to be run."""
    if os.environ.get('CI'):
        pytest.fail(f'CI is set, and {reason}')
    pytest.skip(reason)


@pytest.fixture(scope='module')
def browser():
    """Chromium, driven by Playwright.

    Not of the session: processes that later tests fork, and leave behind,
    would hold the pipe to Playwright's driver open, and its end would be
    waited for in vain.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _no_browser('playwright is not installed: make test installs it')
    found = [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        _no_browser(f'none of {", ".join(BROWSERS)} is on PATH')
    with sync_playwright() as playwright:
        # Chromium as root has no sandbox.
        sandbox = [] if os.geteuid() else ['--no-sandbox']
        chromium = playwright.chromium.launch(
            executable_path=found[0], args=sandbox
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_report(browser):
    """Opens a report; in the end no error and no request may be noted.

    ``open_report(path, width=1200, height=900, **context)`` returns the page
    once its script has started all parts.
    """
    contexts, problems = [], []

    def note(request):
        if not request.url.startswith(INNER):
            problems.append(f'request: {request.url}')

    def open_one(path, width=1200, height=900, **options):
        context = browser.new_context(
            viewport={'width': width, 'height': height}, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on('request', note)
        page.on('pageerror', lambda error: problems.append(str(error)))
        page.on(
            'console',
            lambda line: (
                problems.append(line.text)
                if line.type in ('error', 'warning')
                else None
            ),
        )
        page.on('dialog', lambda dialog: problems.append(dialog.message))
        page.goto(path.absolute().as_uri())
        # Not wait_for_function: it evaluates text, which the page forbids.
        page.locator('html[data-ready]').wait_for(state='attached')
        return page

    yield open_one
    pages = [page for context in contexts for page in context.pages]
    injected = [page.evaluate('window.__xss') for page in pages]
    for context in contexts:
        context.close()
    assert injected == [None] * len(pages)
    assert problems == []
