"""tools/make_proposals.py selective-search."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from block_pictures import PICTURES

from mmisl.detection import read_proposals

ROOT = Path(__file__).resolve().parents[3]
SEARCH_PYTHON = ROOT / '.venv-proposals' / 'bin' / 'python'


def test_search__finds_the_block_of_every_picture(search, tmp_path):
    printed = search('--workers', '2', '--min-side', '5')

    proposals = read_proposals(tmp_path / 'p.pkl')
    assert list(proposals) == [f'JPEGImages/{n}.jpg' for n in PICTURES]
    for ((height, width), block), entry in zip(
        PICTURES.values(), proposals.values()
    ):
        bboxes = entry['bboxes']
        assert bboxes.dtype == np.float32
        # Blurred by OpenCV before it segments: a pixel may be lost.
        assert np.abs(bboxes - block).max(axis=1).min() <= 1
        assert bboxes.min() >= 0
        assert bboxes[:, 2].max() <= width - 1
        assert bboxes[:, 3].max() <= height - 1
        assert (np.diff(entry['scores']) < 0).all()
    assert '4 images' in printed and str(tmp_path / 'p.pkl') in printed
    assert not (tmp_path / 'p.pkl.partial').exists()


def test_search__does_not_depend_on_workers_or_order(search, devkit, tmp_path):
    search('--workers', '1', '--min-side', '1', out=tmp_path / 'one.pkl')
    lists = devkit / 'VOC2007' / 'ImageSets' / 'Main' / 'trainval.txt'
    lists.write_text('\n'.join(reversed(PICTURES)))
    search('--workers', '3', '--min-side', '1', out=tmp_path / 'three.pkl')

    one = read_proposals(tmp_path / 'one.pkl')
    three = read_proposals(tmp_path / 'three.pkl')
    assert list(one) == list(three)[::-1]
    for key in one:
        np.testing.assert_array_equal(one[key]['bboxes'], three[key]['bboxes'])


def test_search__keeps_what_an_earlier_run_had_found(search, tmp_path):
    search('--min-side', '5', out=tmp_path / 'whole.pkl')
    header = (
        '{"split": "trainval", "--mode": "fast", "--max-proposals": 2000, '
        f'"--min-side": 5, "OpenCV": "{opencv_version()}"}}\n'
    )
    found = '{"image": "JPEGImages/000002.jpg", "boxes": [[3, 4, 5, 6]]}\n'
    (tmp_path / 'p.pkl.partial').write_text(f'{header}{found}{{"image": "JP')

    search('--min-side', '5')

    whole = read_proposals(tmp_path / 'whole.pkl')
    resumed = read_proposals(tmp_path / 'p.pkl')
    assert list(resumed) == list(whole)
    kept = resumed.pop('JPEGImages/000002.jpg')
    assert kept['bboxes'].tolist() == [[3, 4, 5, 6]]
    for key, entry in resumed.items():
        np.testing.assert_array_equal(entry['bboxes'], whole[key]['bboxes'])


def opencv_version():
    done = subprocess.run(
        [SEARCH_PYTHON, '-c', 'import cv2; print(cv2.__version__)'],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_search__killed_and_started_again_writes_the_same_bytes(
    search, devkit, tmp_path, lines_of
):
    search('--min-side', '5', out=tmp_path / 'whole.pkl')
    # Searches two images, and is for ever at the third.
    python = tmp_path / 'python'
    python.write_text(
        '#!/bin/sh\n'
        f'if [ "$1" = -c ]; then exec {SEARCH_PYTHON} "$@"; fi\n'
        'pass() { read -r line; printf "%s\\n" "$line"; }\n'
        f'(pass; pass; cat > /dev/null) | {SEARCH_PYTHON} "$@"\n'
    )
    python.chmod(0o755)
    journal = tmp_path / 'p.pkl.partial'
    tool = subprocess.Popen(
        [
            sys.executable, ROOT / 'tools' / 'make_proposals.py',
            'selective-search', devkit, 'trainval', tmp_path / 'p.pkl',
            '--min-side', '5', '--workers', '1', '--python', python,
        ],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 200
    try:
        while not journal.is_file() or journal.read_bytes().count(b'\n') < 3:
            assert tool.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        tool.send_signal(signal.SIGKILL)
        tool.wait()
    assert not (tmp_path / 'p.pkl').exists()
    assert [line['image'] for line in lines_of(journal)[1:]] == [
        'JPEGImages/000005.jpg',
        'JPEGImages/000002.jpg',
    ]

    search('--min-side', '5')

    whole, resumed = tmp_path / 'whole.pkl', tmp_path / 'p.pkl'
    assert resumed.read_bytes() == whole.read_bytes()


def test_search__the_first_boxes_are_kept(search, tmp_path):
    search('--min-side', '1', out=tmp_path / 'all.pkl')
    search('--min-side', '1', '--max-proposals', '3')
    every = read_proposals(tmp_path / 'all.pkl')
    for key, entry in read_proposals(tmp_path / 'p.pkl').items():
        np.testing.assert_array_equal(
            entry['bboxes'], every[key]['bboxes'][:3]
        )
    assert max(len(entry['bboxes']) for entry in every.values()) > 3


def test_search__quality_has_more_boxes(search, tmp_path):
    search('--min-side', '1', out=tmp_path / 'fast.pkl')
    search('--min-side', '1', '--mode', 'quality')
    fast = read_proposals(tmp_path / 'fast.pkl')
    quality = read_proposals(tmp_path / 'p.pkl')
    numbers = [
        sum(len(entry['bboxes']) for entry in proposals.values())
        for proposals in (fast, quality)
    ]
    assert numbers[0] < numbers[1]


def test_search__an_image_that_does_not_decode_is_named_and_nothing_lost(
    search, devkit, tmp_path
):
    path = devkit / 'VOC2007' / 'JPEGImages' / '000009.jpg'
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(ValueError, match=r'000009\.jpg does not decode'):
        search('--workers', '1', '--min-side', '5')
    assert not (tmp_path / 'p.pkl').exists()
    assert b'000005.jpg' in (tmp_path / 'p.pkl.partial').read_bytes()

    path.write_bytes(whole)
    search('--min-side', '5')
    assert len(read_proposals(tmp_path / 'p.pkl')) == 4


def test_search__a_worker_that_dies_is_reported(run, devkit, tmp_path):
    python = tmp_path / 'python'
    python.write_text(
        '#!/bin/sh\n'
        'if [ "$1" = -c ]; then echo 5.0.0; exit; fi\n'
        'echo "no memory" >&2; exit 3\n'
    )
    python.chmod(0o755)
    with pytest.raises(RuntimeError) as caught:
        run(
            'selective-search', devkit, 'trainval', tmp_path / 'p.pkl',
            '--python', python, '--workers', '1',
        )  # fmt: skip
    assert '000005.jpg ended with status 3 (no memory)' in str(caught.value)


def test_search__without_its_environment(run, devkit, tmp_path):
    args = ('selective-search', devkit, 'trainval', tmp_path / 'p.pkl')
    with pytest.raises(RuntimeError) as caught:
        run(*args, '--python', tmp_path / 'no' / 'python')
    assert 'does not exist; run `make proposals-env`' in str(caught.value)
    # The OpenCV of mmcv is one without ximgproc.
    with pytest.raises(RuntimeError) as caught:
        run(*args, '--python', sys.executable)
    assert 'has no OpenCV with ximgproc' in str(caught.value)
    assert 'run `make proposals-env`' in str(caught.value)


def test_search__out_is_a_new_pkl(run, devkit, tmp_path):
    with pytest.raises(ValueError, match=r'must end with \.pkl'):
        run('selective-search', devkit, 'trainval', tmp_path / 'p.txt')
    (tmp_path / 'p.pkl').write_text('before')
    with pytest.raises(FileExistsError, match='exists; delete it'):
        run('selective-search', devkit, 'trainval', tmp_path / 'p.pkl')
    assert (tmp_path / 'p.pkl').read_text() == 'before'


@pytest.mark.parametrize('option', ['--workers', '--max-proposals'])
@pytest.mark.parametrize('value', ['0', '-3', '1.5'])
def test_search__numbers_are_positive(
    import_tool, capsys, devkit, option, value
):
    tool = import_tool('make_proposals')
    with pytest.raises(SystemExit):
        tool.parse_args(
            ['selective-search', 'a', 'b', 'c.pkl', f'{option}={value}']
        )
    assert 'expected an integer of at least 1' in capsys.readouterr().err
