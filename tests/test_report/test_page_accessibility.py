"""What axe-core finds, and what it cannot: order of headings and focus."""

from pathlib import Path

import pytest
from made_reports import MadeReport

from mmisl.report.page import write_page

AXE = Path(__file__).parent / 'axe' / 'axe.min.js'


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    made = MadeReport()
    folder = tmp_path_factory.mktemp('accessible')
    return write_page(made.payload, made.blobs, folder / 'report.html')


def open_all(page):
    """Unfolds all and chooses an image, so that nothing is left out."""
    page.locator('.maps').scroll_into_view_if_needed()
    page.locator('.maps[data-ready]').wait_for()
    page.evaluate(
        """for (const one of document.querySelectorAll('details')) {
            one.open = true;
        }"""
    )
    page.locator('figure.map canvas').first.click()
    page.keyboard.press('ArrowRight')
    page.keyboard.press('Enter')
    page.locator('.detail[data-sample]').wait_for()
    # The list of sections sticks to the window, and now covers buttons.
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")


@pytest.mark.parametrize('scheme, width', [('light', 1200), ('dark', 360)])
def test_page__axe_finds_nothing(report, open_report, scheme, width):
    page = open_report(report, width=width, color_scheme=scheme)
    open_all(page)
    page.evaluate(AXE.read_text(encoding='utf-8'))
    result = page.evaluate(
        """axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa',
                              'wcag22aa', 'best-practice']})"""
    )
    found = [
        f'{rule["id"]} {node["target"]}: {node["failureSummary"]}'
        for rule in result['violations']
        for node in rule['nodes']
    ]
    assert not found, '\n'.join(found)
    # It has looked: these rules have found what they pass.
    passed = {rule['id'] for rule in result['passes']}
    assert {'color-contrast', 'label', 'heading-order', 'region'} <= passed


def test_page__every_control_shows_its_focus(report, open_report):
    page = open_report(report)
    controls = page.locator(
        'button:enabled:visible, input:visible, select, canvas[tabindex]'
    )
    assert controls.count() > 15
    # As after a key, which is what :focus-visible asks for.
    page.keyboard.press('Tab')
    outlines = controls.evaluate_all(
        """all => all.map(one => {
            one.focus();
            return getComputedStyle(one).outlineStyle;
        })"""
    )
    assert set(outlines) == {'solid'}


def test_page__no_motion_for_who_wants_none(report, open_report):
    for motion, wanted in [('reduce', 'auto'), ('no-preference', 'smooth')]:
        page = open_report(report, reduced_motion=motion)
        behavior = page.evaluate(
            'getComputedStyle(document.documentElement).scrollBehavior'
        )
        assert behavior == wanted
