import subprocess
import sys


def printed_by(module):
    code = f'import {module}'
    return subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_import_mmpretrain_datasets__is_quiet():
    assert 'OneDL' not in printed_by('mmisl.datasets')


def test_import_mmpretrain_datasets__is_still_needed():
    # When this fails, mmpretrain was mended: take the workaround out.
    assert 'Could not import OneDL' in printed_by('mmpretrain.datasets')
