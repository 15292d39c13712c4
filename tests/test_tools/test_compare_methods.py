"""tools/compare_methods.py, as a user runs it, and its parts."""

import importlib
import json
import statistics
from pathlib import Path

import pytest
from mmengine.config import Config

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
NPID = """
_base_ = 'tiny.py'
model = dict(
    _delete_=True,
    type='NPID',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    head=dict(type='NPIDHead'),
    memory=dict(type='MemoryBank', feat_dim=6),
)
"""
ONE_ROUND = """
train_cfg = dict(
    _delete_=True,
    type='RoundBasedTrainLoop',
    max_rounds=1,
    encoder=dict(max_epochs=2),
)
"""


BEGIN = '<!-- compare_methods begin -->\n'
END = '<!-- compare_methods end -->\n'


@pytest.fixture(scope='module')
def configs(tiny):
    """Two methods with one budget: a miner of neighbours, and NPID."""
    other = tiny / 'npid.py'
    other.write_text(NPID + ONE_ROUND)
    return tiny / 'tiny.py', other


def compare(run_tool, configs, work_dir, *args, **kwargs):
    return run_tool(
        'compare_methods.py', *configs, '--seeds', '3', '5',
        '--work-dir', work_dir, *args, **kwargs,
    )  # fmt: skip


SHARED = '--share-first-round'


@pytest.fixture(scope='module')
def compared(tiny, run_tool, configs):
    """Work dir and page of a finished comparison, and what it printed.

    The first round of seed 3 was trained by hand.
    """
    work_dir, out = tiny / 'compare', tiny / 'results.md'
    done = run_tool(
        'train.py', configs[0], '--work-dir', first_round(work_dir, 3),
        '--cfg-options', 'train_cfg.max_rounds=1', 'randomness.seed=3',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    by_hand = times_of(work_dir)
    out.write_text(f'before\n{BEGIN}old\n{END}after\n')
    args = ('--jobs', '2', '--out', out, SHARED)
    args += ('--save', work_dir / 'saved.json', '--title', 'Noise')
    done = compare(run_tool, configs, work_dir, *args, fresh=True)
    assert done.returncode == 0, done.stderr
    assert len(by_hand) == 1 and by_hand.items() <= times_of(work_dir).items()
    return work_dir, out.read_text(), done.stdout


def first_round(work_dir, seed):
    return work_dir / 'tiny' / 'first_round' / f'seed{seed}'


def cells_of(text):
    """First cell of every row of a Markdown table: the others."""
    rows = [line for line in text.splitlines() if line.startswith('| ')]
    return {
        row.split(' | ')[0].strip('|` '): row.strip('| ').split(' | ')[1:]
        for row in rows
    }


def test_compare__all_methods_and_seeds_in_one_table(compared):
    work_dir, text, printed = compared
    assert printed.splitlines()[-1] == 'all 4 runs are finished'
    assert text.startswith(f'before\n{BEGIN}| method')
    assert text.endswith(f'{END}after\n')
    assert 'tools/compare_methods.py' in text and '--seeds 3 5' in text
    cells = cells_of(text)
    assert list(cells) == [
        'method', 'raw pixels', 'untrained network', 'tiny', 'npid',
    ]  # fmt: skip
    results = json.loads((work_dir / 'results.json').read_text())
    for name in ('tiny', 'npid', 'untrained network'):
        own = [r for r in results if r['name'] == name]
        assert [r['seed'] for r in own] == [3, 5]
        for column, key in ((2, 'knn'), (3, 'knn_backbone'), (4, 'linear')):
            values = [r[key] for r in own]
            mean, deviation = (
                statistics.fmean(values),
                statistics.stdev(values),
            )
            assert cells[name][column] == f'{mean:.1f} ± {deviation:.1f}'
    # Purity is of mined edges, and instance discrimination mines none.
    assert cells['tiny'][5] != '-' and cells['npid'][5] == '-'


def times_of(work_dir):
    """When each checkpoint was written."""
    return {p: p.stat().st_mtime_ns for p in work_dir.rglob('*.pth')}


def test_compare__finished_runs_are_kept(run_tool, configs, compared):
    work_dir, *_ = compared
    written = times_of(work_dir)
    # One run lost its scores: it is scored once more, not trained.
    lost = work_dir / 'npid' / 'seed5' / 'result.json'
    scores = json.loads(lost.read_text())
    lost.unlink()
    # A part of it was killed together with the tool.
    (work_dir / 'npid' / 'seed5' / 'seconds.txt').write_text('')
    done = compare(run_tool, configs, work_dir, SHARED)
    assert done.returncode == 0, done.stderr
    again = json.loads(lost.read_text())
    assert (
        again['knn'] == scores['knn'] and again['linear'] == scores['linear']
    )
    assert written == {
        p: p.stat().st_mtime_ns for p in work_dir.rglob('*.pth')
    }


def test_compare__a_shared_first_round(compared):
    work_dir, _, printed = compared
    first, second, *_ = printed.splitlines()
    assert first == (
        'first round of 1 epochs, trained once a seed by tiny, shared by '
        'tiny, npid'
    )
    # To build a model and to branch it is nothing to talk about.
    assert ', seed ' in second and 'kNN ' in second
    saved = json.loads((work_dir / 'saved.json').read_text())
    assert (saved['kind'], saved['title']) == ('methods', 'Noise')
    assert SHARED in saved['command'] and '--title Noise' in saved['command']
    assert saved['budget'] == dict(
        images=22, test_images=9, epochs=2, batch_size=8,
        knn=dict(k=5, temperature=0.1),
    )  # fmt: skip
    runs = {(run['name'], run['seed']): run for run in saved['runs']}
    assert len(runs) == 7
    for name, num_minings in (('tiny', 1), ('npid', 0)):
        by_hand, run = runs[name, 3], runs[name, 5]
        # Nobody knows how long the one by hand took.
        assert 'seconds' not in by_hand
        assert 0 < run['shared_seconds'] < run['seconds']
        assert len(run['rounds']) == num_minings
        assert len(run['curves']['knn/bank_top1']) == 2
        assert run['stages']['encoder'] > 0 and run['peak_memory_gib'] > 0.1
    (mined,) = runs['tiny', 5]['rounds']
    assert (mined['round'], mined['epoch']) == (0, 1)
    assert 0 < mined['pixel_distance'] < 1 and 'control_purity' in mined
    # A run without a training has nothing but scores.
    assert set(runs['raw pixels', 3]) == {
        'name', 'seed', 'knn', 'knn_backbone',
    }  # fmt: skip


def test_compare__goes_on_with_a_file_of_more_runs(
    run_tool, configs, compared, tmp_path
):
    work_dir, *_ = compared
    saved = json.loads((work_dir / 'saved.json').read_text())
    path = tmp_path / 'saved.json'
    path.write_text(json.dumps(saved))
    command = (
        'compare_methods.py', configs[1], '--seeds', '5', '--work-dir',
        work_dir, '--save', path, '--title', 'Noise',
    )  # fmt: skip
    done = run_tool(*command)
    assert done.returncode == 1
    assert 'has 3 runs that this command would lose' in done.stderr
    done = run_tool(*command, '--keep')
    assert done.returncode == 0, done.stderr
    merged = json.loads(path.read_text())
    places = [(run['name'], run['seed']) for run in saved['runs']]
    after = [(run['name'], run['seed']) for run in merged['runs']]
    # Pixels hang on no seed.
    assert after == [
        place if place[0] != 'raw pixels' else ('raw pixels', 5)
        for place in places
    ]
    first, second = merged['command'].splitlines()
    assert first == saved['command'] and second.endswith('--keep')
    assert merged['runs'][3] == saved['runs'][3] and 'earlier' not in merged


def test_compare__no_time_at_all(run_tool, configs, tmp_path):
    work_dir, out = tmp_path / 'work', tmp_path / 'results.md'
    args = ('--minutes', '0', SHARED, '--out', out)
    done = compare(run_tool, configs, work_dir, *args)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        'stopped after 0 minutes: 0 of 4 runs and 0 of 3 baselines are '
        'finished; the same command goes on'
    )
    assert not out.exists() and not times_of(work_dir)


@pytest.mark.parametrize(
    'args, message',
    [
        (('--minutes', '-1'), '--minutes (-1) must not be negative'),
        (('--jobs', '0'), '--jobs (0) must be at least 1'),
        (('--title', 'x'), '--title names the numbers of a file'),
        (('--seeds', '3', '3'), '--seeds must differ, got 3 3'),
    ],
)
def test_compare__bad_arguments(run_tool, configs, tmp_path, args, message):
    done = compare(run_tool, configs, tmp_path / 'work', *args)
    assert done.returncode == 1
    assert done.stderr.startswith(f'error: {message}')
    assert done.stderr.count('\n') == 1 and not (tmp_path / 'work').exists()


def test_compare__a_miner_without_its_file(tiny, run_tool, configs, tmp_path):
    """Said before anything is trained, and nothing is left behind."""
    other = tiny / 'labelled.py'
    other.write_text(
        "_base_ = 'tiny.py'\nmodel = dict(miner=dict(_delete_=True, "
        "type='LabelMiner', labels='none.npy'))\n"
    )
    work_dir = tmp_path / 'work'
    args = ('--minutes', '0', SHARED)
    done = compare(run_tool, [*configs, other], work_dir, *args)
    assert done.returncode == 1
    assert done.stderr.startswith(f'error: {other}: miner.labels none.npy doe')
    assert 'extract_features.py CONFIG untrained none.npy' in done.stderr
    assert not times_of(work_dir)


def test_compare__a_changed_config_is_refused(run_tool, configs, compared):
    done = compare(
        run_tool,
        configs,
        compared[0],
        '--cfg-options',
        'model.head.temperature=1',
    )
    assert done.returncode == 1
    assert 'holds a run of another state' in done.stderr


def test_compare__a_failed_run_leaves_the_others(tiny, run_tool, configs):
    broken = tiny / 'broken.py'
    broken.write_text(
        "_base_ = 'tiny.py'\noptim_wrapper = dict(optimizer=dict(lr=1e30))\n"
    )
    work_dir = tiny / 'failed'
    done = run_tool(
        'compare_methods.py', configs[0], broken, '--seeds', '3',
        '--work-dir', work_dir,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert '1 of 2 runs failed: broken (seed 3); see ' in last
    cells = cells_of((work_dir / 'table.md').read_text())
    assert 'tiny' in cells and 'broken' not in cells


@pytest.mark.parametrize(
    'change, message',
    [
        (
            'train_cfg = dict(encoder=dict(max_epochs=3))',
            'differ in epochs: 6',
        ),
        ('train_dataloader = dict(batch_size=7)', 'differ in batch_size: 7'),
        (
            'model = dict(backbone=dict(base_channels=8))',
            'differ in backbone: .*"base_channels": 8',
        ),
        (
            "val_evaluator = [dict(type='KNNMetric', k=7)]",
            'differ in knn: .*"k": 7',
        ),
        ('val_evaluator = []', 'has no KNNMetric'),
        (
            'train_dataloader = dict(dataset=dict(dataset=dict('
            "data_prefix='val')))",
            'differ in images: .*"val"',
        ),
    ],
)
def test_read_configs__budgets_must_agree(
    tiny, configs, monkeypatch, change, message
):
    monkeypatch.syspath_prepend(TOOLS)
    budget = importlib.import_module('comparison.budget')
    other = tiny / 'other.py'
    other.write_text(f"_base_ = 'tiny.py'\n{change}\n")
    with pytest.raises(ValueError, match=message):
        budget.read_configs([configs[0], other], {})


def test_read_configs__the_same_images_and_weights(tiny, configs, monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    budget = importlib.import_module('comparison.budget')
    other = tiny / 'other.py'
    other.write_text(
        "_base_ = 'tiny.py'\n"
        "train_dataloader = dict(dataset=dict(type='mmisl.ResidentDataset', "
        "device='cpu', dataset=dict(pipeline=_base_.test_pipeline)))\n"
        "norm = dict(type='mmisl.SplitBN', num_splits=2)\n"
        'model = dict(backbone=dict(norm_cfg=norm))\n'
    )
    found = budget.read_configs([configs[0], other], {})
    assert list(found) == [configs[0], other]


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module('comparison.table')


def test_cell__mean_and_sample_deviation(parts):
    assert parts.cell([]) == '-'
    assert parts.cell([1.25]) == '1.2'
    assert parts.cell([1.0, 3.0]) == '2.0 ± 1.4'


@pytest.mark.parametrize(
    'page, counts',
    [
        ('mine\n', '0 and 0'),
        (f'{BEGIN}old\n{END}{BEGIN}mine\n{END}', '2 and 2'),
        (f'{END}mine\n{BEGIN}', '1 and 1'),
    ],
)
def test_write_block__a_file_without_its_marks_is_left_alone(
    parts, tmp_path, page, counts
):
    path = tmp_path / 'page.md'
    path.write_text(page)
    with pytest.raises(ValueError, match=f'once each .* got {counts};'):
        parts.write_block(path, 'table\n')
    assert path.read_text() == page


def test_write_block__a_new_file_gets_marks(parts, tmp_path):
    path = tmp_path / 'page.md'
    for text in ('old\n', 'table\n'):
        parts.write_block(path, text)
    assert path.read_text() == f'{BEGIN}table\n{END}'


def test_num_views__of_nested_data_sets(parts):
    step = dict(type='mmpretrain.MultiView', num_views=[2, 1])
    dataset = dict(dataset=dict(datasets=[dict(pipeline=[step])]))
    assert (
        parts.num_views(Config(dict(train_dataloader=dict(dataset=dataset))))
        == 3
    )
    step['type'] = 'mmpretrain.PackInputs'
    assert (
        parts.num_views(Config(dict(train_dataloader=dict(dataset=dataset))))
        == 1
    )


def test_num_views__of_a_preprocessor(parts):
    cfg = Config(dict(data_preprocessor=dict(type='AugmentingPreprocessor')))
    assert parts.num_views(cfg) == 1
    cfg.data_preprocessor.num_views = 3
    assert parts.num_views(cfg) == 3
