"""tools/evaluate.py layers and finetune, as a user runs them."""

import importlib
import json
import shutil
from argparse import Namespace

import pytest
import torch
from mmengine.config import Config
from mmpretrain.models.backbones import ResNet_CIFAR

from mmisl.engine.loops import RoundBasedTrainLoop
from mmisl.weights import fingerprint

STAGES = ['stem', 'layer1', 'layer2', 'layer3', 'layer4']
SHARES = dict(layers=[], finetune=['--share', 0.5])


@pytest.fixture
def tool(monkeypatch):
    """A module of the tools."""

    def load(name):
        monkeypatch.syspath_prepend('tools')
        return importlib.import_module(name)

    return load


@pytest.fixture
def evaluate(tool, tiny, trained, monkeypatch):
    """Run an evaluation in this process; gives its report."""

    def run(method, *args, config='tiny.py', checkpoint=None):
        evaluate = tool('evaluate')
        checkpoint = checkpoint or trained[0] / 'epoch_2.pth'
        argv = [method, tiny / config, checkpoint, *args]
        monkeypatch.setattr('sys.argv', ['evaluate.py', *map(str, argv)])
        args = evaluate.parse_args()
        return evaluate.METHODS[method].evaluate(args)

    return run


def write_config(tiny, name, **overrides):
    cfg = Config.fromfile(tiny / 'tiny.py')
    cfg.merge_from_dict(overrides)
    cfg.dump(tiny / name)
    return name


def test_layers__report(tiny, run_tool, trained):
    checkpoint = trained[0] / 'epoch_2.pth'
    out = tiny / 'layers.json'
    done = run_tool(
        'evaluate.py', 'layers', tiny / 'tiny.py', checkpoint, '--epochs', 2,
        '--batch-size', 7, '--work-dir', tiny / 'layers', '--out', out,
        fresh=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Two loaders are built; mmengine used to warn of the second.
    assert 'DefaultScope' not in done.stderr
    report = json.loads(out.read_text())
    assert report['command'] == 'layers'
    # Three classes have no top-5.
    assert list(report['metrics']) == [f'{stage}_top1' for stage in STAGES]
    assert report['num_images'] == dict(train=22, test=9)
    assert report['seed'] == 0
    # Maps of 8, 8, 4, 2 and 1 pixels a side, of 4, 4, 8, 16 and 32 channels.
    values = [256, 256, 128, 64, 32]
    assert report['details']['values'] == dict(zip(STAGES, values))
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    cfg = Config.fromfile(tiny / 'tiny.py')
    backbone = build_backbone(cfg, state)
    assert report['details']['backbone_sha256'] == fingerprint(backbone)


def build_backbone(cfg, state):
    settings = {k: v for k, v in cfg.model.backbone.items() if k != 'type'}
    backbone = ResNet_CIFAR(**settings)
    backbone.load_state_dict(
        {k[9:]: v for k, v in state.items() if k.startswith('backbone.')}
    )
    return backbone


def test_layers__resumed_run_ends_as_the_whole(evaluate, tiny, monkeypatch):
    def run(work_dir, *args):
        args = ('--batch-size', 8, '--work-dir', tiny / work_dir, *args)
        return evaluate('layers', '--epochs', 2, *args)

    whole = run('whole')
    run_iter = RoundBasedTrainLoop.run_iter

    def interrupted(loop, *args):
        if loop.iter == 4:  # of 3 an epoch
            raise KeyboardInterrupt
        run_iter(loop, *args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RoundBasedTrainLoop, 'run_iter', interrupted)
        run('cut')
    with pytest.raises(ValueError, match=r'epoch_1.pth\); go on with --resu'):
        run('cut')
    assert run('cut', '--resume').metrics == whole.metrics
    expected, given = (
        torch.load(tiny / folder / 'epoch_2.pth', weights_only=True)
        for folder in ('whole', 'cut')
    )
    for key, value in expected['state_dict'].items():
        assert torch.equal(given['state_dict'][key], value), key
    # Nothing is left to train, and the score is told again.
    assert run('cut', '--resume').metrics == whole.metrics


def test_finetune__resumes_no_run_of_another_command(evaluate, tiny, trained):
    def run(*args, **kwargs):
        work_dir = ('--work-dir', tiny / 'claimed')
        return evaluate('finetune', '--epochs', 1, *args, *work_dir, **kwargs)

    whole = run('--share', 0.5)
    with pytest.raises(ValueError, match=r'a run with share 0.5, not 1.0; i'):
        run('--share', 1, '--resume')
    with pytest.raises(ValueError, match=r'run with checkpoint sha256 .*, no'):
        run(
            '--share', 0.5, '--resume', checkpoint=trained[0] / 'epoch_1.pth'
        )  # fmt: skip
    other = ('--cfg-options', 'model.backbone.out_indices=[3]')
    with pytest.raises(ValueError, match='a run with config sha256 '):
        run('--share', 0.5, '--resume', *other)
    assert run('--share', 0.5, '--resume').metrics == whole.metrics
    (tiny / 'claimed' / 'evaluation.json').unlink()
    with pytest.raises(ValueError, match='no evaluation.json, so they are of'):
        run('--share', 0.5, '--resume')


def test_layers__of_an_untrained_network(evaluate, tiny):
    def run(work_dir, seed):
        report = evaluate(
            'layers', '--epochs', 1, '--seed', seed, '--work-dir',
            tiny / work_dir, checkpoint='untrained',
        )  # fmt: skip
        assert report.source['checkpoint'] == 'untrained'
        return report

    first, again, other = run('raw1', 3), run('raw2', 3), run('raw3', 4)
    assert first.metrics == again.metrics
    key = 'backbone_sha256'
    assert first.details[key] == again.details[key] != other.details[key]


def test_finetune__trains_the_whole_network_on_a_share(
    evaluate, tiny, trained
):
    report = evaluate(
        'finetune', '--epochs', 2, '--share', 0.5, '--seed', 3,
        '--batch-size', 4, '--work-dir', tiny / 'finetune',
    )  # fmt: skip
    assert list(report.metrics) == ['top1']
    assert report.num_images == dict(train=11, test=9)
    assert report.details['share'] == 0.5 and report.seed == 3
    before = torch.load(trained[0] / 'epoch_2.pth', weights_only=True)
    after = torch.load(tiny / 'finetune' / 'epoch_2.pth', weights_only=True)
    before, after = before['state_dict'], after['state_dict']
    moved = [
        key for key in before
        if key.startswith('backbone.') and not torch.equal(
            before[key], after[key]
        )
    ]  # fmt: skip
    assert len(moved) == sum(key.startswith('backbone.') for key in before)
    # From where the pretraining ended, not from anew.
    key = 'backbone.layer3.0.conv1.weight'
    assert (after[key] - before[key]).norm() < 0.5 * before[key].norm()


def test_layers__names_a_part_of_a_set(evaluate, tiny, tmp_path):
    shutil.copytree(tiny / 'train', tmp_path / 'train')
    record = dict(
        name='mine', finished=True, subset=True, notes=[],
        counts=dict(train=22), official=dict(train=90),
    )  # fmt: skip
    (tmp_path / 'prepared.json').write_text(json.dumps(record))
    key = 'gallery_dataloader.dataset.dataset.data_root'
    name = write_config(tiny, 'part.py', **{key: str(tmp_path)})
    args = ('--epochs', 1, '--work-dir', tmp_path / 'run')
    report = evaluate('layers', *args, config=name)
    assert report.source['subset'] == 'a subset of mine: train 22 of 90'


def test_finetune__listed_names(evaluate, tiny):
    path = tiny / 'names.txt'
    path.write_text('0.png\n1.png\n5.png\n3.png\n')
    report = evaluate(
        'finetune', '--epochs', 1, '--names', path, '--work-dir',
        tiny / 'listed',
    )  # fmt: skip
    assert report.num_images['train'] == 4
    assert report.details['names'] == str(path)
    path.write_text('0.png\n3.png\n2.png\n')
    message = 'no image of class 1 of 3'
    with pytest.raises(ValueError, match=message):
        evaluate(
            'finetune', '--epochs', 1, '--names', path, '--work-dir',
            tiny / 'absent',
        )  # fmt: skip


@pytest.mark.parametrize(
    'args, message',
    [
        (('--epochs', 0), r'--epochs \(0\) must be greater than 0'),
        (('--batch-size', -1), r'--batch-size \(-1\) must be greater than 0'),
        (('--lr', 'nan'), r'--lr \(nan\) must be greater than 0'),
        (('--seed', -1), r'--seed \(-1\) must be at least 0'),
        (('--share', 0), r'--share \(0.0\) must be in \(0, 1\]'),
        (
            ('--share', 0.01),
            r'^share 0.01 of 22 images is 0, .* larger share$',
        ),
        (('--names', 'gone.txt'), 'list of file names gone.txt does not'),
    ],
)
def test_finetune__arguments_out_of_range(evaluate, args, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        evaluate('finetune', *args)


@pytest.mark.parametrize('method', ['layers', 'finetune'])
def test_evaluate__images_without_labels(evaluate, tiny, method):
    key = 'val_dataloader.dataset.with_label'
    name = write_config(tiny, 'unlabelled.py', **{key: False})
    message = 'val_dataloader: its images have no labels to train and test'
    with pytest.raises(ValueError, match=message):
        evaluate(method, *SHARES[method], config=name)


@pytest.mark.parametrize('method', ['layers', 'finetune'])
def test_evaluate__checkpoint_of_another_architecture(evaluate, tiny, method):
    name = write_config(tiny, 'deep.py', **{'model.backbone.depth': 34})
    with pytest.raises(ValueError, match='epoch_2.pth misses layer1.2'):
        evaluate(
            method, *SHARES[method], '--work-dir', tiny / f'deep_{method}',
            config=name,
        )  # fmt: skip


@pytest.mark.parametrize('method', ['layers', 'finetune'])
def test_evaluate__checkpoint_of_other_colours(evaluate, tiny, method):
    changed = {'data_preprocessor.mean': [127.0, 127.0, 99.0]}
    name = write_config(tiny, 'colours.py', **changed)
    work_dir = tiny / f'colours_{method}'
    message = r'epoch_2.pth were trained on RGB.*set mean=\[127.0, 127.0, 127'
    with pytest.raises(ValueError, match=message):
        evaluate(
            method, *SHARES[method], '--work-dir', work_dir, config=name
        )  # fmt: skip
    assert not list(work_dir.glob('*.pth'))


def test_layers__class_that_is_absent_from_training(evaluate, tiny):
    name = write_config(
        tiny,
        'absent.py',
        **{'gallery_dataloader.dataset.dataset.indices': [0, 3, 9]},
    )
    with pytest.raises(ValueError, match='no image of class 2 of 3; give'):
        evaluate('layers', '--work-dir', tiny / 'absent1', config=name)


def test_layers__config_without_a_backbone(evaluate, tiny):
    (tiny / 'empty.py').write_text("default_scope = 'mmisl'\n")
    with pytest.raises(ValueError, match='model.backbone: missing in .*empty'):
        evaluate('layers', config='empty.py')


def test_plain_preprocessor__keeps_colours_and_statistics(tool):
    plain = tool('scoring.training')._plain_preprocessor
    assert plain(
        dict(
            type='SelfSupDataPreprocessor', mean=[1], std=[2], bgr_to_rgb=True
        )
    ) == dict(
        type='mmpretrain.ClsDataPreprocessor', mean=[1], std=[2], to_rgb=True
    )
    augmenting = dict(
        type='AugmentingPreprocessor', augments=[{}], mean=[1], std=[2]
    )
    assert plain(augmenting) == dict(
        type='mmpretrain.ClsDataPreprocessor', mean=[1], std=[2], to_rgb=False
    )


def test_read_pretraining__default_folder_is_of_no_config(tool, tiny, trained):
    training = tool('scoring.training')
    args = Namespace(
        config=str(tiny / 'tiny.py'), checkpoint=trained[0] / 'epoch_2.pth',
        cfg_options={}, epochs=1, batch_size=1, lr=1.0, seed=0,
        work_dir=None, method='layers', resume=False,
    )  # fmt: skip
    training.read_pretraining(args)
    assert args.work_dir == 'work_dirs/evaluate/tiny_layers'
