"""tools/draw_results.py: the repository's own files, and made-up ones."""

import importlib
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from mmisl.config_check import ConfigError

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
COMMON = dict(
    date='2026-01-02',
    versions=dict(mmisl='9.8', torch='7.6'),
    machine=dict(processor='Abacus', cores=3, memory_gib=1.5, gpus=[]),
)
ISL_STAGES = dict(encoder=80.0, extraction=10.0, mining=6.0, validation=4.0)
CONFIG = '''"""A config with a number.

Command: none. Hardware meant for: one CPU core. Paper: none. Here: see
docs/results.md. Of all that is said in this paragraph the rest stays as it
is.

Another paragraph, whose lines
are short. Here: not this one.
"""

model = dict(type='ISL')  # Here: nor this.
'''


def make_methods():
    """Three methods, of which one mines, with seeds 0, 1, 2 or only 4."""
    npid = dict(
        knn=[40.0, 41.0, 42.0],
        knn_backbone=[30.0, 30.0, 33.0],
        linear=[50.0, 52.0, None],
    )
    isl = dict(
        knn=[41.5, 42.0, 44.0],
        knn_backbone=[29.0, 31.0, 31.0],
        linear=[51.0, 54.0, 60.0],
        seconds=[600.0, 660.0, 720.0],
        shared_seconds=[300.0] * 3,
        images_per_second=[1000.0, 1100.0, 1200.0],
        peak_memory_gib=[1.25] * 3,
        stages=[ISL_STAGES] * 3,
        purity=[0.5, None, None],
        curves=[
            {'knn/recomputed_top1': [[2, 10.0], [4, 20.0], [6, 30.0]]},
            {'knn/recomputed_top1': [[4, 22.0], [6, 34.0]]},
            {},
        ],
        rounds=[
            [made_round(90, 0.30, replication=0.35)],
            [made_round(94, 0.34)],
            [],
        ],
    )
    runs = [
        dict(
            name=name,
            seed=seed,
            commit=f'abc{seed}',
            converged=True,
            **{key: values[seed] for key, values in numbers.items()},
        )
        for name, numbers in (('cifar10_npid', npid), ('cifar10_isl', isl))
        # In another order the pairs must be the same.
        for seed in ((0, 1, 2) if name == 'cifar10_npid' else (2, 0, 1))
    ]
    sup = dict(name='cifar10_sup', seed=4, knn=70.0, linear=75.0)
    return dict(
        kind='methods',
        title='Made up, 5 | 6 images',
        command='python made_up.py --seeds 0 1 2',
        budget=dict(images=1234, epochs=6, knn=dict(k=7)),
        runs=[*runs, dict(**sup, commit='def abc0', converged=False)],
        **COMMON,
    )


def made_round(edges, purity, **numbers):
    return dict(
        round=0,
        epoch=4,
        edges=edges,
        requested=100,
        purity=purity,
        control_purity=0.4,
        pixel_distance=0.262,
        **numbers,
    )


def make_miners():
    """Two miners at two quotas, the greater first; one has two seeds."""
    rows = [
        ('GAN | votes', 0, 2.0, 0.31, 0.33),
        ('GAN | votes', 0, 0.5, 0.40, 0.50),
        ('GAN | votes', 1, 0.5, 0.44, 0.40),
        ('kNN', 0, 0.5, 0.42, None),
    ]
    return dict(
        kind='miners',
        title='Miners, made up',
        command='python miners.py',
        features=dict(config='configs/a.py', epoch=4, images=5000, knn=38.0),
        runs=[
            dict(
                name=name,
                seed=seed,
                quota=quota,
                purity=purity,
                replication=found,
                overrides=dict(generator='residual') if 'GAN' in name else {},
                coverage=0.25,
                edges=90,
                control_purity=0.5,
            )
            for name, seed, quota, purity, found in rows
        ],
        **COMMON,
    )


def make_detectors():
    """Random weights with two seeds; a checkpoint, timed once of twice."""
    random = dict(name='random', config='configs/d.py', checkpoint='none')
    isl = dict(
        name='a|b',
        config='configs/d.py',
        checkpoint='work_dirs/isl/epoch_4.pth',
    )
    return dict(
        kind='detectors',
        title='Detectors, made up',
        command='python table.py',
        detector=dict(images=1400, test_images=290, iterations=1000),
        runs=[
            dict(**random, seed=1, voc07=4.0, area=3.0, commit='abc1'),
            dict(**isl, seed=1, voc07=5.0, area=4.5, seconds=600.0),
            dict(**random, seed=2, voc07=6.0, area=3.0, commit='abc2'),
            dict(**isl, seed=2, voc07=5.5, area=4.5, seconds=None),
        ],
        **COMMON,
    )


def make_repository(root):
    """What the tool reads and writes, in small."""
    for name, text in {
        'docs/results.md': '# Results\n\nBy hand.\n',
        'README.md': 'a\n<!-- results begin -->\n<!-- results end -->\nb\n',
        'configs/study/cifar10_isl.py': CONFIG,
        'configs/cifar10_sup.py': '"""Made up: with no sentence."""\n',
        'results/README.md': 'no JSON\n',
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write(root, 'cifar10', make_methods())
    return root


@pytest.fixture
def repository(tmp_path):
    """One that nothing was drawn in yet."""
    return make_repository(tmp_path)


def write(root, name, value):
    (root / 'results' / f'{name}.json').write_text(json.dumps(value))


@pytest.fixture(scope='module')
def module():
    """A part of the tool by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield importlib.import_module


@pytest.fixture(scope='module')
def draw(module):
    """The tool, in this process."""
    tool = module('draw_results')

    def run(root, *args):
        tool.draw_results(tool.parse_args(['--root', str(root), *args]))
        return (root / 'docs' / 'results.md').read_text()

    return run


@pytest.fixture(scope='module')
def drawn(tmp_path_factory, draw):
    """One in which both kinds were drawn; not to be changed."""
    root = make_repository(tmp_path_factory.mktemp('drawn'))
    write(root, 'cifar10_miners', make_miners())
    draw(root)
    return root


@pytest.fixture(scope='module')
def page(drawn):
    """Its page of results."""
    return (drawn / 'docs' / 'results.md').read_text()


def rows_after(page, text):
    """Rows of the first table behind a text: first cell -> the others."""
    table = re.search(r'\| --- .*\n((?:\|.*\n)+)', page[page.index(text) :])[1]
    rows = [line.strip('| ').split(' | ') for line in table.splitlines()]
    return {row[0]: row[1:] for row in rows}


def test_draw_results__own_files_are_up_to_date(run_tool):
    done = run_tool('draw_results.py', '--check', fresh=True)
    assert done.returncode == 0, done.stderr
    assert 'up to date' in done.stdout


def test_draw_results__scores(page):
    assert page.startswith('# Results\n\nBy hand.\n\n## Made up, 5 \\| 6')
    rows = rows_after(page, 'results cifar10 begin')
    assert rows == {
        '`cifar10_npid`': [
            '3', '41.0 ± 1.0', '31.0 ± 1.7', '51.0 ± 1.4 (2 of 3)', '-',
        ],
        '`cifar10_isl`': [
            '3', '42.5 ± 1.3', '30.3 ± 1.2', '55.0 ± 4.6',
            '42.0 ± 11.3 (2 of 3)',
        ],
        # One seed: no spread. The star: its probe did not converge.
        '`cifar10_sup`': ['1', '70.0', '-', '75.0*', '-'],
    }  # fmt: skip
    assert '1,234 training images, 6 epochs, kNN with k = 7.' in page
    assert '*: stopped before it had converged' in page


def test_draw_results__differences_are_paired_by_seed(page):
    assert rows_after(page, 'What mining adds') == {
        '`cifar10_isl`': [
            # 41.5 - 40, 42 - 41, 44 - 42; and so on.
            '`cifar10_npid`', '3', '+1.5 ± 0.5', '-0.7 ± 1.5',
            '+1.5 ± 0.7 (2 of 3)',
        ],
    }  # fmt: skip


def test_draw_results__cost(page):
    assert rows_after(page, 'What it took') == {
        '`cifar10_isl`': [
            '11.0 ± 1.0', '6.0 ± 1.0', '1,100 ± 100', '1.25',
            '80', '10', '6', '4',
        ],
    }  # fmt: skip


def test_draw_results__rounds(page):
    assert rows_after(page, 'round by round') == {
        '`cifar10_isl`': [
            '0', '4', '92 of 100', '32.0 ± 2.8', '40.0 ± 0.0',
            '35.0 (1 of 2)', '26.2', '-',
        ],
    }  # fmt: skip


def test_draw_results__origin(page):
    assert '```\npython made_up.py --seeds 0 1 2\n```\n' in page
    assert (
        '2026-01-02. mmisl 9.8, torch 7.6. Commits abc0, abc1, abc2, def. '
        'Seeds 0, 1, 2, 4. Abacus, 3 cores, 1.5 GiB, no GPU.\n'
    ) in page


def test_paired_difference__of_one_kind_of_processor(module):
    plain = [
        dict(seed=0, knn=40.0),
        dict(seed=1, knn=41.0),
        dict(seed=2, knn=42.0, bfloat16=False),
        dict(seed=3, knn=43.0, bfloat16=False),
    ]
    mined = [
        dict(seed=3, knn=44.0, bfloat16=True),
        dict(seed=2, knn=41.5, bfloat16=False),
        dict(seed=1, knn=50.0, bfloat16=False),
        dict(seed=0, knn=41.0),
    ]
    paired = module('drawing.pairing').paired_difference(mined, plain, 'knn')
    assert (paired.seeds, paired.values) == ([0, 2], [1.0, -0.5])


def test_describe_origin__of_several_machines(module):
    state = dict(
        date='2025-12-31',
        versions=dict(mmisl='9.7'),
        machine=dict(processor='Abacus', cores=2, bfloat16=True),
    )
    machine = dict(COMMON['machine'], bfloat16=False)
    head = dict(COMMON, command='a\nb', machine=machine, earlier=[state])
    results = module('drawing.reading').Results(
        'x', 'methods', head, [dict(seed=1)]
    )
    assert module('drawing.origin').describe_origin(results) == (
        '```\na\nb\n```\n\n2026-01-02. mmisl 9.8, torch 7.6. Seed 1. Abacus, '
        '3 cores, 1.5 GiB, without bfloat16, no GPU. Other runs: 2025-12-31, '
        'mmisl 9.7, on Abacus, 2 cores, with bfloat16, no GPU.\n'
    )


def test_draw_results__rows_are_explained_by_their_configs(page):
    assert (
        'The rows:\n\n- `cifar10_isl`: A config with a number\n'
        '- `cifar10_sup`: with no sentence\n\n'
    ) in page


def test_results__commands_name_files_that_exist():
    """Of all that is committed, but for what a run writes."""
    root = TOOLS.parent
    for path in (root / 'results').glob('*.json'):
        command = json.loads(path.read_text())['command']
        named = re.findall(r'\b(?:configs|tools|results)/[^\s:]+', command)
        assert named
        assert not [name for name in named if not (root / name).is_file()]


def test_draw_results__readme_and_docstring(drawn):
    readme = (drawn / 'README.md').read_text()
    assert readme.startswith('a\n') and readme.endswith('end -->\nb\n')
    assert rows_after(readme, 'begin') == {
        '`cifar10_npid`': ['', '41.0 ± 1.0', '51.0 ± 1.4 (2 of 3)', '3'],
        '`cifar10_isl`': [
            'A config with a number',
            '42.5 ± 1.3',
            '55.0 ± 4.6',
            '3',
        ],
        '`cifar10_sup`': ['with no sentence', '70.0', '75.0', '1'],
    }
    config = drawn / 'configs' / 'study' / 'cifar10_isl.py'
    before = CONFIG.partition('Command')[0]
    after = CONFIG[CONFIG.index('\n\nAnother') :]
    assert config.read_text() == (
        f'{before}'
        'Command: none. Hardware meant for: one CPU core. Paper: none. '
        'Here: kNN 42.5 ±\n'
        '1.3 %, linear 55.0 ± 4.6 % (3 seeds). Of all that is said in this '
        'paragraph the\n'
        f'rest stays as it is.{after}'
    )
    other = drawn / 'configs' / 'cifar10_sup.py'
    assert other.read_text() == '"""Made up: with no sentence."""\n'


def test_draw_results__miners(page):
    # A part of what stands above it.
    assert page.index('\n### Miners, made up\n') > page.index('## Made up')
    block = page[page.index('results cifar10_miners begin') :]
    assert block.index('per image: 0.5') < block.index('per image: 2\n')
    gan = r'GAN \| votes'
    # 0.42 ± 0.0283, 0.45 ± 0.0707
    assert rows_after(block, 'per image: 0.5') == {
        gan: [
            '2',
            '90',
            '42.0 ± 2.8',
            '50.0 ± 0.0',
            '45.0 ± 7.1',
            '-',
            '25',
            '-',
            '-',
            '-',
        ],
        'kNN': ['1', '90', '42.0', '50.0', '-', '-', '25', '-', '-', '-'],
    }
    assert rows_after(block, 'per image: 2\n') == {
        gan: ['1', '90', '31.0', '50.0', '33.0', '-', '25', '-', '-', '-'],
    }
    # Three runs at 0.5 and one at 2 are too few to be put in order.
    assert 'rank correlation' not in block
    assert f'- {gan}: `generator=residual`\n' in block
    assert '`configs/a.py`, epoch 4, 5,000 images, kNN 38.0 %.' in block


def test_draw__rank_correlation_of_replication_and_purity(repository, draw):
    """The first two of four are out of order: 1 - 6 * 2 / (4 * 15) = 0.8."""
    results = make_miners()
    results['runs'] = [
        dict(name=f'{n}', seed=0, quota=0.5, replication=found, purity=purity)
        for n, (found, purity) in enumerate(
            [(0.1, 0.2), (0.2, 0.1), (0.3, 0.3), (0.4, 0.4)]
        )
    ]
    write(repository, 'cifar10_miners', results)
    page = draw(repository)
    assert '; rank correlation with purity 0.80 at 0.5 (4 runs). Apart' in page


def times_of(root):
    """When each file was written."""
    return {p: p.stat().st_mtime_ns for p in root.rglob('*') if p.is_file()}


def test_draw_results__nothing_to_do_the_second_time(drawn, draw, capsys):
    before = times_of(drawn)
    draw(drawn)
    assert capsys.readouterr().out == (
        'nothing to do, 7 files are up to date\n'
    )
    draw(drawn, '--check')
    assert before == times_of(drawn)


def test_draw_results__check_names_what_is_out_of_date(
    repository, module, capsys
):
    tool, before = module('draw_results'), times_of(repository)
    args = tool.parse_args(['--check', '--root', str(repository)])
    with pytest.raises(SystemExit) as caught:
        module('common').run_tool(tool.draw_results, args)
    assert caught.value.code == 1
    assert capsys.readouterr().err == (
        'error: out of date: docs/results.md, README.md, '
        'configs/study/cifar10_isl.py, docs/images/results_cifar10_knn.png, '
        'docs/images/results_cifar10_purity.png; run python '
        'tools/draw_results.py\n'
    )
    assert before == times_of(repository)


def test_draw_results__pictures_know_their_numbers(
    drawn, page, draw, tmp_path
):
    repository = shutil.copytree(drawn, tmp_path / 'copy')
    folder = repository / 'docs' / 'images'
    ends = ('cifar10_knn', 'cifar10_purity', 'cifar10_miners_replication')
    for end in ends:
        path = folder / f'results_{end}.png'
        assert f'](images/{path.name})' in page
        assert path.stat().st_size < 80_000
        with Image.open(path) as image:
            assert image.width >= 900
    # Other numbers in one, another half, and one is gone.
    results = make_methods()
    results['runs'][4]['curves']['knn/recomputed_top1'][1][1] += 0.01
    write(repository, 'cifar10', results)
    purity = folder / 'results_cifar10_purity.png'
    purity.write_bytes(purity.read_bytes()[:2000])
    (folder / 'results_cifar10_miners_replication.png').unlink()
    with pytest.raises(ConfigError) as caught:
        draw(repository, '--check')
    assert str(caught.value) == (
        'out of date: docs/images/results_cifar10_knn.png, '
        'docs/images/results_cifar10_purity.png, '
        'docs/images/results_cifar10_miners_replication.png; run python '
        'tools/draw_results.py'
    )
    draw(repository)
    draw(repository, '--check')


def test_knn_picture__mean_and_band_of_common_epochs(repository, module):
    (results,) = module('drawing.reading').read_all(repository / 'results')
    picture = module('drawing.knn_picture').knn_picture(results)
    # NPID and supervised training have no curves here.
    (axes,) = picture.draw().axes
    (line,) = axes.lines
    assert axes.get_title(loc='left') == 'cifar10_npid, and with mining'
    assert line.get_label() == 'cifar10_isl'
    assert line.get_xdata().tolist() == [4, 6]
    assert line.get_ydata().tolist() == [21, 32]
    (band,) = axes.collections
    edges = band.get_paths()[0].vertices
    # Deviations of 20, 22 and of 30, 34: the roots of 2 and 8.
    assert edges[edges[:, 0] == 6, 1].min() == pytest.approx(32 - 8**0.5)
    assert edges[edges[:, 0] == 4, 1].max() == pytest.approx(21 + 2**0.5)


def test_line_style__lines_are_told_apart_without_their_markers(module):
    """Markers are few where curves are long."""
    line_style = module('drawing.styles').line_style
    drawn = {
        (style['color'], style['linestyle'])
        for style in map(line_style, range(20))
    }
    assert len(drawn) == 20


def test_purity_picture__lines(repository, module):
    (results,) = module('drawing.reading').read_all(repository / 'results')
    picture = module('drawing.purity_picture').purity_picture(results)
    (axes,) = picture.draw().axes
    lines = {
        bars.get_label(): bars[0].get_xydata().tolist()
        for bars in axes.containers
    }
    assert lines == {
        'mined': [[0, pytest.approx(32)]],
        'plain neighbours': [[0, 40]],
        'found again, without labels': [[0, 35]],
    }


@pytest.mark.parametrize(
    'name, base',
    [
        ('cifar10_isl_knn', 'cifar10_npid'),
        ('cifar10_la', 'cifar10_npid'),
        ('cifar10_mocov2_isl_knn', 'cifar10_mocov2'),
        ('cifar10_mocov2', None),
        ('cifar10_npid', None),
        ('cifar10_deepcluster', None),
        ('untrained network', None),
        ('demo', 'cifar10_npid'),
    ],
)
def test_without_mining(module, name, base):
    names = [
        'cifar10_mocov2_isl', 'cifar10_isl', 'cifar10_npid', 'cifar10_mocov2',
    ]  # fmt: skip
    assert module('drawing.pairing').without_mining(name, names) == base


def test_without_mining__other_was_not_run(module):
    without_mining = module('drawing.pairing').without_mining
    assert without_mining('mocov2_isl', ['mocov2_isl', 'npid']) is None


@pytest.mark.parametrize(
    'numbers, shown',
    [
        ([], []),
        ([2], [2]),
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([*range(1, 61)], [1, 20, 40, 60]),
    ],
)
def test_shown_rounds(module, numbers, shown):
    assert module('drawing.rounds').shown_rounds(numbers) == shown


def test_draw_results__detectors(repository, draw):
    results = make_detectors()
    write(repository, 'voc', results)
    page = draw(repository)
    assert rows_after(page, '### Detectors, made up') == {
        'random': ['2', '5.0 ± 1.4', '3.0 ± 0.0', '-'],
        r'a\|b': ['2', '5.2 ± 0.4', '4.5 ± 0.0', '10.0 (1 of 2)'],
    }
    assert '1,400 training images, tested on 290 others, 1,000 it' in page
    assert 'The starts of `configs/d.py`:\n\n- random: random w' in page
    assert r'- a\|b: `work_dirs/isl/epoch_4.pth`' in page
    assert 'Commits abc1, abc2. Seeds 1, 2.' in page
    for run in results['runs'][::2]:
        run |= dict(supplement=65.4, config='configs/e.py')
    write(repository, 'voc', results)
    page = draw(repository)
    rows = rows_after(page, '### Detectors, made up')
    assert rows['random'] == ['2', '5.0 ± 1.4', '3.0 ± 0.0', '65.4', '-']
    assert rows[r'a\|b'][-2:] == ['-', '10.0 (1 of 2)']
    assert 'The starts:\n\n- random: `configs/e.py` from random wei' in page


def test_draw_results__rounds_of_clusters(repository, draw):
    results = make_methods()
    # As logs have it; the second round has nothing that is shown.
    results['runs'][0]['rounds'] = [
        dict(round=0.0, epoch=1, purity=0.25),
        dict(round=1.0, epoch=2, nmi=0.5),
    ]
    write(repository, 'cifar10', results)
    rows = rows_after(draw(repository), 'round by round')
    assert rows['`cifar10_npid`'] == ['0', '1', '-', '25.0', *4 * ['-']]


def test_update_docstring__without_a_full_stop(module):
    update = module('drawing.docstrings').update_docstring
    source = '"""A.\n\nPaper: 1. Here: not\nrun\n\nB.\n"""\n'
    new = update(source, 'Here: kNN 1.5 %.')
    assert new == '"""A.\n\nPaper: 1. Here: kNN 1.5 %.\n\nB.\n"""\n'
    assert update(new, 'Here: kNN 1.5 %.') == new


def test_measured_configs__most_seeds(repository, module):
    fewer = make_methods()
    fewer['runs'] = [{**fewer['runs'][3], 'knn': 1.0}]
    # Before the other by name, but of one seed.
    write(repository, 'a', fewer)
    results = module('drawing.reading').read_all(repository / 'results')
    folder = repository / 'configs'
    found = module('drawing.docstrings').measured_configs(results, folder)
    assert found == {
        folder / 'study' / 'cifar10_isl.py': (
            'Here: kNN 42.5 ± 1.3 %, linear 55.0 ± 4.6 % (3 seeds).'
        ),
        folder / 'cifar10_sup.py': 'Here: kNN 70.0 %, linear 75.0 % (1 seed).',
    }


@pytest.mark.parametrize(
    'change, message',
    [
        (
            dict(kind='figures'),
            'kind must be one of methods, miners, det',
        ),
        (dict(title=None), 'title must be a text, got nothing'),
        (dict(budget=3), 'budget must be an object, got 3'),
        (dict(earlier=3), 'earlier must be a list, got 3'),
        (
            dict(earlier=[dict(date='2')]),
            'earlier must be a list of ob.*mach',
        ),
        (dict(budget=dict(images='x')), 'budget.images must be a number, got'),
        (dict(runs=[]), r'runs must be a list of at least one run, got \[\]'),
        (dict(runs=[3]), r'runs\[0\]: run must be an object, got 3'),
        (dict(runs=[dict(name='a')]), r'runs\[0\]: seed must be a whole numb'),
    ],
)
def test_read_results__bad_head(repository, draw, change, message):
    write(repository, 'cifar10', {**make_methods(), **change})
    with pytest.raises(ConfigError, match=rf'cifar10\.json: {message}'):
        draw(repository)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(knn='41'), 'knn must be a number, got "41"'),
        (dict(knn=True), 'knn must be a number, got true'),
        (dict(knn=101), r'knn must be a percentage in \[0, 100\], got 101'),
        (dict(purity=35.2), r'purity must be a share in \[0, 1\], got 35.2'),
        (
            dict(rounds=[dict(round=0, replication=30)]),
            r'.*replication must be a share in \[0, 1\], got 30',
        ),
        (dict(stages=[1]), r'stages must be seconds by stage, got \[1\]'),
        (dict(rounds={}), 'rounds must be a list, got {}'),
        (dict(rounds=[{}]), r'.*rounds\[0\]: round must be a whole number'),
        (
            dict(rounds=[dict(round=0, coverage=30)]),
            r'.*coverage must be a share in \[0, 1\], got 30',
        ),
        (
            dict(curves={'knn/bank_top1': [[1, 2, 3]]}),
            r'.*knn/bank_top1 must be pairs \[epoch, value\], got \[\[1, 2',
        ),
    ],
)
def test_read_results__bad_run(repository, draw, change, message):
    results = make_methods()
    results['runs'][1].update(change)
    write(repository, 'cifar10', results)
    before = (repository / 'docs' / 'results.md').read_text()
    with pytest.raises(ConfigError, match=rf'json: runs\[1\].*{message}'):
        draw(repository)
    assert (repository / 'docs' / 'results.md').read_text() == before


@pytest.mark.parametrize(
    'text, message',
    [
        ('{"kind": ', 'cifar10.json is no JSON: Expecting value'),
        ('{"a": NaN}', 'NaN is no number; leave out what is not known'),
        ('[]', r'file must be an object, got \[\]'),
    ],
)
def test_read_results__no_results(repository, draw, text, message):
    (repository / 'results' / 'cifar10.json').write_text(text)
    with pytest.raises(ConfigError, match=message):
        draw(repository)


def test_read_results__twice(repository, draw):
    results = make_methods()
    results['runs'].append(results['runs'][0])
    write(repository, 'cifar10', results)
    with pytest.raises(ConfigError, match='two runs cifar10_npid with seed 0'):
        draw(repository)


def test_read_results__name(repository, draw):
    write(repository, 'a b', make_methods())
    with pytest.raises(ConfigError, match='may have letters, digits, - and _'):
        draw(repository)


def test_draw_results__blocks_and_pictures_without_a_file(
    drawn, draw, tmp_path
):
    repository = shutil.copytree(drawn, tmp_path / 'copy')
    (repository / 'results' / 'cifar10.json').unlink()
    with pytest.raises(ConfigError, match=r'knn\.png is drawn from no file'):
        draw(repository)
    for path in (repository / 'docs' / 'images').iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match=r'block of results/cifar10\.json'):
        draw(repository)


@pytest.mark.parametrize(
    'text',
    [
        'no marks\n',
        '<!-- results begin -->\n',
        '<!-- results end -->\n<!-- results begin -->\n',
        2 * '<!-- results begin -->\n<!-- results end -->\n',
    ],
)
def test_draw_results__marks_of_the_readme(repository, draw, text):
    (repository / 'README.md').write_text(text)
    with pytest.raises(ConfigError, match='README.md must have the lines'):
        draw(repository)
    assert (repository / 'README.md').read_text() == text


def test_draw_results__nothing_was_run(repository, draw):
    (repository / 'results' / 'cifar10.json').unlink()
    assert draw(repository) == '# Results\n\nBy hand.\n'
    readme = (repository / 'README.md').read_text()
    assert '<!-- results begin -->\nNot run yet.\n<!-- results end' in readme
