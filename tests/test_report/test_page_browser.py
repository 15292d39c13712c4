"""The page in a headless Chromium: what is shown, by mouse and by keys."""

import io
import re

import numpy as np
import pytest
from made_reports import HOSTILE, MadeReport, colors_of
from PIL import Image

from mmisl.report.page import write_page

# What drives the browser is missed with a reason by the fixture `browser`.
sync_api = pytest.importorskip('playwright.sync_api')

MAP_MARGIN = 12


@pytest.fixture(scope='module')
def made():
    return MadeReport()


@pytest.fixture(scope='module')
def report(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp('report "of" <b>')
    return write_page(made.payload, made.blobs, folder / 'report.html')


def neighbors(made, run, number, anchor, kind='neighbors'):
    row = made.arrays[f'run{run}-round{number}-{kind}'][anchor]
    return [int(sample) for sample in row if sample >= 0]


def is_wrong(made, anchor, sample):
    one, other = made.labels[[anchor, sample]]
    return one >= 0 and other >= 0 and one != other


def settle(page):
    """Waits until the cards are those of what was chosen last."""
    page.locator('.anchors:not([aria-busy])').wait_for(state='attached')


def shown_anchors(page):
    settle(page)
    cards = page.locator('.anchor-card')
    return cards.evaluate_all('all => all.map(one => +one.dataset.anchor)')


def shown_tiles(row):
    return row.locator('li.tile').evaluate_all(
        'all => all.map(one => +one.dataset.sample)'
    )


def mined_row(page, anchor, run):
    settle(page)
    return page.locator(
        f'.anchor-card[data-anchor="{anchor}"] .mined-row[data-run="run{run}"]'
    )


def set_round(page, number):
    """Moves the slider as a mouse does, and waits for what it shows."""
    page.locator('.round').fill(str(number))
    purity = page.locator('.round-facts dd').first
    sync_api.expect(purity).to_have_text(f'0.{number}1')


def tab_to(page, selector):
    for _ in range(80):
        page.keyboard.press('Tab')
        if page.evaluate('s => document.activeElement.matches(s)', selector):
            return
    raise AssertionError(f'Tab does not reach {selector}')


def map_canvas(page, run=0):
    canvas = page.locator(f'figure.map[data-run="run{run}"] canvas').first
    canvas.scroll_into_view_if_needed()
    page.locator('.maps[data-ready]').wait_for()
    return canvas


def chosen(page, sample):
    detail = page.locator(f'.detail[data-sample="{sample}"]')
    detail.wait_for()
    return detail


def test_slider__shows_the_neighbors_of_the_round(made, report, open_report):
    page = open_report(report)
    anchors = shown_anchors(page)
    assert len(anchors) == 6
    for number in (2, 0, 1):
        set_round(page, number)
        assert shown_anchors(page) == anchors
        for anchor in anchors:
            for run in (0, 1):
                row = mined_row(page, anchor, run)
                assert shown_tiles(row) == neighbors(made, run, number, anchor)


def test_gallery__first_anchors_are_of_different_classes(
    made, report, open_report
):
    anchors = shown_anchors(open_report(report))
    # Six classes and one image whose class is not known.
    assert len({int(made.labels[anchor]) for anchor in anchors}) == 6


def test_gallery__anchors_without_neighbors_come_last(report, open_report):
    page = open_report(report)
    for first in range(7, 60, 6):
        page.locator('.next').click()
        last = min(first + 5, 60)
        page.get_by_text(f'Anchors {first} to {last} of 60').wait_for()
    # MadeReport leaves this one alone in all runs.
    assert shown_anchors(page)[-1] == 5


def test_gallery__frames_marks_and_words(made, report, open_report):
    page = open_report(report)
    seen = set()
    for anchor in shown_anchors(page):
        cosine = made.arrays['run0-round2-cosine'][anchor] / 127.5 - 1
        tiles = mined_row(page, anchor, 0).locator('li.tile')
        for place, sample in enumerate(neighbors(made, 0, 2, anchor)):
            tile = tiles.nth(place)
            words = tile.locator('canvas').get_attribute('aria-label')
            assert words.startswith(f'Image {sample}, ')
            assert words.endswith(f'cosine {cosine[place]:.2f}')
            marks = tile.locator('.mark').all_text_contents()
            names = tile.locator('.class-name').all_text_contents()
            color = tile.locator('.frame').evaluate(
                'one => getComputedStyle(one).borderTopColor'
            )
            if made.labels[anchor] < 0 or made.labels[sample] < 0:
                wanted = ([], [], 'rgba(0, 0, 0, 0)')
            elif is_wrong(made, anchor, sample):
                name = HOSTILE[made.labels[sample]]
                wanted = (['✗'], [name], 'rgb(194, 36, 44)')
                assert 'another class' in words
            else:
                wanted = (['✓'], [], 'rgb(24, 122, 52)')
                assert 'same class' in words
            assert (marks, names, color) == wanted
            seen.update(marks)
    assert seen == {'✓', '✗'}


def test_gallery__thumbnails_are_those_of_the_samples(
    made, report, open_report
):
    page = open_report(report)
    # Sheets are decoded beside the script.
    unpainted = page.locator('.anchors canvas:not([data-painted])')
    sync_api.expect(unpainted).to_have_count(0)
    pixels = page.locator('.anchors canvas').evaluate_all(
        """all => all.map(one => [+one.dataset.sample,
            ...one.getContext('2d').getImageData(4, 4, 1, 1).data])"""
    )
    assert len(pixels) > 50
    # Both sheets are among them.
    assert min(p[0] for p in pixels) < 32 < max(p[0] for p in pixels)
    colors = colors_of(made.num_images).tolist()
    for sample, *color in pixels:
        assert color == [*colors[sample], 255]


def test_gallery__control_beside_the_run_that_has_one(
    made, report, open_report
):
    page = open_report(report)
    control = page.locator('.control-row')
    assert control.count() == 6  # of one run of two
    anchor = shown_anchors(page)[0]
    assert shown_tiles(control.first) == neighbors(
        made, 1, 2, anchor, 'control'
    )
    bytes_ = made.arrays['run1-round2-control_cosine'][anchor]
    cosines = control.first.locator('.cosine').all_text_contents()
    assert cosines == [
        f'{byte / 127.5 - 1:.2f}' for byte in bytes_[: len(cosines)]
    ]
    page.get_by_role('checkbox', name='Plain nearest').uncheck()
    sync_api.expect(control).to_have_count(0)


def test_filter__only_wrong_neighbors(made, report, open_report):
    page = open_report(report)
    page.get_by_label('Only wrong neighbours').check()
    sync_api.expect(page.locator('.anchors .tile.right')).to_have_count(0)
    for anchor in shown_anchors(page):
        for run in (0, 1):
            row = mined_row(page, anchor, run)
            every = neighbors(made, run, 2, anchor)
            wrong = [s for s in every if is_wrong(made, anchor, s)]
            assert shown_tiles(row) == wrong


def test_filter__only_anchors_with_wrong_neighbors(made, report, open_report):
    page = open_report(report)
    wrong = {
        run: {
            anchor
            for anchor in range(made.num_images)
            for sample in neighbors(made, run, 2, anchor)
            if is_wrong(made, anchor, sample)
        }
        for run in (0, 1)
    }
    assert wrong[0] - wrong[1]
    page.get_by_label('Only anchors with wrong').check()
    showing = page.locator('.showing')
    sync_api.expect(showing).to_have_text(
        f'Anchors 1 to 6 of {len(wrong[0] | wrong[1])}'
    )
    # One run alone: its checkbox is the first of the runs.
    page.locator('.run-choice').first.uncheck()
    sync_api.expect(showing).to_have_text(f'Anchors 1 to 6 of {len(wrong[1])}')
    shown = []
    while True:
        shown += shown_anchors(page)
        if page.locator('.next').is_disabled():
            break
        before = showing.text_content()
        page.locator('.next').click()
        sync_api.expect(showing).not_to_have_text(before)
    assert sorted(shown) == sorted(wrong[1])
    assert page.locator('.mined-row[data-run="run0"]').count() == 0


def test_paging__next_previous_and_a_number(report, open_report):
    page = open_report(report)
    first = shown_anchors(page)
    page.locator('.next').click()
    page.get_by_text('Anchors 7 to 12 of 60').wait_for()
    assert not set(first) & set(shown_anchors(page))
    page.get_by_label('Image number').fill('41')
    page.keyboard.press('Enter')
    page.get_by_text('Image 41 alone').wait_for()
    assert shown_anchors(page) == [41]
    assert page.locator('.previous').is_disabled()
    assert page.locator('.next').is_disabled()
    # To the page that was left.
    back = page.get_by_role('button', name='Back to the anchors')
    back.click()
    page.get_by_text('Anchors 7 to 12 of 60').wait_for()
    sync_api.expect(page.locator('.showing')).to_be_focused()
    assert back.is_hidden()
    page.locator('.previous').click()
    page.get_by_text('Anchors 1 to 6 of 60').wait_for()
    assert shown_anchors(page) == first
    # A number that no image has is refused by the form.
    page.get_by_label('Image number').fill('60')
    page.keyboard.press('Enter')
    assert shown_anchors(page) == first


def test_slider__by_keyboard(made, report, open_report):
    page = open_report(report)
    tab_to(page, '.round')
    slider = page.locator('.round')
    assert slider.get_attribute('aria-valuetext') == 'Round 2, after epoch 4'
    page.keyboard.press('ArrowLeft')
    purity = page.locator('.round-facts dd').first
    sync_api.expect(purity).to_have_text('0.11')
    assert slider.get_attribute('aria-valuetext') == 'Round 1, after epoch 2'
    anchor = shown_anchors(page)[0]
    row = mined_row(page, anchor, 0)
    assert shown_tiles(row) == neighbors(made, 0, 1, anchor)


def click_sample(page, made, canvas, sample):
    size = canvas.bounding_box()['width']
    x, y = made.places[sample] / 65535
    span = size - 2 * MAP_MARGIN
    canvas.click(
        position={'x': MAP_MARGIN + x * span, 'y': MAP_MARGIN + y * span}
    )


def test_map__click_shows_the_image_and_its_rounds(made, report, open_report):
    page = open_report(report)
    click_sample(page, made, map_canvas(page, 1), 20)
    detail = chosen(page, 20)
    assert detail.locator('h3').text_content() == 'Image 20'
    name = HOSTILE[made.labels[20]]
    assert detail.locator('.detail-class').text_content() == name
    assert f'image 20 {HOSTILE[2]}' in detail.text_content()
    assert f'Cluster 0 of {HOSTILE[1]}' in detail.text_content()
    for run in (0, 1):
        rows = detail.locator(f'.detail-run[data-run="run{run}"] .row')
        assert [shown_tiles(rows.nth(i)) for i in range(3)] == [
            neighbors(made, run, number, 20) for number in range(3)
        ]
    status = page.locator('.point-status')
    assert status.text_content().startswith(f'Image 20, {name}.')


def test_map__click_far_from_all_points_chooses_none(
    made, report, open_report
):
    page = open_report(report)
    canvas = map_canvas(page)
    # The grid of 8 x 8 places lacks its last four.
    corner = canvas.bounding_box()['width'] - MAP_MARGIN
    canvas.click(position={'x': corner, 'y': corner})
    click_sample(page, made, canvas, 8)
    chosen(page, 8)


def test_map__by_keyboard(made, report, open_report):
    page = open_report(report)
    map_canvas(page)
    tab_to(page, 'figure.map canvas')
    page.keyboard.press('ArrowRight')
    status = page.locator('.point-status')
    start = int(re.match(r'Image (\d+)', status.text_content())[1])
    assert start in (27, 28, 35, 36)  # round the middle of the grid
    walk = [('ArrowRight', 1), ('ArrowDown', 8), ('ArrowLeft', -1)]
    walk += [('ArrowUp', -8), ('ArrowUp', -8)]
    for key, step in walk:
        page.keyboard.press(key)
        start += step
        assert status.text_content().startswith(f'Image {start}, ')
    page.keyboard.press('Enter')
    chosen(page, start)


def test_map__zoom_keeps_points_where_they_are_drawn(
    made, report, open_report
):
    page = open_report(report)
    canvas = map_canvas(page)
    page.get_by_role('button', name='Zoom in').first.click()
    size = canvas.bounding_box()['width']
    # Twice as large about the middle, which lies between 27 and 36.
    x, y = made.places[27] / 65535
    span = size - 2 * MAP_MARGIN
    places = [2 * (MAP_MARGIN + p * span) - size / 2 for p in (x, y)]
    canvas.click(position=dict(zip('xy', places)))
    chosen(page, 27)
    page.get_by_role('button', name='Show all points').first.click()
    click_sample(page, made, canvas, 0)
    chosen(page, 0)


def test_map__colors_follow_class_and_legend(made, report, open_report):
    page = open_report(report)
    canvas = map_canvas(page)
    size = canvas.bounding_box()['width']

    def color_of(sample):
        x, y = made.places[sample] / 65535 * (size - 2 * MAP_MARGIN)
        return canvas.evaluate(
            """(one, [x, y]) => {
                const pixel = document.createElement('canvas');
                const context = pixel.getContext('2d');
                context.drawImage(one, -Math.round(x), -Math.round(y));
                return [...context.getImageData(0, 0, 1, 1).data];
            }""",
            [MAP_MARGIN + x, MAP_MARGIN + y],
        )

    # Class of one, and two of another: no other pair is compared.
    same = [int(s) for s in (made.labels == made.labels[9]).nonzero()[0]][:2]
    other = int((made.labels != made.labels[9]).nonzero()[0][0])
    assert color_of(same[0]) == color_of(same[1]) != color_of(other)
    name = HOSTILE[made.labels[9]]
    button = page.locator('.legend button').filter(has_text=name)
    button.click()
    assert button.get_attribute('aria-pressed') == 'true'
    assert color_of(same[0])[3] > 2 * color_of(other)[3]
    page.get_by_label('Colour by').select_option('clusters')
    page.get_by_role('button', name='Cluster 3').wait_for()


def test_curves__lines_and_numbers_of_both_runs(report, open_report):
    page = open_report(report)
    chart = page.locator('figure.chart').first
    chart.locator('canvas').wait_for()
    labels = chart.locator('.u-series .u-label').all_text_contents()
    assert labels == ['epoch', 'isl', HOSTILE[1]]
    chart.locator('summary').click()
    # It is made when its event has come.
    rows = chart.locator('table.numbers tbody tr')
    rows.first.wait_for()
    table = [row.locator('th, td').all_text_contents() for row in rows.all()]
    # Written out by hand from MadeReport.run.
    assert table == [
        ['1', '4', '3'],
        ['2', '3.25', '3.25'],
        ['3', '2.5', '2.5'],
        ['4', '2.125', '–'],
    ]


def test_curves__swatches_have_the_dashes_of_the_lines(tmp_path, open_report):
    made = MadeReport(num_runs=1)
    loss = made.payload['runs'][0]['curves'][0]
    loss['series'] *= 4
    page = open_report(
        write_page(made.payload, made.blobs, tmp_path / 'report.html')
    )
    chart = page.locator('figure.chart').first
    markers = chart.locator('.u-series:not(:first-child) .u-marker')
    markers.nth(3).wait_for()
    lines = []
    for marker in markers.all():
        with Image.open(io.BytesIO(marker.screenshot())) as shot:
            pixels = np.asarray(shot.convert('RGB'), int)
        lines.append(pixels[1, :40, 2] > pixels[1, :40, 0] + 60)
    # Blue in order of the pattern: solid, 6 of 10, 2 of 5, 10 and 2 of 20.
    assert [int(line.sum()) for line in lines] == [40, 24, 16, 24]
    assert lines[3][:20].tolist() == (
        [True] * 10 + [False] * 4 + [True] * 2 + [False] * 4
    )


def test_curves__more_are_unfolded_by_group(report, open_report):
    page = open_report(report)
    box = page.locator('#curves')
    figures = box.locator('.chart-grid').first.locator('figcaption')
    assert figures.all_text_contents() == ['loss', 'top-1 accuracy']
    more = box.locator('.more-curves')
    more.scroll_into_view_if_needed()
    box.locator('figure.chart canvas').nth(1).wait_for()
    # Nothing is drawn before it is asked for.
    assert more.locator('canvas').count() == 0
    summary = more.locator(':scope > summary')
    assert summary.text_content() == 'More curves (3)'
    summary.click()
    assert more.locator('h3').all_text_contents() == ['Loss', 'Speed']
    loss = more.locator('.chart-grid').first
    # The second run has 'b' before the other, the first run has no 'b'.
    assert loss.locator('figcaption').all_text_contents() == ['b', HOSTILE[2]]
    # A line that one run alone has is named after it.
    labels = loss.locator('figure').first.locator('.u-label')
    labels.nth(1).wait_for()
    assert labels.all_text_contents() == ['epoch', HOSTILE[1]]
    canvas = loss.locator('canvas').first
    canvas.wait_for()
    width = canvas.bounding_box()['width']
    assert width > 200
    summary.click()
    sync_api.expect(canvas).to_be_hidden()
    summary.click()
    sync_api.expect(canvas).to_be_visible()
    assert canvas.bounding_box()['width'] == width


def test_curves__others_are_open_where_there_is_no_main_one(
    tmp_path, open_report
):
    made = MadeReport(num_runs=1)
    run = made.payload['runs'][0]
    run['curves'] = [one for one in run['curves'] if not one['main']]
    page = open_report(
        write_page(made.payload, made.blobs, tmp_path / 'report.html')
    )
    assert page.locator('figure.chart').count() == 2
    assert page.locator('figure.chart').last.is_visible()


def test_curves__a_line_is_hidden_by_keyboard(report, open_report):
    page = open_report(report)
    switch = page.locator('figure.chart').first.get_by_role(
        'button', name='isl'
    )
    switch.focus()
    page.keyboard.press('Enter')
    assert switch.get_attribute('aria-pressed') == 'false'
    page.keyboard.press(' ')
    assert switch.get_attribute('aria-pressed') == 'true'


def test_command__is_copied(made, report, open_report):
    page = open_report(
        report, permissions=['clipboard-read', 'clipboard-write']
    )
    page.get_by_role('button', name='Copy').first.click()
    page.get_by_role('button', name='Copied').wait_for()
    copied = page.evaluate('navigator.clipboard.readText()')
    assert copied == made.payload['runs'][0]['command']


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_page__no_sideways_scroll_on_a_phone(
    made, report, open_report, scheme
):
    page = open_report(report, width=360, height=740, color_scheme=scheme)
    click_sample(page, made, map_canvas(page), 12)
    chosen(page, 12)
    for details in page.locator('main details').all():
        details.evaluate('one => { one.open = true }')
    assert page.evaluate('document.documentElement.scrollWidth') == 360


def test_page__hostile_names_are_read_as_they_are(report, open_report):
    page = open_report(report)
    assert page.locator('h1').text_content() == f'Report of {HOSTILE[0]}'
    body = page.locator('body').text_content()
    assert f'no checkpoint in {HOSTILE[0]}' in body
    for name in HOSTILE:
        assert name in body
    name = page.locator('.run-card .ellipsis').nth(1)
    assert name.text_content() == HOSTILE[1]
    # No element of the names.
    assert page.locator('svg').count() == 0
    assert page.locator('img:not(.views img)').count() == 0


def test_page__policy_forbids_requests(report, browser):
    page = browser.new_page()
    page.goto(report.absolute().as_uri())
    directive = page.evaluate(
        """new Promise(resolve => {
            document.addEventListener('securitypolicyviolation',
                event => resolve(event.effectiveDirective));
            fetch('https://example.com/').catch(() => {});
        })"""
    )
    page.close()
    assert directive == 'connect-src'


def test_gallery__warnings_of_the_round(report, open_report):
    page = open_report(report)
    warnings = page.locator('.round-facts .warnings')
    assert warnings.all_text_contents() == [f'quota not met in {HOSTILE[1]}']
    set_round(page, 0)
    sync_api.expect(warnings).to_have_count(0)


def test_gallery__nothing_was_mined(tmp_path, open_report):
    made = MadeReport(num_runs=1)
    first = made.payload['runs'][0]['rounds'][0]
    nothing = np.full((made.num_images, made.width), -1, np.int32)
    made.put(first['neighbors'], nothing)
    first['warnings'] = ['no edge mined (50 asked for); raise topk']
    page = open_report(
        write_page(made.payload, made.blobs, tmp_path / 'report.html')
    )
    assert len(shown_anchors(page)) == 6
    set_round(page, 0)
    page.get_by_text('Nothing was mined here').wait_for()
    assert page.get_by_text(first['warnings'][0]).is_visible()
    assert shown_anchors(page) == []


def test_gallery__glossary_by_keyboard(report, open_report):
    page = open_report(report)
    meaning = page.locator('.glossary').get_by_text('more than 10 times')
    assert meaning.is_hidden()
    tab_to(page, '.glossary summary')
    page.keyboard.press('Enter')
    sync_api.expect(meaning).to_be_visible()


def test_page__without_labels(tmp_path, open_report):
    made = MadeReport(labels=False)
    page = open_report(
        write_page(made.payload, made.blobs, tmp_path / 'report.html')
    )
    assert page.get_by_text('These images have no labels').is_visible()
    assert page.get_by_label('Only wrong neighbours').count() == 0
    assert page.locator('.tile.right, .tile.wrong, .mark').count() == 0
    anchor = shown_anchors(page)[0]
    # The name of the file tells what no class does.
    file = page.locator('.anchor-file').first
    assert file.text_content() == f'image {anchor} {HOSTILE[anchor % 6]}'
    assert file.bounding_box()['height'] < 30
    cosine = made.arrays['run0-round2-cosine'][anchor] / 127.5 - 1
    shown = mined_row(page, anchor, 0).locator('.cosine').all_text_contents()
    mined = neighbors(made, 0, 2, anchor)
    assert shown == [f'{value:.2f}' for value in cosine[: len(mined)]]
    click_sample(page, made, map_canvas(page), 30)
    chosen(page, 30)


@pytest.fixture(scope='module')
def unequal():
    """Its runs mined after epochs 0, 2 and 4, and after 1, 2 and 7."""
    made = MadeReport()
    for mined, epoch in zip(made.payload['runs'][1]['rounds'], (1, 2, 7)):
        mined.update(epoch=epoch, label=f'round {mined["round"]} at {epoch}')
    return made


@pytest.fixture(scope='module')
def unequal_report(unequal, tmp_path_factory):
    folder = tmp_path_factory.mktemp('unequal')
    return write_page(unequal.payload, unequal.blobs, folder / 'report.html')


def shown_rounds(page, made, anchor):
    """Number of the round of each run whose neighbours stand there."""
    found = []
    for run in (0, 1):
        row = mined_row(page, anchor, run)
        tiles = shown_tiles(row) if row.count() else None
        numbers = [
            number
            for number in range(3)
            if neighbors(made, run, number, anchor) == tiles
        ]
        found += numbers or [None]
    return tuple(found)


def test_slider__runs_meet_by_epoch(unequal, unequal_report, open_report):
    page = open_report(unequal_report)
    slider = page.locator('.round')
    assert slider.get_attribute('max') == '4'
    anchor = shown_anchors(page)[0]
    # By hand: the last round of each run at or before the epoch.
    wanted = [
        (0, (0, None)),
        (1, (0, 0)),
        (2, (1, 1)),
        (4, (2, 1)),
        (7, (2, 2)),
    ]
    for place, (epoch, rounds) in reversed(list(enumerate(wanted))):
        slider.fill(str(place))
        label = page.locator('.round-label')
        sync_api.expect(label).to_have_text(f'epoch {epoch}')
        dates = page.locator('.round-facts').nth(1)
        sync_api.expect(dates).to_contain_text(
            {
                0: 'Nothing mined by epoch 0; its first is round 0 at 1.',
                1: 'round 0 at 1',
                2: 'round 1 at 2',
                4: 'round 1 at 2 (the newest here at epoch 4)',
                7: 'round 2 at 7',
            }[epoch]
        )
        assert shown_rounds(page, unequal, anchor) == rounds
        assert slider.get_attribute('aria-valuetext') == (
            f'epoch {epoch}; isl: Round {rounds[0]}, after epoch '
            f'{2 * rounds[0]}; {HOSTILE[1]}: '
            + {
                None: 'nothing mined yet',
                0: 'round 0 at 1',
                1: 'round 1 at 2',
                2: 'round 2 at 7',
            }[rounds[1]]
        )


def test_slider__walks_over_the_rounds_of_the_shown_runs(
    unequal, unequal_report, open_report
):
    page = open_report(unequal_report)
    slider, label = page.locator('.round'), page.locator('.round-label')
    anchor = shown_anchors(page)[0]
    choices = page.locator('.run-choice')
    # Epoch 7 is no moment of the first run, whose last is epoch 4.
    choices.nth(1).uncheck()
    sync_api.expect(label).to_have_text('Round 2, after epoch 4')
    assert (slider.get_attribute('max'), slider.input_value()) == ('2', '2')
    assert shown_rounds(page, unequal, anchor) == (2, None)
    # The epoch that was wanted comes back.
    choices.nth(1).check()
    sync_api.expect(label).to_have_text('epoch 7')
    # Epoch 0 lies before all moments of the second run.
    slider.fill('0')
    choices.nth(0).uncheck()
    sync_api.expect(label).to_have_text('round 0 at 1')
    assert slider.input_value() == '0'
    assert shown_rounds(page, unequal, anchor) == (None, 0)
    choices.nth(1).uncheck()
    page.get_by_text('No run is chosen.').wait_for()
    assert slider.get_attribute('max') == '4'


def test_map__rounds_of_each_run_by_its_own_epochs(
    unequal, unequal_report, open_report
):
    page = open_report(unequal_report)
    click_sample(page, unequal, map_canvas(page, 1), 20)
    rows = chosen(page, 20).locator('.detail-run[data-run="run1"] .row')
    titles = rows.locator('.row-title span:first-child').all_text_contents()
    assert titles == ['round 0 at 1', 'round 1 at 2', 'round 2 at 7']


def test_page__sentences_in_place_of_what_is_missing(tmp_path, open_report):
    made = MadeReport(num_runs=1)
    run = made.payload['runs'][0]
    run.update(facts=[], config_text='', command='', stages=[], curves=[])
    run.update(round_ends=[], rounds=[], map=None, clusters=None, views=[])
    made.payload['detection'] = []
    made.payload['datasets']['data0'].update(
        labels=None, names=None, sprites=None, num_images=0
    )
    page = open_report(
        write_page(made.payload, made.blobs, tmp_path / 'report.html')
    )
    for section in [
        'run',
        'stages',
        'curves',
        'neighbors',
        'map',
        'views',
        'detection',
    ]:
        assert page.locator(f'#{section} .missing').first.is_visible()


def test_page__without_thumbnails(tmp_path, open_report):
    made = MadeReport(num_runs=1)
    made.payload['datasets']['data0'].update(sprites=None, names=None)
    page = open_report(
        write_page(made.payload, made.blobs, tmp_path / 'report.html')
    )
    assert page.get_by_text('no thumbnails').is_visible()
    anchor = shown_anchors(page)[0]
    card = page.locator(f'.anchor-card[data-anchor="{anchor}"]')
    assert card.locator('.anchor .blank').text_content() == f'#{anchor}'


def test_map__many_classes_have_no_switches(tmp_path, open_report):
    made = MadeReport(num_runs=1)
    made.put('labels', np.arange(60, dtype=np.int32) % 41)
    page = open_report(
        write_page(made.payload, made.blobs, tmp_path / 'report.html')
    )
    map_canvas(page)
    legend = page.locator('.legend')
    sync_api.expect(legend).to_contain_text('41 colours')
    assert legend.locator('button').count() == 0
    page.get_by_label('Colour by').select_option('none')
    sync_api.expect(legend.locator('button')).to_have_count(1)


def settled_top(page, section):
    """Where a section stands once the page has stopped to scroll.

    Returns:
        tuple[float, float]: Its top, and the lowest top that the end of the
        page allows.
    """
    return tuple(
        page.locator(f'#{section}').evaluate(
            """async one => {
                const top = () => one.getBoundingClientRect().top;
                let [last, still] = [NaN, 0];
                while (still < 12) {
                    await new Promise(requestAnimationFrame);
                    still = top() === last ? still + 1 : 0;
                    last = top();
                }
                const height = document.documentElement.scrollHeight;
                return [last, last + scrollY - (height - innerHeight)];
            }"""
        )
    )


# One click on a page that was just opened: nothing below it is drawn yet.
@pytest.mark.parametrize('width, height', [(1280, 900), (360, 740)])
def test_links__first_click_leads_to_the_section(
    report, open_report, width, height
):
    for section in ['neighbors', 'map', 'detection']:
        page = open_report(report, width=width, height=height)
        link = page.locator(f'nav.sections a[href="#{section}"]')
        link.click()
        page.wait_for_url(f'**#{section}')
        top, lowest = settled_top(page, section)
        # Below the bar of links: 4rem.
        assert top == pytest.approx(max(64, lowest), abs=3), section
        page.context.close()


def test_links__address_of_a_section_opens_the_page_there(report, open_report):
    page = open_report(report)
    page.goto('about:blank')
    page.goto(f'{report.absolute().as_uri()}#map')
    page.locator('.maps[data-ready]').wait_for()
    top, lowest = settled_top(page, 'map')
    assert top == pytest.approx(max(64, lowest), abs=3)
