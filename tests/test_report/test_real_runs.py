"""Reports of runs that tools/train.py has made, opened in Chromium."""

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from real_runs import (
    CIFAR_CLASSES,
    CLASSES,
    kill_in_round_1,
    mean_colour,
    run_tool,
    write_cifar,
    write_digits,
)
from tiny_run import ROOT

from mmisl.apis import extract_features, init_model
from mmisl.report.data_folders import search_places
from mmisl.report.features import encode_images
from mmisl.runs import read_run
from mmisl.structures import MiningSnapshot, snapshot_path

sync_api = pytest.importorskip('playwright.sync_api')

ARCHIVE = ROOT.parent / 'shared' / 'data' / 'cifar10_jpeg.tar.xz'
MAP_MARGIN = 12


class Reported:
    """A report, and what the run behind it has left."""

    def __init__(self, folder, page, output, work_dir):
        self.folder, self.page = folder, page
        self.output, self.work_dir = output, work_dir
        root = folder / 'data' / 'some "images"' / 'train'
        self.files = sorted(path for path in root.glob('*/*'))

    def class_of(self, sample):
        return self.files[sample].parent.name

    def neighbors(self, round_idx, sample):
        """Loops over the edges of the snapshot."""
        edges = MiningSnapshot.load(snapshot_path(self.work_dir, round_idx))
        found = []
        for src, dst, cosine in zip(
            edges.edges.src, edges.edges.dst, edges.edges.cosine
        ):
            if sample in (src, dst):
                other = int(dst if src == sample else src)
                found.append((-float(cosine), other))
        return [other for _, other in sorted(found)][:4]


def make_report(folder, *work_dirs, cwd):
    out = folder / "it's <the> report.html"
    code, output = run_tool(
        'report',
        [*work_dirs, '--out', out, '--max-neighbors', 4, '--num-views', 2],
        cwd,
    )
    assert code == 0, output
    return Reported(folder, out, output, work_dirs[0])


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    """A whole run and one that was killed, side by side."""
    folder = write_digits(tmp_path_factory.mktemp('dig"its'))
    whole, killed = folder / 'runs' / '<whole>', folder / 'runs' / 'killed'
    code, output = run_tool(
        'train', ['config.py', '--work-dir', whole], folder
    )
    assert code == 0, output
    argv = ['config.py', '--work-dir', killed, '--cfg-options']
    argv += ['train_cfg.max_rounds=1000']
    assert kill_in_round_1(argv, folder, killed) == -9
    elsewhere = tmp_path_factory.mktemp('elsewhere')
    return make_report(folder, whole, killed, cwd=elsewhere)


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    if not ARCHIVE.is_file():
        pytest.skip(f'{ARCHIVE.name} is not in ../shared/data')
    folder = write_cifar(tmp_path_factory.mktemp('cifar'), ARCHIVE)
    code, output = run_tool(
        'train', ['config.py', '--work-dir', 'run'], folder
    )
    assert code == 0, output
    return make_report(folder, folder / 'run', cwd=folder)


@pytest.fixture(params=['digits', 'photographs'])
def reported(request):
    return request.getfixturevalue(request.param)


def payload_of(page):
    script = page.locator('script#payload').text_content()
    return json.loads(script)


def array_of(page, name):
    spec = payload_of(page)['blobs'][name]
    text = page.locator(f'script#{spec["id"]}').text_content()
    data = gzip.decompress(base64.b64decode(text))
    return np.frombuffer(data, spec['dtype']).reshape(spec['shape'])


def shown_tiles(row):
    return row.locator('li.tile').evaluate_all(
        'all => all.map(one => +one.dataset.sample)'
    )


def expect_tiles(row, expected):
    """Waits: a round is drawn after its label is shown."""
    for _ in range(200):
        if shown_tiles(row) == expected:
            return
        row.page.wait_for_timeout(50)
    assert shown_tiles(row) == expected


def shown_anchors(page):
    return page.locator('.anchor-card').evaluate_all(
        'all => all.map(one => +one.dataset.anchor)'
    )


def mined_row(page, anchor):
    return page.locator(
        f'.anchor-card[data-anchor="{anchor}"] .mined-row[data-run="run0"]'
    )


def test_report__slider_shows_what_was_mined(reported, open_report):
    page = open_report(reported.page)
    compared = 0
    for number in (0, 1):
        page.locator('.round').fill(str(number))
        label = page.locator('.round-label')
        # Each round of these runs has one epoch, and runs meet by epoch.
        sync_api.expect(label).to_contain_text(f'epoch {number + 1}')
        for anchor in shown_anchors(page):
            expected = reported.neighbors(number, anchor)
            expect_tiles(mined_row(page, anchor), expected)
            compared += len(expected)
    assert compared > 10


def test_report__filter_leaves_wrong_neighbors(reported, open_report):
    page = open_report(reported.page)
    page.get_by_label('Only wrong neighbours').check()
    sync_api.expect(page.locator('.anchors .tile.right')).to_have_count(0)
    shown = 0
    for anchor in shown_anchors(page):
        own = reported.class_of(anchor)
        wrong = [
            other
            for other in reported.neighbors(1, anchor)
            if reported.class_of(other) != own
        ]
        assert shown_tiles(mined_row(page, anchor)) == wrong
        shown += len(wrong)
    assert shown > 3


def test_report__thumbnails_are_the_images(reported, open_report):
    page = open_report(reported.page)
    # Sheets are decoded beside the script.
    unpainted = page.locator('.anchors canvas:not([data-painted])')
    sync_api.expect(unpainted).to_have_count(0)
    colours = page.locator('.anchors canvas').evaluate_all(
        """all => all.map(one => {
            const {width, height} = one;
            const {data} = one.getContext('2d')
                .getImageData(0, 0, width, height);
            const sums = [0, 0, 0];
            data.forEach((value, i) => {
                if (i % 4 < 3) sums[i % 4] += value;
            });
            return [+one.dataset.sample,
                ...sums.map(sum => sum / width / height)];
        })"""
    )
    assert len(colours) > 10
    for sample, *colour in colours:
        expected = mean_colour(reported.files[sample])
        assert np.abs(np.subtract(colour, expected)).max() < 8


def test_report__click_on_the_map(reported, open_report):
    page = open_report(reported.page)
    canvas = page.locator('figure.map[data-run="run0"] canvas').first
    canvas.scroll_into_view_if_needed()
    page.locator('.maps[data-ready]').wait_for()
    points = array_of(page, 'run0/map') / 65535
    sample = int(points.sum(axis=1).argmin())  # nobody is nearer the corner
    size = canvas.bounding_box()['width']
    x, y = MAP_MARGIN + points[sample] * (size - 2 * MAP_MARGIN)
    canvas.click(position={'x': float(x), 'y': float(y)})
    detail = page.locator(f'.detail[data-sample="{sample}"]')
    detail.wait_for()
    rows = detail.locator('.detail-run[data-run="run0"] .row')
    for number in (0, 1):
        expected = reported.neighbors(number, sample)
        assert shown_tiles(rows.nth(number)) == expected
    assert reported.files[sample].name in detail.text_content()
    name = detail.locator('.detail-class').text_content()
    assert name == reported.class_of(sample)


def test_report__by_keyboard(reported, open_report):
    page = open_report(reported.page)
    for selector, key in (('.round', 'Home'), ('figure.map canvas', 'Enter')):
        for _ in range(200):
            page.keyboard.press('Tab')
            if page.evaluate(
                's => document.activeElement.matches(s)', selector
            ):
                break
        if selector == '.round':
            page.keyboard.press(key)
            label = page.locator('.round-label')
            sync_api.expect(label).to_contain_text('round 0')
    page.locator('.maps[data-ready]').wait_for()
    page.keyboard.press('ArrowRight')
    page.keyboard.press('Enter')
    page.locator('.detail[data-sample]').wait_for()


def test_report__of_a_whole_and_a_killed_run(digits, open_report):
    assert f'{digits.page}: ' in digits.output
    assert 'warning' not in digits.output.replace('warnings', '')
    page = open_report(digits.page, width=390)
    whole, killed = payload_of(page)['payload']['runs']
    assert (whole['name'], whole['status']) == ('<whole>', 'finished')
    assert killed['name'] == 'killed'
    assert killed['status'].startswith('stopped after epoch ')
    assert killed['status'].endswith(' of 1000')
    assert whole['dataset'] == killed['dataset']
    assert len(whole['rounds']) == 2 and len(killed['rounds']) >= 1
    assert [len(view['images']) for view in whole['views']] == [3] * 6
    assert 'tools/train.py' in whole['command']
    names = payload_of(page)['payload']['datasets']['data0']['class_names']
    assert names == sorted(CLASSES.values())
    text = page.locator('body').inner_text()
    assert CLASSES['0'] in text and '<whole>' in text


def test_report__of_real_photographs(photographs, open_report):
    page = open_report(photographs.page)
    payload = payload_of(page)['payload']
    (run,) = payload['runs']
    assert run['warnings'] == []
    assert payload['datasets']['data0']['class_names'] == list(CIFAR_CLASSES)
    facts = dict(run['facts'])
    assert facts['images'] == '90' and facts['miner'] == 'KNNMiner'
    purity = dict(run['rounds'][1]['numbers'])['purity']
    edges = MiningSnapshot.load(snapshot_path(photographs.work_dir, 1)).edges
    right = [
        photographs.class_of(src) == photographs.class_of(dst)
        for src, dst in zip(edges.src, edges.dst)
    ]
    assert purity == f'{np.mean(right):.1%}'
    assert Image.open(photographs.files[0]).format == 'JPEG'


def test_encode_images__as_the_api_does(digits):
    """What stands for the bank where a method has none."""
    record = read_run(digits.work_dir)
    found = encode_images(
        record.config, record.checkpoint, search_places(digits.work_dir)
    )
    cfg = record.config
    cfg.val_dataloader = cfg.gallery_dataloader  # whose transforms are taken
    model = init_model(cfg, record.checkpoint, 'cpu')
    expected = extract_features(model, digits.files, num_workers=0)
    assert found.shape == (60, 6)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_report__bad_arguments(tmp_path):
    (tmp_path / 'empty').mkdir()
    kept = tmp_path / 'report.html'
    kept.write_text('before')
    for argv, message in (
        (['nowhere'], 'error: there is no work dir nowhere'),
        (['empty'], 'error: empty is no work dir of a run'),
        (['empty', '--out', 'x.pdf'], 'error: --out (x.pdf) must end with'),
        (
            ['empty', '--max-neighbors', '0'],
            '--max-neighbors (0) must be >= 1',
        ),
    ):
        code, output = run_tool(
            'report',
            [*argv, *([] if '--out' in argv else ['--out', kept])],
            tmp_path,
        )
        assert code == 1
        assert message in output
        assert len(output.strip().splitlines()) == 1
    assert kept.read_text() == 'before'
    assert list(Path(tmp_path).glob('*.partial')) == []
