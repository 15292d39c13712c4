"""tools/prepare_data.py: every set in its official form."""

import json
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope
from mmpretrain.datasets import CIFAR10, CIFAR100
from official_archives import files_of, write_archives
from official_sets import ROOTS, SIZES, write_official

from mmisl.datasets import TRANSFER_SETS, transfer_part
from mmisl.datasets.prepared import describe_subset, read_record

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / 'shared' / 'data'


@pytest.fixture
def allow_small_cifar(monkeypatch):
    for kind in (CIFAR10, CIFAR100):
        for key in ('train_list', 'test_list'):
            names = [[name, None] for name, _ in getattr(kind, key)]
            monkeypatch.setattr(kind, key, names)


def test_prepare__archives(name, run, tool, tmp_path, allow_small_cifar):
    """What results is the official tree, and the loaders read it."""
    tree, archives = write_archives(name, tmp_path)
    target = Path(tool.IMAGE_SETS[name].folder)

    line = run(name, '--from', archives)

    assert f' is ready in {target}: ' in line
    record = read_record(target)
    assert record['counts'] == record['official']
    assert record['finished'] and not record['subset']
    assert describe_subset(target) is None
    assert not target.with_name(f'{target.name}.partial').exists()
    root = tree / {'imagenette': 'imagenette2', **ROOTS}.get(name, '.')
    found, official = files_of(target), files_of(root)
    # Nothing new, and of the official files all that is not beside the point.
    assert found.items() <= official.items()
    assert {Path(x).name for x in set(official) - set(found)} <= {'tmp'}
    if name in TRANSFER_SETS:
        assert TRANSFER_SETS[name].data_root == str(target)
        with DefaultScope.overwrite_default_scope('mmisl'):
            parts = {
                part: len(transfer_part(name, part))
                for part in ('train', 'val', 'test')
            }
        counts = {k: v for k, v in SIZES[name].items() if k != 'classes'}
        counts.pop('trainval', None)
        if name != 'voc07':
            assert sum(parts.values()) == sum(counts.values())
        else:
            assert parts == dict(train=3, val=2, test=4)


def test_prepare__again_does_nothing(name, run, tool, tmp_path):
    _, archives = write_archives(name, tmp_path)
    run(name, '--from', archives)
    before = list_times(Path(tool.IMAGE_SETS[name].folder))

    line = run(name, '--from', tmp_path / 'not there any more')

    assert ' is already in data/' in line
    assert list_times(Path(tool.IMAGE_SETS[name].folder)) == before


def list_times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob('*')}


@pytest.mark.parametrize('form', ['copy', 'link', 'symlink', 'in place'])
def test_prepare__unpacked_folder(name, form, run, tool, tmp_path):
    write_official(name, tmp_path / 'tree')
    source = tmp_path / 'tree'
    target = Path('made') / name
    options = ['--link'] if form == 'link' else []
    if form == 'symlink':
        source = tmp_path / 'another'
        source.symlink_to(tmp_path / 'tree')
    if form == 'in place':
        target = source / {'imagenette': 'imagenette2', **ROOTS}.get(name, '.')
        source = target

    before = files_of(tmp_path / 'tree')
    line = run(name, '--from', source, '--to', target, *options)

    assert 'is whole in' in line or 'is ready in' in line
    assert files_of(tmp_path / 'tree') == before
    assert read_record(target)['counts'] == tool.IMAGE_SETS[name].official
    for path in target.rglob('*'):
        if path.is_file() and path.name != 'prepared.json':
            assert path.is_symlink() is (form == 'link')
            assert '.part' not in path.name


def test_prepare__one_file_finds_those_beside_it(run, tmp_path):
    _, archives = write_archives('svhn', tmp_path)
    line = run('svhn', '--from', archives / 'test_32x32.mat')
    assert line == 'SVHN is ready in data/svhn: train 61, test 7'


def test_prepare__needs_all_archives(run, tmp_path):
    _, archives = write_archives('voc07', tmp_path)
    (archives / 'VOCtest_06-Nov-2007.tar').unlink()
    for path in (archives, archives / 'VOCtrainval_06-Nov-2007.tar'):
        with pytest.raises(
            ValueError,
            match='does not hold VOCtest_06-Nov-2007.tar, which VOC2007 '
            'needs as well; download from http://host.robots.ox.ac.uk',
        ):
            run('voc07', '--from', path)


def test_tool__one_line_and_status(tmp_path, run_tool):
    done = run_tool(
        'prepare_data.py', 'svhn', '--from', 'none', cwd=tmp_path, fresh=True
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line == (
        'error: --from none does not exist; download train_32x32.mat, '
        'test_32x32.mat from http://ufldl.stanford.edu/housenumbers/'
    )
    done = run_tool('prepare_data.py', '--help', cwd=tmp_path)
    assert 'cifar10jpeg' in done.stdout


@pytest.mark.parametrize(
    'name, archive, counts',
    [
        (
            'cifar10jpeg',
            'cifar10_jpeg.tar.xz',
            dict(train=50_000, test=10_000),
        ),
        (
            'imagenette',
            'imagenette224_subset.zip',
            dict(train=3_600, val=800),
        ),
        (
            'voc07',
            'voc2007_subset.zip',
            dict(train=200, val=200, trainval=400, test=290),
        ),
    ],
)
def test_real_archives(name, archive, counts, tmp_path, run_tool):
    path = SHARED / archive
    if not path.is_file():
        pytest.skip(f'{archive} is not in ../shared/data')
    options = [] if name == 'cifar10jpeg' else ['--subset']

    done = run_tool(
        'prepare_data.py', name, '--from', path, *options, cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / 'data').rglob('prepared.json')
    content = json.loads(record.read_text())
    assert content['counts'] == counts
    assert content['subset'] is bool(options)
    if name == 'voc07':
        dataset = transfer_part('voc07', 'test', str(record.parent))
        assert len(dataset) == 290
        assert dataset[0]['inputs'].shape == (3, 224, 224)
