"""tools/visualize_positives.py over two runs that were made by hand."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from drawn_frames import find_frames
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.config import Config
from PIL import Image

from mmisl.evaluation import PixelDistances, edge_numbers
from mmisl.structures import MiningSnapshot, ScoredEdges, snapshot_path

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
# Training images of the tiny data set, class by class: 8, 7 and 7 of them.
LABELS = np.repeat([0, 1, 2], [8, 7, 7])
NUM_TRAIN = len(LABELS)
ALONE = 21
# Where a training set is said to lie: it is what a run has mined.
DATA_ROOT = 'train_dataloader.dataset.dataset.data_root'
CURE = f'--cfg-options {DATA_ROOT}=FOLDER$'


def make_edges(pairs, *, directed=False, num_samples=NUM_TRAIN):
    src, dst = np.array(sorted(pairs), dtype=np.int32).reshape(-1, 2).T
    return ScoredEdges(
        num_samples=num_samples,
        src=src,
        dst=dst,
        score=np.full(len(src), np.nan, dtype=np.float32),
        cosine=np.linspace(0.9, 0.1, len(src)).astype(np.float32),
        added=np.zeros(len(src), dtype=np.uint16),
        directed=directed,
    )


def members(step):
    """Of every sample but the last the next ones, as of its cluster."""
    return make_edges(
        {(i, (i + j * step) % ALONE) for i in range(ALONE) for j in (1, 2)},
        directed=True,
    )


ISL_PAIRS = {
    3: {(0, 1), (0, 9), (8, 9), (15, 16), (4, 20)},
    6: {(0, 1), (0, 9), (8, 9), (15, 16), (4, 20), (0, 4), (1, 10), (8, 20)},
}
CONTROL = make_edges({(0, 8), (1, 2), (3, 4), (9, 10), (5, 6)})


def make_run(tiny, work_dir, snapshots, images):
    """A work dir: log of one start, its config, and what was mined."""
    log = work_dir / '20260101_000000' / 'vis_data'
    log.mkdir(parents=True)
    text = (tiny / 'tiny.py').read_text()
    (log / 'config.py').write_text(text.replace("'train'", repr(images)))
    for snapshot in snapshots:
        snapshot.save(snapshot_path(work_dir, snapshot.round))
    return work_dir


@pytest.fixture(scope='module')
def runs(tiny):
    """LA clusters before each of 7 epochs, ISL mines after 3 and 6."""
    la = [
        MiningSnapshot(e, e, 'LocalAggregation', '', members(e + 1), None)
        for e in (0, 1, 2, 4, 5, 6)
    ]
    isl = [
        MiningSnapshot(i, e, 'ISL', 'GANMiner', make_edges(pairs), CONTROL)
        for i, (e, pairs) in enumerate(ISL_PAIRS.items())
    ]
    folder = tiny / 'positives'
    return (
        make_run(tiny, folder / 'la $x$', la, 'train'),
        make_run(tiny, folder / '<isl>', isl, 'train'),
    )


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield importlib.import_module('visualize_positives')


@pytest.fixture
def no_pictures(monkeypatch):
    """Drawing takes the longest, and is looked at elsewhere."""
    monkeypatch.setattr(
        Figure, 'savefig', lambda self, path, **style: path.write_bytes(b'')
    )


def visualize(tool, *argv):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', ['tool', *map(str, argv)])
        tool.visualize(tool.parse_args())


@pytest.fixture(scope='module')
def drawn(runs, run_tool, tiny):
    """What the tool writes and prints, with anchors by number."""
    out = tiny / 'positives' / 'out'
    done = run_tool(
        'visualize_positives.py', *runs, '--out', out,
        '--anchors', '0', '8', '15', '--control', '--max-neighbors', '4',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_visualize__files(drawn):
    out, printed = drawn
    names = {path.name for path in out.iterdir()}
    assert names == {
        *(
            f'{name}.{ending}'
            for name in (
                'positives_round_000',
                'positives_round_001',
                'positives_overview',
                'numbers',
            )
            for ending in ('png', 'pdf')
        ),
        'numbers.json',
        'numbers.md',
    }
    assert all(name in printed for name in names)


def test_visualize__frames_follow_the_labels_of_the_folders(drawn):
    """Round 1: anchors 0, 8 and 15; LA, ISL and ISL's plain neighbours."""
    rows = find_frames(drawn[0] / 'positives_round_001.png')

    def colors(edges, anchor):
        nearest = edges.nearest(4)[0][anchor]
        return [
            'right' if LABELS[j] == LABELS[anchor] else 'wrong'
            for j in nearest
            if j >= 0
        ]

    expected = [
        colors(edges, anchor)
        for anchor in (0, 8, 15)
        for edges in (members(7), make_edges(ISL_PAIRS[6]), CONTROL)
    ]
    found = [[frame.color for frame in row] for row in rows]
    assert found == [row for row in expected if row]


def test_visualize__numbers_of_every_round_and_run(drawn, tiny):
    out, printed = drawn
    numbers = json.loads((out / 'numbers.json').read_text())
    files = sorted((tiny / 'train').glob('*/*.png'))
    images = np.stack([np.asarray(Image.open(path)) for path in files])
    # Enlarged by whole pixels, images are as far apart as before.
    large = images.repeat(4, axis=1).repeat(4, axis=2)
    distances = PixelDistances(large)
    assert numbers['far_above'] == pytest.approx(distances.median, rel=1e-6)
    assert numbers['anchors'] == [0, 8, 15]
    assert list(numbers['runs']) == ['la $x$', '<isl>']
    for entry, la_epoch, epoch in zip(numbers['rounds'], (2, 6), ISL_PAIRS):
        la, isl = entry['runs']
        # LA has no stage at epoch 3: the one before it counts.
        assert [la['epoch'], isl['epoch']] == [la_epoch, epoch]
        assert la['control'] is None
        for found, edges in (
            (la['mined'], members(la_epoch + 1)),
            (isl['mined'], make_edges(ISL_PAIRS[epoch])),
            (isl['control'], CONTROL),
        ):
            expected = edge_numbers(edges, LABELS, pixel_distance=distances)
            assert found == pytest.approx(expected)
    table = (out / 'numbers.md').read_text()
    rows = [line for line in table.splitlines() if line.startswith('| 1 |')]
    assert [row.split(' | ')[1] for row in rows] == [
        'la $x$',
        '&lt;isl&gt;',
        'plain kNN',
    ]
    # Of 8 edges: 0-1, 8-9, 15-16 and 0-4 are within a class.
    assert rows[1].split(' | ')[3] == '50.0'
    assert 'plain kNN' in printed and '<isl>' in printed


@pytest.mark.usefixtures('no_pictures')
def test_visualize__anchors_of_a_seed(tool, runs, tmp_path):
    chosen = []
    for seed in (0, 0, 1):
        visualize(
            tool, *runs, '--out', tmp_path, '--num-anchors', 4,
            '--seed', seed, '--pixel-edges', 0,
        )  # fmt: skip
        numbers = json.loads((tmp_path / 'numbers.json').read_text())
        chosen.append(numbers['anchors'])
        assert numbers['far_above'] is None
        mined = numbers['rounds'][0]['runs'][0]['mined']
        assert 'share_far' not in mined and 'purity' in mined
    assert chosen[0] == chosen[1] != chosen[2]
    mined = {i for pair in ISL_PAIRS[6] for i in pair}
    for anchors in chosen:
        # One of each class, then another; both runs have their positives.
        assert set(LABELS[anchors]) == {0, 1, 2}
        assert set(anchors) <= mined
        assert anchors == sorted(anchors)


@pytest.fixture(scope='module')
def others(tiny, runs):
    """Runs that do not go with the first, by what is wrong with them."""
    folder = tiny / 'positives'
    isl = MiningSnapshot(
        0, 3, 'ISL', 'GANMiner', make_edges(ISL_PAIRS[3]), None
    )
    fewer = MiningSnapshot(
        0, 3, 'ISL', 'GANMiner', make_edges([(0, 1)], num_samples=9), None
    )
    torn = make_run(tiny, folder / 'torn', [isl], 'train')
    path = snapshot_path(torn, 0)
    path.write_bytes(path.read_bytes()[:100])
    bare = folder / 'bare'
    (bare / '20260101_000000' / 'vis_data').mkdir(parents=True)
    return dict(
        empty=make_run(tiny, folder / 'empty', [], 'train'),
        bare=bare,
        torn=torn,
        val=make_run(tiny, folder / 'val', [fewer], 'val'),
        fewer=make_run(tiny, folder / 'fewer', [fewer], 'train'),
        moved=make_run(tiny, folder / 'moved', [isl], 'elsewhere'),
        gone=folder / 'gone',
        file=tiny / 'tiny.py',
        first=runs[0],
    )


@pytest.mark.parametrize(
    ('other', 'argv', 'message'),
    [
        ('empty', (), 'empty has no mining snapshots .* MiningSnapshotHook'),
        ('bare', (), 'bare has no config'),
        ('torn', (), r'torn.mining.round_000.npz is no mining snapshot'),
        (
            'val',
            (),
            r'^la \$x\$ and val are over different images, 22 and 9 of them; '
            r'the first that differs is number 0: \S+/train/class0/\d+.png '
            r'in la \$x\$, \S+/val/class0/\d+.png in val; '
            r'compare runs on the same images$',
        ),
        ('fewer', (), f'fewer has mined 9 images, but .* 22 now, .*{CURE}'),
        ('moved', (), f'^moved: .*elsewhere.* name the new .*{CURE}'),
        ('gone', (), 'no work dir .*gone'),
        ('file', (), 'tiny.py is a file, not a folder'),
        ('first', (), 'la .* is given twice; name different runs'),
        (None, (), '1 run given; name the work dirs of two or more'),
        ('isl', ('--names', 'a'), 'each of the 2 runs a name of its own'),
        ('isl', ('--names', 'a', 'a'), 'a name of its own, got a a'),
        ('isl', ('--anchors', 22), '--anchors 22: .* from 0 to 21'),
        ('isl', ('--anchors', -1), '--anchors -1: .* from 0 to 21'),
        ('isl', ('--anchors', 3, 3), 'is given twice; name each once'),
        ('isl', ('--num-anchors', 23), r'\(23\) must be in \[1, 22\]'),
        ('isl', ('--num-anchors', 0), r'\(0\) must be in \[1, 100\]'),
        ('isl', ('--max-neighbors', 0), r'\(0\) must be in \[1, 50\]'),
        (
            'isl',
            ('--rounds', 2),
            'no such round; <isl>, .* has rounds 0 to 1$',
        ),
        ('isl', ('--pixel-edges', -1), 'must not be negative'),
    ],
)
def test_visualize__slips(tool, runs, others, other, argv, message, tmp_path):
    second = [] if other is None else [{**others, 'isl': runs[1]}[other]]
    out = tmp_path / 'out'
    with pytest.raises((ValueError, OSError), match=message) as caught:
        visualize(tool, runs[0], *second, '--out', out, *argv)
    assert '\n' not in str(caught.value)
    assert not out.exists()


@pytest.fixture
def own_folders(tmp_path):
    """A start folder with images of one's own, another with a copy."""
    rng = np.random.default_rng(3)
    for name in ('mine', 'copy'):
        (tmp_path / 'start' / name / 'deep').mkdir(parents=True)
    for index in range(7):
        image = Image.fromarray(rng.integers(0, 256, (9, 6), np.uint8), 'L')
        for name in ('mine', 'copy'):
            image.save(tmp_path / 'start' / name / 'deep' / f'{index}.png')
    (tmp_path / 'here').mkdir()
    return tmp_path / 'start'


def train_on(start, name, root):
    """A work dir as README's command for one's own images leaves it."""
    config = Config.fromfile(TOOLS.parent / 'configs' / 'isl_r18_folder.py')
    config.merge_from_dict({DATA_ROOT: root})
    assert config.gallery_dataloader.dataset.dataset.data_root == 'data/images'
    work_dir = start / 'work_dirs' / name
    log = work_dir / '20260101_000000' / 'vis_data'
    log.mkdir(parents=True)
    config.dump(log / 'config.py')
    mined = make_edges([(0, 1), (2, 5)], num_samples=7)
    MiningSnapshot(0, 2, 'ISL', 'GANMiner', mined, None).save(
        snapshot_path(work_dir, 0)
    )
    return work_dir


def test_visualize__own_images(
    tool, own_folders, no_pictures, monkeypatch, tmp_path
):
    """The training's folder counts, wherever the tool is started."""
    monkeypatch.chdir(tmp_path / 'here')
    runs = [train_on(own_folders, name, 'mine') for name in ('a', 'b')]
    titles = []
    monkeypatch.setattr(
        Axes, 'set_title', lambda self, title, **style: titles.append(title)
    )
    visualize(tool, *runs, '--out', 'out', '--num-anchors', 2)
    numbers = json.loads(Path('out', 'numbers.json').read_text())
    assert numbers['num_images'] == 7
    mined = numbers['rounds'][0]['runs'][0]['mined']
    # Seven images, two pairs; no labels, so no purity and no panel of it.
    assert mined['mean_degree'] == pytest.approx(4 / 7)
    assert titles == [
        'neighbours per image',
        'largest degree',
        'edges far apart in pixels (%)',
    ]
    with pytest.raises(ValueError, match='--rounds 9: .* has round 0 alone$'):
        visualize(tool, *runs, '--out', 'out', '--rounds', 9)


def test_visualize__copies_are_told_apart_until_one_is_named(
    tool, own_folders, no_pictures, tmp_path
):
    mine, copy = own_folders / 'mine', own_folders / 'copy'
    runs = [
        train_on(own_folders, 'a', str(mine)),
        train_on(own_folders, 'b', str(copy)),
    ]
    out = tmp_path / 'out'
    with pytest.raises(ValueError) as caught:
        visualize(tool, *runs, '--out', out)
    assert str(caught.value) == (
        'a and b are over different images, 7 and 7 of them; the first that '
        f'differs is number 0: {mine}/deep/0.png in a, {copy}/deep/0.png in '
        'b; compare runs on the same images, or, if one is a copy of the '
        f'other, name one for all runs: --cfg-options {DATA_ROOT}=FOLDER'
    )
    assert not out.exists()
    visualize(
        tool, *runs, '--out', out, '--num-anchors', 1,
        '--cfg-options', f'{DATA_ROOT}={copy}',
    )  # fmt: skip
    assert json.loads((out / 'numbers.json').read_text())['num_images'] == 7


def test_visualize__help_asks_for_two_runs(run_tool):
    done = run_tool('visualize_positives.py', '--help')
    usage = done.stdout.splitlines()[0]
    assert usage.startswith('usage: ') and 'RUN RUN [RUN ...] --out' in usage


def test_visualize__out_is_a_file(tool, runs, tmp_path):
    out = tmp_path / 'file'
    out.write_text('kept')
    with pytest.raises(ValueError, match='is a file; name a folder'):
        visualize(tool, *runs, '--out', out)
    assert out.read_text() == 'kept'


def test_visualize__one_line_and_a_status(run_tool, others, tmp_path):
    done = run_tool(
        'visualize_positives.py', others['first'], others['empty'],
        '--out', tmp_path / 'out',
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: ') and 'has no mining snapshots' in line


@pytest.mark.parametrize(
    ('mined', 'epoch', 'line'),
    [
        (dict(purity=0.5, mean_degree=10.04), 3, 'purity 50.0 %, 10.0'),
        (dict(purity=0.5, mean_degree=1.0), 4, 'epoch 3, purity 50.0 %, 1.0'),
        (dict(mean_degree=0.012), 3, '0.01'),
    ],
)
def test_short__epoch_where_it_is_another(tool, mined, epoch, line):
    numbers = importlib.import_module('positives.numbers')
    run = numbers.RunNumbers('LA', 2, 3, mined, None)
    assert run.short(epoch) == f'{line} positives an image'


def test_choose_anchors__those_with_positives_first(tool):
    choose = importlib.import_module('positives.anchors').choose_anchors
    labels = np.array([0, 0, 0, 1, 1, -1])
    has = np.array([True, False, True, True, False, True])
    for seed in range(5):
        chosen = choose(3, has_neighbors=has, labels=labels, seed=seed)
        assert set(chosen) == {0, 2, 3}
        assert set(choose(2, has_neighbors=has, labels=labels, seed=seed)) in (
            {0, 3},
            {2, 3},
        )
    # Without labels any of the preferred ones, and then the others.
    assert len(set(choose(4, has_neighbors=has)) & {0, 2, 3, 5}) == 4
    assert sorted(choose(6, has_neighbors=has)) == list(range(6))


def test_small_images__area_means_read_once(tool):
    images = importlib.import_module('positives.images')
    pixels = np.random.randint(0, 256, (64, 96, 3), dtype=np.uint8)
    reads = []

    class Three:
        def __len__(self):
            return 3

        @property
        def dataset(self):
            return self

        def get_info(self, sample):
            reads.append(sample)
            moved = np.roll(pixels, sample, axis=0)
            return dict(img=moved if sample else moved[..., 0])  # 0 is grey

    small = images.SmallImages(Three())
    found = small[np.array([2, 0, 2])]
    mean = pixels.reshape(32, 2, 32, 3, 3).mean((1, 3))
    grey = np.broadcast_to(mean[..., :1], mean.shape)
    assert np.abs(found[1] - grey).max() < 1  # rounded once a direction
    moved = np.roll(mean, 1, axis=0)  # two rows of pixels are one of these
    assert np.abs(found[0] - moved).max() < 1
    assert (found[0] == found[2]).all()
    assert len(small) == 3
    small[np.array([0, 2])]
    assert reads == [0, 2]
