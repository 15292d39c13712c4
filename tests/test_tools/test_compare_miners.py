"""tools/compare_miners.py, as a user runs it, and its parts."""

import importlib
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmisl.evaluation import PixelDistances
from mmisl.models.miners import BaseMiner, Candidates
from mmisl.structures import NeighborGraph

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'
# Accepts nearly any row, and is trained in a moment.
GAN = (
    'GAN:type=GANMiner,feat_dim=6,sim_thr=-0.9,score_thr=0,topk=4,'
    'training.eval_interval=4,training.min_iters=4,training.max_iters=4'
)
ALL_PAIRS = 'all:topk=21'


@pytest.fixture(scope='module')
def compare(tiny, run_tool, trained):
    """Runs the tool on the checkpoint of a run of 2 epochs."""

    def run(*args, config=tiny / 'tiny.py', checkpoint=None, **kwargs):
        checkpoint = checkpoint or trained[0] / 'epoch_2.pth'
        return run_tool(
            'compare_miners.py', config, checkpoint, *args, **kwargs
        )

    return run


@pytest.fixture(scope='module')
def finished(tiny, compare):
    """Files of results and features, and what the tool printed."""
    save, cache = tiny / 'miners.json', tiny / 'views.npz'
    done = compare(
        '--miner', ALL_PAIRS, GAN, '--quotas', '1', '21', '--seeds', '3',
        '4', '--views', '2', '--save', save, '--cache', cache,
        '--title', 'tiny miners', fresh=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return save, cache, done.stdout


def runs_of(path):
    """Results by name, quota and seed."""
    runs = json.loads(path.read_text())['runs']
    found = {(run['name'], run['quota'], run['seed']): run for run in runs}
    assert len(found) == len(runs)
    return found


def test_compare_miners__numbers_of_all_pairs(tiny, finished):
    run = runs_of(finished[0])['all', 21, 3]
    # 22 images in classes of 8, 7 and 7: of 231 pairs 28 + 21 + 21 are pure.
    assert run['edges'] == run['requested'] == 231
    assert run['purity'] == run['control_purity'] == pytest.approx(70 / 231)
    assert (run['max_degree'], run['coverage']) == (21, 1)
    pixels = [
        np.asarray(Image.open(path), dtype=float)
        for path in (tiny / 'train').rglob('*.png')
    ]
    distances = [
        np.sqrt(np.mean((one - other) ** 2)) / 255
        for one, other in itertools.combinations(pixels, 2)
    ]
    assert run['pixel_distance'] == pytest.approx(np.mean(distances), rel=1e-5)
    assert run['control_pixel_distance'] == run['pixel_distance']


def test_compare_miners__plain_neighbours_are_their_own_control(finished):
    run = runs_of(finished[0])['all', 1, 4]
    assert run['edges'] == 11
    assert run['purity'] == run['control_purity']
    assert run['pixel_distance'] == run['control_pixel_distance']
    assert run['observations'] == {}


def test_compare_miners__seeds_are_of_the_miner(finished):
    runs = runs_of(finished[0])
    gaps = {seed: runs['GAN', 1, seed]['observations'] for seed in (3, 4)}
    assert gaps[3]['gan_iterations'] == 4
    assert gaps[3]['gan_gap'] != gaps[4]['gan_gap']
    # One GAN serves both quotas.
    assert runs['GAN', 21, 3]['observations'] == gaps[3]
    assert runs['GAN', 21, 3]['edges'] > runs['GAN', 1, 3]['edges'] == 11
    for quota in (1, 21):
        first, other = (dict(runs['all', quota, seed]) for seed in (3, 4))
        for run in (first, other):
            del run['seed'], run['seconds']
        assert first == other


def test_compare_miners__file_says_what_made_it(tiny, finished):
    save, _, printed = finished
    content = json.loads(save.read_text())
    assert (content['kind'], content['title']) == ('miners', 'tiny miners')
    assert content['command'].startswith('python tools/compare_miners.py ')
    assert '--quotas 1.0 21.0 --seeds 3 4 --views 2' in content['command']
    assert content['features']['checkpoint'] == 'epoch_2.pth'
    assert content['features']['epoch'] == 2
    assert content['features']['images'] == 22
    # As the run itself has scored the same weights.
    scalars = (tiny / 'trained').glob('*/vis_data/scalars.json')
    logged = [
        record['knn/recomputed_top1']
        for path in scalars
        for record in map(json.loads, path.read_text().splitlines())
        if 'knn/recomputed_top1' in record
    ]
    assert content['features']['knn'] == pytest.approx(logged[-1], abs=0.01)
    run = runs_of(save)['GAN', 1, 3]
    assert run['overrides']['training.min_iters'] == 4
    assert run['miner']['training']['min_iters'] == 4
    assert run['views'] == 2
    assert 'all, quota 21, seed 3: 231 of 231 edges' in printed
    assert 'purity 30.3 %' in printed


def test_compare_miners__goes_on_where_it_stopped(compare, finished):
    save, cache, _ = finished
    content = json.loads(save.read_text())
    before = runs_of(save)
    lost = content['runs'].pop()
    content['runs'][0]['seconds'] = -1.0  # nobody measures that again
    save.write_text(json.dumps(content))
    made, size = cache.stat().st_mtime_ns, cache.stat().st_size
    done = compare(
        '--miner', ALL_PAIRS, GAN, 'two:topk=21,views=1', '--quotas', '1',
        '21', '--seeds', '3', '4', '--views', '2', '--save', save,
        '--cache', cache,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (cache.stat().st_mtime_ns, cache.stat().st_size) == (made, size)
    after = runs_of(save)
    place = (lost['name'], lost['quota'], lost['seed'])
    assert after[place]['observations'] == before[place]['observations']
    assert after['all', 1, 3]['seconds'] == -1
    assert after['two', 21, 3]['views'] == 1
    lines = [line for line in done.stdout.splitlines() if ' edges' in line]
    assert sum(', quota' in line for line in lines) == 1 + 4
    content = json.loads(save.read_text())
    assert content['title'] == 'tiny miners'
    assert len(content['command'].splitlines()) == 2


def test_compare_miners__more_views_are_added(compare, finished, tmp_path):
    _, cache, _ = finished
    copy = tmp_path / 'views.npz'
    copy.write_bytes(cache.read_bytes())
    done = compare(
        '--miner', ALL_PAIRS, '--quotas', '1', '--seeds', '0', '--views',
        '3', '--cache', copy,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(cache) as few, np.load(copy) as many:
        assert few['views'].shape == (2, 22, 6)
        assert many['views'].shape == (3, 22, 6)
        assert (many['views'][:2] == few['views']).all()
        assert not np.allclose(many['views'][2], many['views'][1])
        np.testing.assert_allclose(
            np.linalg.norm(many['views'], axis=2), 1, rtol=1e-5
        )


class FixedMiner(BaseMiner):
    """Proposes three pairs, and keeps what it was given."""

    def propose(self, views, bank, graph, seed):
        self.given = len(views), bank
        pairs = torch.tensor([[0, 0, 1], [1, 2, 3]])
        score = torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
        return Candidates(*pairs, score), dict(other=1.0)


class FixedVariant:
    views = 2

    def build(self, feat_dim):
        assert feat_dim == 2
        self.miner = FixedMiner()
        return self.miner


def on_circle(*degrees):
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


@pytest.mark.parametrize('refresh', [False, True])
def test_bench__numbers_of_a_fixed_miner(monkeypatch, refresh):
    monkeypatch.syspath_prepend(TOOLS)
    mining = importlib.import_module('miner_comparison.mining')
    rows = on_circle(0.0, 10.0, 90.0, 105.0)
    # Of the first two views the mean is the bank; no miner sees the third.
    views = [
        on_circle(-5.0, 5.0, 85.0, 100.0),
        on_circle(5.0, 15.0, 95.0, 110.0),
        on_circle(0.0, 90.0, 180.0, 270.0),
    ]
    grey = np.array([0, 51, 102, 153], dtype=np.uint8).reshape(4, 1, 1)
    bench = mining.Bench(
        views=views,
        bank=None if refresh else rows,
        labels=torch.tensor([0, 0, 1, 1]),
        pixels=PixelDistances(grey, num_pairs=3),
    )
    variant = FixedVariant()
    found = dict(bench.mine(mining.Mining(variant, [1.0, 0.1], 0)))
    assert variant.miner.given[0] == 2
    torch.testing.assert_close(variant.miner.given[1], rows)
    del found[1.0]['seconds']
    # Of 0-1 and 0-2 the first is pure; levels of grey are 0.2 apart. The
    # nearest rows are 0-1 and 2-3. Of two rows each, both ends see 0-1 from
    # one view to the other, and of 0-2 only 0 does.
    assert found[1.0] == dict(
        edges=2,
        requested=2,
        purity=0.5,
        max_degree=2,
        coverage=0.75,
        pixel_distance=pytest.approx(0.3),
        control_purity=1.0,
        control_pixel_distance=pytest.approx(0.2),
        replication=0.75,
        observations=dict(other=1.0),
    )
    assert found[0.1]['edges'] == found[0.1]['coverage'] == 0
    assert found[0.1].keys().isdisjoint({'purity', 'pixel_distance'})


def test_kept_proposals__go_through_the_gate_of_the_miner(monkeypatch):
    """Both ends see 0-1 in each other's view; of 0-2 only 0 does."""
    monkeypatch.syspath_prepend(TOOLS)
    mining = importlib.import_module('miner_comparison.mining')
    bank = on_circle(0.0, 10.0, 90.0, 105.0)
    views = [
        on_circle(-5.0, 5.0, 85.0, 100.0),
        on_circle(5.0, 15.0, 95.0, 110.0),
    ]
    miner = FixedMiner(min_replication=0.8)
    kept = mining.KeptProposals(miner, views, bank, 0)
    summary = kept.mine(views, bank, NeighborGraph(4), 1.0, seed=0)
    assert (summary.num_accepted, summary.num_refused) == (1, 1)
    assert summary.replication == 1.0


def last_line(done):
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


def test_compare_miners__one_name_is_one_miner(compare, finished):
    save, _, _ = finished
    kept = save.read_bytes()
    done = compare(
        '--miner', 'all:topk=3', '--quotas', '1', '--seeds', '3', '--views',
        '2', '--save', save,
    )  # fmt: skip
    line = last_line(done)
    assert "another miner called 'all' (topk=21, now topk=3)" in line
    assert save.read_bytes() == kept


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    names = ('record', 'features')
    return [importlib.import_module(f'miner_comparison.{n}') for n in names]


@pytest.mark.parametrize(
    'text, key, message',
    [
        ('[', '', 'is no comparison of miners'),
        ('{"kind": "methods"}', '', 'is no comparison of miners'),
        (None, 'other', 'is of other features'),
    ],
)
def test_record__files_of_something_else_are_left(
    parts, finished, tmp_path, text, key, message
):
    path = tmp_path / 'results.json'
    path.write_text(finished[0].read_text() if text is None else text)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=f'--save {path} {message}'):
        parts[0].Record(
            path,
            title=None,
            default_title='',
            command='',
            features=dict(key=key),
        )
    assert path.read_bytes() == kept


def test_record__two_commands_fill_one_file(parts, tmp_path):
    path = tmp_path / 'new' / 'results.json'
    one, other = (
        parts[0].Record(
            path,
            title=None,
            default_title='',
            command=command,
            features=dict(key='x'),
        )
        for command in ('first', 'second')
    )
    variant = SimpleNamespace(name='a', overrides={}, miner={}, views=1)
    for record, seed in ((one, 0), (other, 1), (one, 2)):
        record.add(variant, 0.5, seed, dict(edges=seed))
    assert [runs_of(path)['a', 0.5, s]['edges'] for s in range(3)] == [0, 1, 2]
    content = json.loads(path.read_text())
    assert sorted(content['command'].splitlines()) == ['first', 'second']


def test_features_key__weights_and_settings_but_no_miner(
    tiny, parts, finished, tmp_path
):
    cfg = Config.fromfile(tiny / 'tiny.py')
    first, second = (
        str(tiny / 'trained' / f'epoch_{epoch}.pth') for epoch in (1, 2)
    )
    key = parts[1].features_key(cfg, second)
    assert json.loads(finished[0].read_text())['features']['key'] == key
    assert parts[1].features_key(cfg, first) != key
    cfg.model.miner.topk = 7
    cfg.optim_wrapper.optimizer.lr = 3.0
    assert parts[1].features_key(cfg, second) == key
    # The same training on another day, whose miner has played another game.
    content = torch.load(second, weights_only=False)
    content['meta'] = dict(epoch=2)
    for name, value in content['state_dict'].items():
        if name.startswith('miner.'):
            value.zero_()
    again = tmp_path / 'again.pth'
    torch.save(content, again)
    assert parts[1].features_key(cfg, str(again)) == key
    content['state_dict']['memory.bank'][0, 0] += 1e-3
    torch.save(content, again)
    assert parts[1].features_key(cfg, str(again)) != key
    cfg.merge_from_dict({'randomness.seed': 5})
    assert parts[1].features_key(cfg, second) != key


@pytest.mark.parametrize(
    'own, message',
    [
        (True, 'holds features of another checkpoint or config'),
        (False, 'is no file of features that this tool wrote'),
    ],
)
def test_frozen_features__files_of_something_else_are_left(
    tiny, parts, finished, tmp_path, own, message
):
    path = tmp_path / 'views.npz'
    path.write_bytes(finished[1].read_bytes() if own else b'mine')
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=f'--cache {path} {message}'):
        parts[1].frozen_features(
            Config.fromfile(tiny / 'tiny.py'),
            str(tiny / 'trained' / 'epoch_2.pth'),
            key='other',
            num_views=2,
            cache=path,
        )
    assert path.read_bytes() == kept


def test_read_memory__checkpoint_without_a_bank(parts, tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save({'state_dict': {'a': torch.zeros(2)}}, path)
    with pytest.raises(ValueError, match='holds no rows of a memory bank'):
        parts[1].read_memory(str(path))


@pytest.fixture
def variants(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module('miner_comparison.variants')


@pytest.mark.parametrize(
    'text, message',
    [
        (':topk=3', 'has no name'),
        ('a:topk', "'topk' is no KEY=VALUE"),
        ('a:topk=0', 'a: .*topk must be >= 1, got 0'),
        ('a:tokp=3', "a: model.miner.tokp: .*'topk'"),
        ('a:type=KMMiner', "a: model.miner.type: 'KMMiner'"),
        ('a:type=GANMiner', r'a: .*feat_dim \(128\) must equal'),
        ('a:views=3', r'a: views \(3\) must be in \[1, 2\]'),
        ('a:views=two', r"a: views \('two'\) must be in"),
        (
            'a:views=1,min_replication=0.5',
            'a: this miner needs at least 2 views .* got views=1; raise view',
        ),
    ],
)
def test_make_variants__bad_ones_are_named(tiny, variants, text, message):
    cfg = Config.fromfile(tiny / 'tiny.py')
    with pytest.raises(ValueError, match=message):
        wanted = variants.read_variants([text])
        variants.make_variants(cfg, wanted, feat_dim=6, num_views=2)


@pytest.mark.parametrize(
    'text, message',
    [
        (None, 'does not exist'),
        ('{', 'is no JSON'),
        ('{"miners": {}}', 'has no variants'),
        ('{"variants": {"a": 3}}', 'has no variants'),
        ('{"variants": {"a": {}}}', "two variants are called 'a'"),
    ],
)
def test_read_variants__bad_plans(variants, tmp_path, text, message):
    path = tmp_path / 'plan.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        variants.read_variants(['a'], path)


def test_read_variants__chosen_by_pattern(variants):
    texts = ['kNN, bank', 'kNN, mean', 'GAN', 'GAN 2:topk=2']
    found = variants.read_variants(texts, patterns=['GAN 2', 'kNN*'])
    assert list(found) == ['GAN 2', 'kNN, bank', 'kNN, mean']
    assert found['GAN 2'] == {'topk': 2}
    with pytest.raises(ValueError, match="--only 'gan' matches no miner"):
        variants.read_variants(texts, patterns=['kNN*', 'gan'])


COMBINED = ('GAN, published', 'thresholds auto', '1,600 iterations, ')


def test_make_variants__plan_of_the_study(variants):
    cfg = Config.fromfile(ROOT / 'configs' / 'study' / 'cifar10_isl.py')
    plan = ROOT / 'results' / 'plans' / 'miners.json'
    made = variants.make_variants(
        cfg, variants.read_variants([], plan), feat_dim=128, num_views=8
    )
    own = made[0].miner
    assert own == cfg.model.miner.to_dict()
    for variant in made[1:]:
        changed = {
            key: value
            for key, value in variant.miner.items()
            if own.get(key) != value
        }
        # One factor at a time, but for other miners and combinations.
        if 'type' not in changed and not variant.name.startswith(COMBINED):
            assert len(changed) + (variant.views != 8) == 1, variant.name


def test_make_variants__config_without_a_miner(tiny, variants):
    cfg = Config.fromfile(tiny / 'tiny.py')
    del cfg.model['miner']
    with pytest.raises(ValueError, match='model.miner: missing'):
        variants.make_variants(cfg, {'a': {}}, feat_dim=6, num_views=1)


@pytest.mark.parametrize(
    'args, message',
    [
        (('--views', '0'), '--views must be >= 1, got 0'),
        (('--quotas', '0'), '--quotas must be > 0, got 0'),
        (('--seeds', '-1'), '--seeds must be >= 0, got -1'),
    ],
)
def test_check_arguments__out_of_range(monkeypatch, args, message):
    monkeypatch.syspath_prepend(TOOLS)
    tool = importlib.import_module('compare_miners')
    with pytest.raises(ValueError, match=message):
        tool.check_arguments(tool.parse_args(['a.py', 'b.pth', *args]))


def test_compare_miners__a_miner_that_fails_leaves_the_others(
    compare, finished, tmp_path
):
    save = tmp_path / 'results.json'
    done = compare(
        '--miner',
        'wild:type=GANMiner,feat_dim=6,training.lr=1e30,'
        'training.eval_interval=4,training.min_iters=4,training.max_iters=8',
        ALL_PAIRS, '--quotas', '1', '--seeds', '0', '--views', '2',
        '--save', save, '--cache', finished[1],
    )  # fmt: skip
    assert '1 of 2 minings failed, the others are done: wild, seed 0: ' in (
        last_line(done)
    )
    assert list(runs_of(save)) == [('all', 1, 0)]


@pytest.mark.parametrize('is_there', [False, True])
def test_compare_miners__labels_are_looked_for_before_views(
    compare, tmp_path, is_there
):
    """A file that is missing, or is of fewer images."""
    labels, cache = tmp_path / 'labels.npy', tmp_path / 'views.npz'
    if is_there:
        np.save(labels, np.zeros(21, dtype=np.int64))
    done = compare(
        '--miner', ALL_PAIRS, f'told:type=LabelMiner,labels={labels}',
        '--quotas', '1', '--seeds', '0', '--views', '2', '--cache', cache,
    )  # fmt: skip
    assert last_line(done).startswith('error: told: ')
    reason = 'of shape (21,)' if is_there else f'{labels} does not exist'
    assert reason in last_line(done)
    assert not cache.exists()


class LosingMiner(BaseMiner):
    """Its file was there when it was looked for."""

    def propose(self, views, bank, graph, seed):
        raise FileNotFoundError('labels.npy is gone')


def test_mine_all__a_file_that_vanishes_leaves_the_others(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    tool = importlib.import_module('compare_miners')
    bank = on_circle(0.0, 10.0, 90.0, 105.0)
    grey = np.zeros((4, 1, 1), dtype=np.uint8)
    bench = tool.Bench(
        views=[bank, bank],
        bank=bank,
        labels=None,
        pixels=PixelDistances(grey, num_pairs=3),
    )
    minings = [
        tool.Mining(
            SimpleNamespace(name=name, views=2, build=lambda dim, m=m: m()),
            [1.0],
            0,
        )
        for name, m in (('told', LosingMiner), ('fixed', FixedMiner))
    ]
    kept = []
    record = SimpleNamespace(add=lambda variant, *_: kept.append(variant.name))
    failed = tool.mine_all(bench, minings, record)
    assert failed == ['told, seed 0: labels.npy is gone']
    assert kept == ['fixed']
