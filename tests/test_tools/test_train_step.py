import json

import pytest


@pytest.mark.parametrize(
    'options, precision', [([], 'float32'), (['--amp'], 'bfloat16')]
)
def test_train_step__three_sides(tmp_path, run_tool, options, precision):
    out = tmp_path / 'report.json'
    done = run_tool(
        'benchmark/train_step.py',
        *('--batch', 3, '--num-samples', 11, '--steps', 1),
        *('--repeats', 2, '--device', 'cpu', '--out', out),
        *options,
        fresh=True,
    )
    assert done.returncode == 0, done.stderr
    printed = ' '.join(done.stdout.split())
    assert 'no figure of a GPU' in printed
    assert f'{precision}, channels' in printed
    rows = json.loads(out.read_text())['rows']
    assert [row['side'][:3] for row in rows] == ['(a)', '(b)', '(c)']
    for row in rows:
        timing = row['seconds of a turn']
        assert row['images/s'] == pytest.approx(3 / timing['median'], 0.05)
        assert row['host waits a step'] == 'not run on a GPU'
    share = float(rows[1]['of the side above'].removesuffix(' %'))
    ratio = 100 * rows[1]['images/s'] / rows[0]['images/s']
    assert share == pytest.approx(ratio, 0.05)


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('--workers', 4, '--steps', 8), '--steps (8) must exceed the 8'),
        (('--arch', 'r50'), 'must be at least 1 for r50'),
        (('--device', 'cuda'), 'no GPU is visible to torch'),
    ],
)
def test_train_step__refuses(args, message, run_tool):
    done = run_tool('benchmark/train_step.py', *args)
    assert done.returncode != 0
    assert message in ' '.join(done.stderr.split())
