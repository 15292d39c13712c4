"""tools/visualize_positives.py over two runs that were made by hand."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from drawn_frames import find_frames
from matplotlib.figure import Figure
from PIL import Image

from mmisl.evaluation import PixelDistances, edge_numbers
from mmisl.structures import MiningSnapshot, ScoredEdges, snapshot_path

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
# Training images of the tiny data set, class by class: 8, 7 and 7 of them.
LABELS = np.repeat([0, 1, 2], [8, 7, 7])
NUM_TRAIN = len(LABELS)
ALONE = 21


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


def test_visualize__anchors_of_a_seed(tool, runs, tmp_path, monkeypatch):
    # The pictures are looked at above, and take the longest.
    monkeypatch.setattr(
        Figure, 'savefig', lambda self, path, **style: path.write_bytes(b'')
    )
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
        ('val', (), 'different images, 22 and 9; compare runs on the same'),
        ('fewer', (), 'fewer has mined 9 images, but .* has 22; put back'),
        ('moved', (), 'images of moved: .*elsewhere.* start this tool in'),
        ('gone', (), 'no work dir .*gone'),
        ('file', (), 'no work dir .*tiny.py'),
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
        ('isl', ('--rounds', 2), '--rounds 2: <isl>, .* mined in 0, 1'),
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
        num_images = 3

        def original(self, sample):
            reads.append(sample)
            return Image.fromarray(np.roll(pixels, sample, axis=0))

    small = images.SmallImages(Three())
    found = small[np.array([2, 0, 2])]
    mean = pixels.reshape(32, 2, 32, 3, 3).mean((1, 3))
    assert np.abs(found[1] - mean).max() < 1  # rounded once a direction
    assert (found[0] == found[2]).all()
    assert len(small) == 3
    small[np.array([0, 2])]
    assert reads == [0, 2]


def test_run_images__same_files_elsewhere_and_in_memory(tool):
    images = importlib.import_module('positives.images')

    class Listed:
        def __init__(self, infos):
            self.infos, self.num_instances = infos, len(infos)

        def get_info(self, index):
            return self.infos[index]

    def names(*infos):
        return images.RunImages(Listed(infos)).names

    paths = ['a/1.png', 'b/2.png']
    here = names(*(dict(img_path=f'data/{path}') for path in paths))
    there = names(*(dict(img_path=f'/other/{path}') for path in paths))
    assert here == there == paths
    first, second = (np.full((2, 2, 3), i, dtype=np.uint8) for i in (1, 2))
    assert names(dict(img=first), dict(img=second)) != names(
        dict(img=second), dict(img=first)
    )
    assert names(dict(img=first)) == names(dict(img=first.copy()))
