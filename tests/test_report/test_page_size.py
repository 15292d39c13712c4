"""A page of 50,000 images: how large it is, and how long it takes to open."""

import io

import numpy as np
import pytest
from made_reports import MadeReport
from PIL import Image

from mmisl.report.page import Blob, write_page

NUM_IMAGES = 50_000
WIDTH = 8
TILE, COLUMNS = 32, 50
MAX_BYTES = 20_000_000
# The promise is 2 s; machines that run tests are slow, and run other things.
MAX_SECONDS = 6


def photo_sheet(rng):
    """A sheet of tiles of about the size that those of photographs have."""
    side = COLUMNS * TILE
    noise = rng.integers(0, 256, (side // 5, side // 5, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((side, side), Image.BILINEAR)
    file = io.BytesIO()
    image.save(file, 'WEBP', quality=30, method=0)
    return Blob(file.getvalue(), 'uint8', (side, side, 3), 'image/webp')


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    rng = np.random.default_rng(0)
    made = MadeReport(num_runs=1, num_images=60)
    run = made.payload['runs'][0]
    shape = (NUM_IMAGES, WIDTH)
    for mined in run['rounds']:
        rows = rng.integers(0, NUM_IMAGES, shape).astype(np.int32)
        made.put(mined['neighbors'], rows)
        made.put(mined['cosine'], rng.integers(0, 256, shape, np.uint8))
    labels = rng.integers(0, 6, NUM_IMAGES).astype(np.int32)
    made.put('labels', labels)
    places = rng.integers(0, 65536, (NUM_IMAGES, 2)).astype(np.uint16)
    made.put('map', places)
    names = [f'class/{index:05d}.png' for index in range(NUM_IMAGES)]
    made.blobs['names'] = Blob.from_lines(names)
    # One sheet of 2500 tiles, as often as 50,000 images need it.
    sheet = photo_sheet(rng)
    sheets = [f'photos{i}' for i in range(NUM_IMAGES // COLUMNS**2)]
    made.blobs.update(dict.fromkeys(sheets, sheet))
    made.payload['datasets']['data0'].update(
        num_images=NUM_IMAGES,
        sprites={
            'sheets': sheets,
            'tile': TILE,
            'columns': COLUMNS,
            'rows': COLUMNS,
        },
    )
    folder = tmp_path_factory.mktemp('large')
    return write_page(made.payload, made.blobs, folder / 'report.html')


def test_page__of_50000_images_is_small_and_opens_soon(report, open_report):
    # Large enough that the time means something.
    assert MAX_BYTES / 2 < report.stat().st_size < MAX_BYTES
    page = open_report(report)
    ready = page.evaluate(
        "performance.getEntriesByName('mmisl-ready')[0].startTime"
    )
    print(f'{report.stat().st_size / 1e6:.1f} MB ready in {ready:.0f} ms')
    assert 0 < ready < MAX_SECONDS * 1000
    assert page.get_by_text('of 50,000').is_visible()

    canvas = page.locator('figure.map canvas')
    canvas.scroll_into_view_if_needed()
    page.locator('.maps[data-ready]').wait_for()
    canvas.click()
    page.locator('.detail[data-sample]').wait_for()
    assert page.locator('.detail .strip').count() == 3
    draw = page.evaluate(
        """async () => {
            const canvas = document.querySelector('figure.map canvas');
            const started = performance.now();
            canvas.closest('.map').querySelector('.zoom-in').click();
            return performance.now() - started;
        }"""
    )
    print(f'map drawn again in {draw:.0f} ms')
    # A frame that takes longer than that is no longer a movement.
    assert draw < 1000
