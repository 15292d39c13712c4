"""tools/convert_backbone.py, as a user runs it."""

import json

import pytest
import torch
import torchvision
from torch import nn

from mmisl.weights import IMAGENET, META_KEY

SMALL = dict(channel_order='rgb', mean=[127.0] * 3, std=[64.0] * 3)


@pytest.fixture(scope='module')
def theirs(tmp_path_factory):
    """A file of torchvision, and the state dict in it."""
    path = tmp_path_factory.mktemp('theirs') / 'resnet18.pth'
    state = torchvision.models.resnet18(num_classes=3).state_dict()
    torch.save(state, path)
    return path, state


def test_convert__in_and_out(theirs, run_tool, tmp_path):
    path, state = theirs
    ours, out = tmp_path / 'a' / 'ours.pth', tmp_path / 'out.pth'
    done = run_tool(
        'convert_backbone.py', path, ours, '--to', 'mmisl', fresh=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f'120 keys of the backbone, as torchvision writes them, for mmisl: '
        f'{ours}',
        'left out, with their number of keys: fc (2)',
        f'trained on {IMAGENET}',
    ]
    done = run_tool('convert_backbone.py', ours, out, '--to', 'torchvision')
    assert done.returncode == 0, done.stderr
    checkpoint = torch.load(out, weights_only=True)
    assert checkpoint['meta'] == {
        'mmisl': checkpoint['meta']['mmisl'],
        'checkpoint': 'ours.pth',
        'source': 'mmisl',
        'network': 'resnet18',
        META_KEY: IMAGENET.to_meta(),
    }
    model = torchvision.models.resnet18()
    model.fc = nn.Identity()
    model.load_state_dict(checkpoint['state_dict'])
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_convert__what_a_run_of_mmisl_wrote(trained, run_tool, tmp_path):
    path, out = trained[0] / 'epoch_2.pth', tmp_path / 'out.pth'
    done = run_tool('convert_backbone.py', path, out, '--to', 'mmdet')
    assert done.returncode == 0, done.stderr
    assert 'as mmisl writes them, for mmdet' in done.stdout
    assert 'neck (' in done.stdout and 'memory (' in done.stdout
    run = torch.load(path, weights_only=True)
    written = torch.load(out, weights_only=True)
    assert written['meta'][META_KEY] == run['meta'][META_KEY] == SMALL
    backbone = {
        key.removeprefix('backbone.'): value
        for key, value in run['state_dict'].items()
        if key.startswith('backbone.')
    }
    assert list(written['state_dict']) == list(backbone)
    for key, value in backbone.items():
        assert torch.equal(written['state_dict'][key], value), key


def test_evaluate__backbone_that_came_in(tiny, trained, run_tool, tmp_path):
    """Without a neck, the backbone is scored as of the checkpoint itself."""
    run, ours = trained[0] / 'epoch_2.pth', tmp_path / 'ours.pth'
    done = run_tool('convert_backbone.py', run, ours, '--to', 'mmisl')
    assert done.returncode == 0, done.stderr
    scores = []
    for checkpoint in (run, ours):
        out = tmp_path / 'scores.json'
        done = run_tool(
            'evaluate.py', 'knn', tiny / 'tiny.py', checkpoint,
            '--stage', 'backbone', '--k', 5, '--out', out,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(out.read_text())['metrics'])
    assert scores[0] == scores[1]
    done = run_tool('evaluate.py', 'knn', tiny / 'tiny.py', ours)
    assert done.returncode == 1
    assert 'misses neck.' in done.stderr


def test_convert__says_the_colours_of_a_foreign_file(
    theirs, run_tool, tmp_path
):
    args = ['convert_backbone.py', theirs[0], tmp_path / 'ours.pth']
    args += ['--to', 'mmisl', '--from', 'timm']
    colours = ['--channel-order', 'bgr', '--mean', 1, 2, 3]
    done = run_tool(*args, *colours)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        'error: --channel-order, --mean and --std belong together; give all '
        'three or none'
    )
    done = run_tool(*args, *colours, '--std', 4, 5, 6)
    assert done.returncode == 0, done.stderr
    assert 'trained on BGR, mean (1, 2, 3), std (4, 5, 6)' in done.stdout

    # From then on the file says so itself.
    args = ['convert_backbone.py', tmp_path / 'ours.pth', tmp_path / 'b.pth']
    args += ['--to', 'mmdet', '--channel-order', 'rgb']
    done = run_tool(*args, '--mean', 1, 2, 3, '--std', 4, 5, 6)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert 'says that it was trained on BGR' in line
    assert 'the command line RGB, mean (1, 2, 3)' in line
    assert not (tmp_path / 'b.pth').exists()


def test_convert__onto_itself(theirs, run_tool):
    path = theirs[0]
    before = path.read_bytes()
    done = run_tool('convert_backbone.py', path, path, '--to', 'mmisl')
    assert done.returncode == 1
    assert f'error: OUT ({path}) is the checkpoint itself' in done.stderr
    assert path.read_bytes() == before


def test_convert__no_checkpoint(run_tool, tmp_path):
    path = tmp_path / 'text.pth'
    path.write_text('no checkpoint')
    done = run_tool(
        'convert_backbone.py', path, tmp_path / 'out.pth', '--to', 'timm'
    )
    assert done.returncode == 1
    assert f'error: {path} is no whole checkpoint' in done.stderr
    assert not (tmp_path / 'out.pth').exists()
