"""tools/evaluate.py, as a user runs it."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from lightly.utils.benchmarking import knn_predict
from official_sets import loader_root, write_official
from sklearn.metrics import adjusted_rand_score, average_precision_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize as unit_rows
from sklearn.svm import LinearSVC
from torch.nn.functional import normalize

from mmisl.apis import init_model
from mmisl.clustering import kmeans
from mmisl.engine import extract_features

ROOT = Path(__file__).resolve().parents[2]
NUM_CLASSES = 4


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Features of a training and a test part, in files."""
    folder = tmp_path_factory.mktemp('features')
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(NUM_CLASSES, 7))
    for name, num in (('train', 61), ('test', 29)):
        labels = np.arange(num) % NUM_CLASSES
        feats = centres[labels] + rng.normal(size=(num, 7))
        save(folder / f'{name}.npz', feats, labels)
    return folder


def save(path, feats, labels):
    np.savez(path, features=feats.astype(np.float32), labels=labels)
    return path


def load(path):
    with np.load(path) as arrays:
        return (
            torch.from_numpy(arrays['features']),
            torch.from_numpy(arrays['labels']),
        )


def evaluate(run_tool, tmp_path, *args):
    out = tmp_path / 'scores.json'
    done = run_tool('evaluate.py', *args, '--out', out)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


def test_knn__is_lightlys_and_scikit_learns(files, run_tool, tmp_path):
    report, printed = evaluate(
        run_tool, tmp_path, 'knn', files / 'train.npz', files / 'test.npz',
        '--k', '5', '11', '--temperature', '0.2',
    )  # fmt: skip
    (train, labels), (test, expected) = (
        load(files / f'{name}.npz') for name in ('train', 'test')
    )
    for k in (5, 11):
        votes = knn_predict(
            normalize(test), normalize(train).T, labels,
            num_classes=NUM_CLASSES, knn_k=k, knn_t=0.2,
        )  # fmt: skip
        theirs = (votes[:, 0] == expected).double().mean().item()
        assert report['metrics'][f'knn{k}_top1'] == pytest.approx(100 * theirs)
        model = KNeighborsClassifier(
            k,
            metric='cosine',
            weights=lambda distance: np.exp((1 - distance) / 0.2),
        )
        model.fit(train.numpy(), labels.numpy())
        score = model.score(test.numpy(), expected.numpy())
        assert report['metrics'][f'knn{k}_top1'] == pytest.approx(100 * score)
        assert f'{100 * score:.2f}' in printed
    assert report['command'] == 'knn'
    assert report['split'] == 'test'
    assert report['num_images'] == dict(train=61, test=29)
    assert report['source'] == dict(
        train=str(files / 'train.npz'), test=str(files / 'test.npz')
    )
    assert torch.__version__.startswith(report['versions']['torch'])


def test_clusters__scores_of_every_run(files, run_tool, tmp_path):
    report, _ = evaluate(
        run_tool, tmp_path, 'clusters', files / 'test.npz', '--runs', '2'
    )
    assert report['details']['num_clusters'] == NUM_CLASSES
    runs = report['details']['runs']
    assert report['metrics']['ari'] == pytest.approx(50 * sum(runs['ari']))
    assert set(report['metrics']) == {'nmi', 'ari'}
    assert 0.1 < runs['nmi'][0] < 1
    # Every run is a k-means of a seed of its own.
    feats, labels = load(files / 'test.npz')
    for run in (0, 1):
        found = kmeans(normalize(feats), NUM_CLASSES, seed=run).assignments
        score = adjusted_rand_score(labels.numpy(), found.numpy())
        assert runs['ari'][run] == pytest.approx(score)


def test_retrieval__of_the_test_part(files, run_tool, tmp_path):
    report, _ = evaluate(
        run_tool, tmp_path, 'retrieval', files / 'test.npz', '--k', '1', '28'
    )
    feats, labels = load(files / 'test.npz')
    cosines = torch.cosine_similarity(feats[:, None], feats, dim=2)
    nearest = cosines.fill_diagonal_(-2).argmax(1)
    same = (labels[nearest] == labels).double().mean().item()
    assert report['metrics']['recall@1'] == pytest.approx(100 * same)
    assert report['metrics']['recall@28'] == 100


def test_linear__of_a_checkpoint(tiny, run_tool, trained, tmp_path):
    report, _ = evaluate(
        run_tool, tmp_path, 'linear', tiny / 'tiny.py',
        trained[0] / 'epoch_2.pth', '--seed', '3',
    )  # fmt: skip
    assert report['num_images'] == dict(train=22, test=9)
    assert report['seed'] == 3
    assert len(report['source']['backbone_sha256']) == 64
    assert report['source']['stage'] == 'backbone'
    assert 0 <= report['metrics']['top1'] <= 100
    assert report['details']['converged']


def test_retrieval__of_an_untrained_network(tiny, run_tool, tmp_path):
    args = ('retrieval', tiny / 'tiny.py', 'untrained', '--k', '1')
    report, _ = evaluate(run_tool, tmp_path, *args)
    again, _ = evaluate(run_tool, tmp_path, *args)
    assert report['source'] == again['source']
    assert report['metrics'] == again['metrics']
    assert report['source']['checkpoint'] == 'untrained'


def test_knn__of_a_checkpoint_on_two_processes(
    tiny, run_tool, trained, tmp_path
):
    args = ('knn', tiny / 'tiny.py', trained[0] / 'epoch_2.pth', '--k', '3')
    alone, _ = evaluate(run_tool, tmp_path, *args)
    out = tmp_path / 'both.json'
    done = run_tool('dist_evaluate.sh', *args[:3], 2, *args[3:], '--out', out)
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text())['metrics'] == alone['metrics']


@pytest.mark.parametrize(
    'method, change, message',
    [
        (
            'linear',
            lambda f, y: (f[:, :5], y),
            'train features have 5 dim',
        ),
        (
            'knn',
            lambda f, y: (f / 0, y),
            'train: features of 61 of 61',
        ),
        (
            'linear',
            lambda f, y: (f, y * 0 - 1),
            'train: 61 of 61 images have',
        ),
        (
            'knn',
            lambda f, y: (f[y != 2], y[y != 2]),
            'classes 2 have images in the test part and none in the train',
        ),
    ],
)
@pytest.mark.filterwarnings('ignore:divide by zero')
def test_evaluate__unfit_features(
    files, run_tool, tmp_path, method, change, message
):
    with np.load(files / 'train.npz') as arrays:
        changed = change(arrays['features'], arrays['labels'])
    train = save(tmp_path / 'changed.npz', *changed)
    done = run_tool(
        'evaluate.py', method, train, files / 'test.npz',
        '--out', tmp_path / 'scores.json',
    )  # fmt: skip
    assert done.returncode == 1
    assert f'error: {message}' in done.stderr
    assert done.stderr.count('error:') == 1
    assert not (tmp_path / 'scores.json').exists()


@pytest.mark.parametrize(
    'args, message',
    [
        (('knn', 'a.npz'), '2 files of features are wanted (train, test)'),
        (('knn', 'a.npz', 'b.pth'), 'config a.npz does not exist'),
        (('knn', 'a.npz', 'b.npz'), 'features file a.npz does not exist'),
        (('retrieval', 'a.py'), 'INPUT must be CONFIG CHECKPOINT, or files'),
        (('knn', 'a', 'b', '--out', 'c.txt'), '--out (c.txt) must end with'),
        # None of these was to change the score, and all were passed over.
        (('knn', 'a.py', 'b', '--data-root', 'c'), 'is the folder of a --set'),
        (
            ('knn', 'a.npz', 'b.npz', '--set', 'svhn'),
            '--set and --cfg-options go with CONFIG CHECKPOINT',
        ),
        (
            ('knn', 'a.npz', 'b.npz', '--cfg-options', 'seed=1'),
            '--set and --cfg-options go with CONFIG CHECKPOINT',
        ),
        (('svm', 'a.npz', 'b.npz', '--seed', '-1'), '--seed must be at least'),
        (('svm', 'a.npz', 'b.npz', '--shots', '1', '0'), '--shots must be at'),
    ],
)
def test_evaluate__unfit_command_line(run_tool, tmp_path, args, message):
    done = run_tool('evaluate.py', *args, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr


def test_evaluate__folder_of_out_cannot_be_made(run_tool, tmp_path):
    (tmp_path / 'file').write_text('')
    done = run_tool(
        'evaluate.py', 'knn', 'a.npz', 'b.npz', '--out',
        tmp_path / 'file' / 'scores.json',
    )  # fmt: skip
    assert done.returncode == 1
    # Before anything is read.
    assert 'a.npz' not in done.stderr
    assert str(tmp_path / 'file') in done.stderr


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda f, y: (f, y[1:]),
            'features must be (N, C) and labels begin with N, got (29, 7) and',
        ),
        (lambda f, y: (f[:, 0], y), 'got (29,) and (29,)'),
        (lambda f, y: (f, y / 2), 'labels integers, got float32 and float64'),
        (lambda f, y: (f, y.astype(str)), 'labels integers, got float32 and'),
    ],
)
def test_retrieval__file_of_something_else(
    files, run_tool, tmp_path, change, message
):
    with np.load(files / 'test.npz') as arrays:
        changed = change(arrays['features'], arrays['labels'])
    path = save(tmp_path / 'changed.npz', *changed)
    done = run_tool('evaluate.py', 'retrieval', path)
    assert done.returncode == 1
    assert f'error: {path}: ' in done.stderr and message in done.stderr


def test_knn__images_of_several_labels(run_tool):
    done = run_tool('evaluate.py', 'knn', 'a.py', 'b.pth', '--set', 'voc07')
    assert done.returncode == 2
    assert "invalid choice: 'voc07'" in done.stderr


def test_retrieval__names_a_part_of_a_set(tiny, run_tool, tmp_path):
    shutil.copytree(tiny / 'val', tmp_path / 'val')
    record = dict(
        name='mine', finished=True, subset=True, notes=[],
        counts=dict(val=9), official=dict(val=90),
    )  # fmt: skip
    (tmp_path / 'prepared.json').write_text(json.dumps(record))
    report, _ = evaluate(
        run_tool, tmp_path, 'retrieval', tiny / 'tiny.py', 'untrained',
        '--cfg-options', f'val_dataloader.dataset.data_root={tmp_path}',
    )  # fmt: skip
    assert report['source']['subset'] == 'a subset of mine: val 9 of 90'


def test_retrieval__of_a_set_reads_the_test_part_alone(
    tiny, run_tool, sets, tmp_path
):
    root = tmp_path / 'aircraft'
    shutil.copytree(sets / 'aircraft', root)
    (root / 'data/images_variant_train.txt').unlink()
    report, _ = evaluate(
        run_tool, tmp_path, 'retrieval', tiny / 'tiny.py', 'untrained',
        '--set', 'aircraft', '--data-root', root, '--k', '1',
    )  # fmt: skip
    assert report['num_images'] == dict(test=3)


@pytest.fixture(scope='module')
def sets(tmp_path_factory):
    """Three transfer sets in their official form, far too small."""
    folder = tmp_path_factory.mktemp('sets')
    for name in ('aircraft', 'flowers102', 'voc07'):
        write_official(name, folder / f'{name}_archive')
        loader_root(name, folder / f'{name}_archive').rename(folder / name)
    return folder


def test_extract_features__of_a_set_give_its_scores(
    tiny, run_tool, sets, trained, tmp_path
):
    checkpoint = trained[0] / 'epoch_2.pth'
    chosen = ('--set', 'aircraft', '--data-root', sets / 'aircraft')
    direct, _ = evaluate(
        run_tool, tmp_path, 'retrieval', tiny / 'tiny.py', checkpoint, *chosen
    )
    path = tmp_path / 'test.npz'
    done = run_tool(
        'extract_features.py', tiny / 'tiny.py', checkpoint, path, *chosen,
        '--split', 'test',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f'3 features of size 6: {path}' in done.stdout
    report, _ = evaluate(run_tool, tmp_path, 'retrieval', path)
    assert report['metrics'] == direct['metrics']


def test_transfer__row_of_what_is_there(
    tiny, run_tool, trained, sets, tmp_path
):
    args = (
        'transfer', tiny / 'tiny.py', trained[0] / 'epoch_2.pth',
        '--data', sets, '--sets', 'aircraft', 'flowers102', 'food101',
    )  # fmt: skip
    report, printed = evaluate(run_tool, tmp_path, *args)
    assert (
        '| CIFAR-10 | CIFAR-100 | FGVC-Aircraft | Flowers-102 | Food-101 | '
        'Caltech-101 |'
    ) in printed
    aircraft = report['details']['sets']['aircraft']
    flowers = report['details']['sets']['flowers102']
    assert aircraft['metric'] == flowers['metric'] == 'mean_per_class'
    assert aircraft['sizes'] == dict(train=4, val=3, test=3)
    # Neither is the whole set, and the others are not there.
    row = (
        f'| - | - | {aircraft["score"]:.1f}* | {flowers["score"]:.1f}* | - '
        '| - |'
    )
    assert row in printed
    assert 'Food-101: not measured, ' in printed
    assert 'prepare_data.py food101 --from' in printed
    assert 'FGVC-Aircraft*: not the whole set, 4 + 3 images' in printed
    assert report['details']['missing'] == ['food101']
    # A whole set is scored once, and may go away. Of a part there may be more
    # by now, so its score is not kept.
    path = tmp_path / 'scores.json'
    report['details']['sets']['aircraft'].update(is_whole=True, score=12.5)
    path.write_text(json.dumps(report))
    again, printed = evaluate(
        run_tool, tmp_path, *args[:4], tmp_path, '--sets', 'aircraft',
        'flowers102',
    )  # fmt: skip
    assert '| - | - | 12.5 | - | - | - |' in printed
    assert again['details']['missing'] == ['flowers102']


def test_transfer__nothing_is_there(tiny, run_tool, trained, tmp_path):
    done = run_tool(
        'evaluate.py', 'transfer', tiny / 'tiny.py',
        trained[0] / 'epoch_2.pth', '--data', tmp_path,
        '--out', tmp_path / 'scores.json',
    )  # fmt: skip
    assert done.returncode == 1
    assert f'error: none of {tmp_path / "cifar10"}, ' in done.stderr
    assert 'prepare_data.py NAME --from' in done.stderr
    assert not (tmp_path / 'scores.json').exists()


def test_svm__on_images_of_several_labels(
    tiny, run_tool, trained, sets, tmp_path
):
    done = run_tool(
        'evaluate.py', 'svm', tiny / 'tiny.py', trained[0] / 'epoch_2.pth',
        '--set', 'voc07', '--data-root', sets / 'voc07',
    )  # fmt: skip
    # Of 20 classes most have no image in so small a set.
    assert done.returncode == 1
    assert 'train images with it, and 3 are needed' in done.stderr


def test_svm__of_files_with_several_labels(run_tool, tmp_path):
    rng = np.random.default_rng(0)
    parts = []
    for name, num in (('train', 40), ('test', 23)):
        feats = rng.normal(size=(num, 5)).astype(np.float32)
        targets = (feats[:, :2] + rng.normal(size=(num, 2)) > 0).astype(int)
        targets[::7, 1] = -1  # only difficult objects of this class
        parts += [feats, targets]
        save(tmp_path / f'{name}.npz', feats, targets)
    report, _ = evaluate(
        run_tool, tmp_path, 'svm', tmp_path / 'train.npz',
        tmp_path / 'test.npz', '--jobs', '1',
    )  # fmt: skip
    train, targets, test, expected = parts
    for column, cost in enumerate(report['details']['costs']):
        used, judged = (y[:, column] >= 0 for y in (targets, expected))
        machine = LinearSVC(
            C=cost, class_weight={1: 2, 0: 1}, random_state=0, max_iter=5000
        ).fit(unit_rows(train[used]), targets[used, column])
        score = average_precision_score(
            expected[judged, column],
            machine.decision_function(unit_rows(test[judged])),
        )
        assert report['details']['ap'][column] == pytest.approx(100 * score)
    assert 'top1' not in report['metrics']


def test_svm__with_few_labels(files, run_tool, tmp_path):
    report, _ = evaluate(
        run_tool, tmp_path, 'svm', files / 'train.npz', files / 'test.npz',
        '--shots', '1', '15', '--samples', '2', '--jobs', '1',
    )  # fmt: skip
    metrics = report['metrics']
    assert metrics['map'] == pytest.approx(np.mean(report['details']['ap']))
    assert len(report['details']['map_1shot']) == 2
    assert 50 < metrics['map_15shot'] <= 100
    assert 50 < metrics['top1'] < 100


def test_encode_set__splits_share_their_images(tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    inputs = importlib.import_module('scoring.inputs')
    write_official('caltech101', tmp_path)
    root = str(loader_root('caltech101', tmp_path))
    model = init_model(tiny / 'tiny.py', device='cpu')
    encoded = []

    def counting(model, loader, num_samples, **kwargs):
        encoded.append(num_samples)
        return extract_features(model, loader, num_samples, **kwargs)

    monkeypatch.setattr(inputs, 'extract_features', counting)
    known = {}
    for split in range(3):
        kwargs = dict(data_root=root, split=split)
        shared = inputs.encode_set(
            model, 'caltech101', 'backbone', known=known, **kwargs
        )
        if split == 0:
            assert sum(encoded) == len(known)
            first = shared
        else:
            assert encoded == []
        alone = inputs.encode_set(model, 'caltech101', 'backbone', **kwargs)
        for part, features in alone.items():
            torch.testing.assert_close(shared[part].feats, features.feats)
            assert torch.equal(shared[part].labels, features.labels)
        encoded.clear()
    assert not torch.equal(shared['val'].feats, first['val'].feats)
