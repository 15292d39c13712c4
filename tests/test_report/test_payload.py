import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from made_runs import CLASSES, CONFIG, START, edges, write_run, write_tree
from mmengine.config import Config
from PIL import Image

from mmisl.config_check import ConfigError
from mmisl.report.collected_run import collect_run
from mmisl.report.page import write_page
from mmisl.report.payload import Settings, build_payload
from mmisl.structures import MiningSnapshot, snapshot_path

PCA = Settings(map_method='pca', num_views=1, num_view_images=2)
INFO = dict(
    argv=['tools/train.py', 'my configs/x.py', '--seed', '3'],
    config='my configs/x.py',
    seed=3,
    started='2026-01-02T03:04:05+00:00',
    world_size=2,
    commit='abc1234',
    machine=dict(
        processor='A CPU', cores=2, memory_gib=7.6, gpus=['NVIDIA H100']
    ),
    versions=dict(python='3.11', torch='2.9'),
)


def build(*folders, settings=PCA, max_neighbors=4, detection=(), **kwargs):
    runs = [
        collect_run(folder, max_neighbors=max_neighbors, **kwargs)
        for folder in folders
    ]
    payload, blobs = build_payload(
        runs, settings, title='a title', detection=detection
    )
    json.dumps(payload, allow_nan=False)
    return payload, blobs


def array_of(blobs, name):
    blob = blobs[name]
    return np.frombuffer(blob.data, blob.dtype).reshape(blob.shape)


@pytest.fixture
def root(tmp_path):
    write_tree(tmp_path / 'images')
    return tmp_path / 'images'


def test_build_payload__whole_run(tmp_path, root):
    folder = write_run(tmp_path / '<run>', root, info=INFO)

    payload, blobs = build(folder)

    (run,) = payload['runs']
    assert (
        run['name'] == '<run>'
        and run['status'] == 'stopped after epoch 4 of 6'
    )
    assert run['warnings'] == []
    facts = dict(run['facts'])
    assert facts['method'] == 'ISL' and facts['miner'] == 'GANMiner'
    assert facts['backbone'] == 'ResNet_CIFAR, depth 18'
    assert facts['seed'] == '3' and facts['images'] == '11'
    assert facts['epochs'] == '4 of 6' and facts['batch size'] == '4'
    assert facts['machine'] == ('NVIDIA H100, A CPU, 2 cores, 8 GiB of memory')
    assert facts['versions'] == 'python 3.11, torch 2.9'
    assert run['command'] == (
        "python tools/train.py 'my configs/x.py' --seed 3"
    )
    assert facts['config'] == 'my configs/x.py' and run['command_note'] == ''
    assert 'ResNet_CIFAR' in run['config_text']
    assert run['stages'] == [['mining', 3.0, 2]]
    assert run['round_ends'] == [2.0, 4.0]
    assert [chart['title'] for chart in run['curves']] == [
        'loss',
        'kNN top-1 accuracy',
        'purity of edges',
        'time',
    ]
    labels = [mined['label'] for mined in run['rounds']]
    assert labels == ['round 0, epoch 2', 'round 1, epoch 4']
    neighbors = array_of(blobs, run['rounds'][1]['neighbors'])
    assert neighbors.shape == (11, 4)
    assert neighbors[0].tolist() == [2, 1, -1, -1]
    assert array_of(blobs, run['map']['blob']).shape == (11, 2)
    assert run['map']['method'] == 'PCA'
    assert run['clusters'] is None
    assert [len(view['images']) for view in run['views']] == [2, 2]

    dataset = payload['datasets'][run['dataset']]
    assert dataset['num_images'] == 11
    assert dataset['class_names'] == sorted(CLASSES)
    expected = np.repeat(np.arange(3), [4, 4, 3])
    sizes = np.bincount(array_of(blobs, dataset['labels']))
    assert sorted(sizes) == sorted(np.bincount(expected))
    names = blobs[dataset['names']].data.decode().split('\n')
    assert len(names) == 11 and all('"<i>&.png' in name for name in names)
    assert dataset['sprites']['sheets'] == ['data0/sheet0']
    assert blobs['data0/sheet0'].mime == 'image/webp'


@pytest.mark.parametrize(
    ('argv', 'world_size', 'command'),
    [
        (['a.py', 'c.py', '--resume'], 1, 'python a.py c.py'),
        (['a.py', '--resume', '--amp', 'c.py'], 1, 'python a.py --amp c.py'),
        (['a.py', '--resume', 'auto', 'c.py'], 1, 'python a.py c.py'),
        (['a.py', 'c.py', '--resume=auto'], 1, 'python a.py c.py'),
        (
            ['a.py', 'c.py', '--resume', 'x/epoch_3.pth', '--amp'],
            1,
            'python a.py c.py --resume x/epoch_3.pth --amp',
        ),
        (
            ['a.py', 'c.py', '--launcher', 'pytorch'],
            8,
            'python -m torch.distributed.run --standalone --nproc-per-node 8 '
            'a.py c.py --launcher pytorch',
        ),
        (
            ['a.py', 'c.py', '--launcher=slurm'],
            16,
            'srun --ntasks=16 python a.py c.py --launcher=slurm',
        ),
    ],
)
def test_build_payload__command_begins_anew_with_as_many_processes(
    tmp_path, root, argv, world_size, command
):
    info = dict(argv=argv, world_size=world_size)
    folder = write_run(tmp_path / 'run', root, info=info)
    settings = Settings('none', num_views=0)
    payload, _ = build(folder, settings=settings)
    assert payload['runs'][0]['command'] == command


def test_build_payload__config_is_that_of_the_run(tmp_path, root):
    text = CONFIG.replace('{root!r}', "'images'").replace(
        "type='InstanceDataset'", "type='ResidentDataset', device='cuda'"
    )
    folder = write_run(tmp_path / 'run', root, config=text)
    payload, _ = build(folder, overrides={'train_dataloader.batch_size': 5})
    (run,) = payload['runs']
    assert run['warnings'] == []
    assert "data_root='images'" in run['config_text']
    assert "type='ResidentDataset'" in run['config_text']
    assert 'batch_size=4' in run['config_text']


def test_build_payload__runs_of_one_name_are_told_apart(tmp_path, root):
    folders = [write_run(tmp_path / x / 'isl', root) for x in 'ab']
    settings = Settings('none', num_views=0)
    runs = build(*folders, settings=settings)[0]['runs']
    assert [run['name'] for run in runs] == ['a/isl', 'b/isl']


def test_build_payload__names_of_bytes_that_are_no_text(tmp_path, root):
    os.rename(root / CLASSES[0], os.fsencode(root) + b'/one \xff')
    folder = write_run(tmp_path / os.fsdecode(b'run \xfe'), root)
    page = write_page(*build(folder), tmp_path / 'page.html')
    text = page.read_text(encoding='utf-8')
    assert 'one ?' in text and 'run ?' in text


def test_build_payload__runs_over_the_same_images_share_them(tmp_path, root):
    write_tree(tmp_path / 'others', num_images=9)
    folders = [
        write_run(tmp_path / 'a', root),
        write_run(tmp_path / 'b', tmp_path / 'others', num_images=9),
        write_run(tmp_path / 'c', root, rounds=1),
    ]
    payload, blobs = build(*folders)
    used = [run['dataset'] for run in payload['runs']]
    assert used == ['data0', 'data1', 'data0']
    assert [run['id'] for run in payload['runs']] == ['run0', 'run1', 'run2']
    counts = [d['num_images'] for d in payload['datasets'].values()]
    assert counts == [11, 9]
    assert sum(name.startswith('data0/sheet') for name in blobs) == 1
    assert len(payload['runs'][2]['rounds']) == 1


def test_build_payload__without_anything_but_a_log(tmp_path):
    folder = tmp_path / 'run'
    (folder / START / 'vis_data').mkdir(parents=True)
    payload, blobs = build(folder)
    (run,) = payload['runs']
    assert run['warnings'] == [
        'no images: the run has left no config that can be read; name it '
        'with --config',
        'no map: the run has left no whole checkpoint; go on with --resume '
        'until it writes one',
    ]
    assert payload['datasets']['data0']['num_images'] == 0
    assert (run['rounds'], run['map'], run['views']) == ([], None, [])
    assert run['command'] == run['command_note'] == '' and blobs == {}
    write_page(payload, blobs, tmp_path / 'x.html')


def test_build_payload__images_were_moved(tmp_path, root):
    folder = write_run(tmp_path / 'run', root)
    shutil.move(root, tmp_path / 'elsewhere')
    payload, blobs = build(folder)
    (run,) = payload['runs']
    (warning,) = run['warnings']
    assert warning.startswith('no images: the images are not where the run')
    assert f'{root} does not exist' in warning
    assert 'train_dataloader.dataset.dataset.data_root=FOLDER' in warning
    dataset = payload['datasets']['data0']
    assert (dataset['num_images'], dataset['sprites']) == (11, None)
    assert (dataset['labels'], dataset['names']) == (None, None)
    assert len(run['rounds']) == 2 and run['map'] is not None

    key = 'train_dataloader.dataset.dataset.data_root'
    cured, _ = build(folder, overrides={key: str(tmp_path / 'elsewhere')})
    assert cured['runs'][0]['warnings'] == []
    assert cured['datasets']['data0']['sprites'] is not None


def test_build_payload__relative_folder_from_anywhere(
    tmp_path, root, monkeypatch
):
    write_run(tmp_path / 'work_dirs' / 'run', 'images')
    (tmp_path / 'far' / 'away').mkdir(parents=True)
    monkeypatch.chdir(tmp_path / 'far' / 'away')
    payload, _ = build(Path('../../work_dirs/run'))
    (run,) = payload['runs']
    assert run['warnings'] == []
    assert payload['datasets']['data0']['sprites'] is not None
    # Nothing tells where the run lies but what the reader has given.
    dumped = f'{START}/vis_data/config.py'
    assert dict(run['facts'])['config'] == f'{dumped} in the work dir'
    assert run['command'] == (
        f'python tools/train.py ../../work_dirs/run/{dumped}'
    )
    assert f'{dumped} in its work dir' in run['command_note']
    assert "data_root='images'" in run['config_text']
    assert str(tmp_path) not in json.dumps(payload['runs'])


def test_build_payload__broken_images(tmp_path, root):
    folder = write_run(tmp_path / 'run', root)
    broken = sorted(root.rglob('*.png'))[0]
    broken.write_bytes(b'no picture')
    payload, _ = build(folder, settings=Settings('pca', num_views=0))
    (warning,) = payload['runs'][0]['warnings']
    assert warning.startswith('1 of 11 images cannot be read and are grey')
    assert broken.name in warning
    assert payload['datasets']['data0']['sprites'] is not None


def test_build_payload__checkpoint_of_other_images(tmp_path, root):
    folder = write_run(tmp_path / 'run', root, num_images=8)
    payload, _ = build(folder)
    warnings = payload['runs'][0]['warnings']
    assert len(warnings) == 3
    assert 'is of 8 images, but the data set has 11' in warnings[0]
    assert warnings[2].startswith('no map: ')
    assert payload['runs'][0]['rounds'] == []


def test_build_payload__bank_that_is_not_finite(tmp_path, root):
    folder = write_run(tmp_path / 'run', root)
    path = folder / 'epoch_4.pth'
    state = torch.load(path)
    state['state_dict']['memory.bank'][3, 1] = float('nan')
    torch.save(state, path)
    payload, _ = build(folder)
    (warning,) = payload['runs'][0]['warnings']
    assert warning.startswith('no map: 1 of 11 features hold NaN or infinity')


@pytest.mark.parametrize(
    ('rounds', 'logged', 'expected'),
    [
        (0, False, 'no mined neighbours: the run stopped before its first'),
        (0, True, 'no mined neighbours: the run left no snapshots in '),
    ],
)
def test_build_payload__without_snapshots(
    tmp_path, root, rounds, logged, expected
):
    folder = write_run(tmp_path / 'run', root, rounds=1)
    shutil.rmtree(folder / 'mining')
    if not logged:
        (folder / START / 'vis_data' / 'scalars.json').write_text('')
    (warning,) = build(folder)[0]['runs'][0]['warnings']
    assert warning.startswith(expected)


def test_build_payload__clusters(tmp_path, root):
    folder = write_run(tmp_path / 'run', root)
    path = folder / 'epoch_4.pth'
    state = torch.load(path)
    assignments = torch.arange(22, dtype=torch.int32).view(2, 11) % 3
    state['state_dict']['clusters.assignments'] = assignments
    torch.save(state, path)
    payload, blobs = build(folder)
    found = array_of(blobs, payload['runs'][0]['clusters'])
    assert found.dtype == np.int32
    assert found.tolist() == assignments[0].tolist()


def test_build_payload__more_images_than_can_be_shown(tmp_path, root):
    folder = write_run(tmp_path / 'run', root)
    settings = Settings('pca', num_views=1, num_view_images=2, max_images=7)
    payload, blobs = build(folder, settings=settings)
    run, dataset = payload['runs'][0], payload['datasets']['data0']
    count = dataset['num_images']
    assert 4 < count <= 7
    assert f'{count:,} of 11 images are shown' in run['warnings'][0]
    for mined in run['rounds']:
        assert array_of(blobs, mined['neighbors']).shape == (count, 4)
    assert blobs[dataset['labels']].shape == (count,)
    assert blobs[run['map']['blob']].shape == (count, 2)


def test_build_payload__neighbors_make_room(tmp_path, root):
    folder = write_run(tmp_path / 'run', root)
    rng = np.random.default_rng(0)
    pairs = [(i, j) for i in range(11) for j in range(i + 1, 11)]
    mined = edges(11, pairs, rng.random(len(pairs)))
    MiningSnapshot(0, 2, 'ISL', '', mined, mined).save(
        snapshot_path(folder, 0)
    )
    settings = Settings('none', num_views=0, max_bytes=600)
    payload, blobs = build(folder, settings=settings, max_neighbors=10)
    (warning,) = payload['runs'][0]['warnings']
    k = array_of(blobs, 'run0/neighbors0').shape[1]
    assert f'the {k} most similar neighbours of an image are shown' in warning
    assert warning.endswith('not fit into the page; lower --max-images')
    assert 1 <= k < 10
    other = write_run(tmp_path / 'other', root)
    payload, _ = build(folder, other, settings=settings, max_neighbors=10)
    (warning,) = payload['runs'][0]['warnings']
    assert warning.endswith('--max-images, or report fewer runs at once')


def test_build_payload__neighbors_of_images_not_shown_take_no_room(
    tmp_path, root
):
    folder = write_run(tmp_path / 'run', root, num_images=2000, config=None)
    rng = np.random.default_rng(0)
    pairs = [(i, (i + step) % 2000) for i in range(2000) for step in (1, 7)]
    pairs = sorted({(min(pair), max(pair)) for pair in pairs})
    mined = edges(2000, pairs, rng.random(len(pairs)))
    path = snapshot_path(folder, 0)
    MiningSnapshot(0, 2, 'ISL', '', mined, None).save(path)
    # Room for some 10 bytes of each image in each of two rounds, and far more
    # than 60 images need.
    settings = Settings('none', num_views=0, max_bytes=15_000, max_images=60)
    payload, blobs = build(folder, settings=settings)
    assert not any(
        'most similar neighbours' in warning
        for warning in payload['runs'][0]['warnings']
    )
    neighbors = array_of(blobs, 'run0/neighbors0')
    assert neighbors.shape[0] <= 60 and neighbors.shape[1] == 4
    assert (neighbors >= 0).all(1).any()
    # All of them have no room for four neighbours.
    settings = Settings('none', num_views=0, max_bytes=15_000)
    payload, blobs = build(folder, settings=settings)
    assert array_of(blobs, 'run0/neighbors0').shape[1] < 4


def test_build_payload__thumbnails_take_what_is_left(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(12):
        noise = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        path = tmp_path / 'noise' / 'one' / f'{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(path)
    folder = write_run(tmp_path / 'run', tmp_path / 'noise', num_images=12)
    tiles = {}
    for max_bytes in (520_000, 560_000, 20_000_000):
        settings = Settings('none', num_views=0, max_bytes=max_bytes)
        payload, blobs = build(folder, settings=settings)
        page = write_page(payload, blobs, tmp_path / 'x.html')
        assert page.stat().st_size <= max_bytes
        tiles[max_bytes] = payload['datasets']['data0']['sprites']['tile']
    assert tiles[520_000] < tiles[560_000] < tiles[20_000_000] == 96


def test_collect_run__config_in_place_of_the_runs(tmp_path, root):
    folder = write_run(tmp_path / 'run', root, config=None)
    given = Config.fromstring(CONFIG.format(root=str(root)), '.py')
    payload, _ = build(folder, config=given)
    assert payload['runs'][0]['warnings'] == []
    assert dict(payload['runs'][0]['facts'])['images'] == '11'


def test_collect_run__override_that_names_nothing(tmp_path, root):
    folder = write_run(tmp_path / 'run', root)
    with pytest.raises(ConfigError, match='train_dataloder'):
        collect_run(
            folder, max_neighbors=1, overrides={'train_dataloder.x': 1}
        )
    with pytest.raises(ValueError, match='is no work dir of a run'):
        collect_run(root, max_neighbors=1)
