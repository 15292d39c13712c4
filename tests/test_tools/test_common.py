"""What all tools share, without starting one."""

import argparse
import importlib
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def common(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module('common')


def arguments(**values):
    return argparse.Namespace(
        **{'config': 'a.py', 'cfg_options': {}, 'traceback': False, **values}
    )


def fail(error):
    def tool(args):
        raise error

    return tool


@pytest.mark.parametrize(
    'error, line',
    [
        (ValueError('k must be\n  1'), 'k must be 1'),
        (KeyError('no model'), 'KeyError: no model'),
        (AssertionError(), 'AssertionError:'),
        (
            RuntimeError(
                'Caught RuntimeError in worker 0.\nOriginal Traceback (most '
                'recent call last):\n  File\nRuntimeError: cannot load a.png'
            ),
            'cannot load a.png',
        ),
    ],
)
def test_describe__is_one_line(common, error, line):
    assert common.describe(error) == line


def test_run_tool__error_goes_to_a_line_and_a_log(common, tmp_path, capsys):
    args = arguments(work_dir=str(tmp_path))
    with pytest.raises(SystemExit, match='^1$'):
        common.run_tool(fail(ValueError('k is 0')), args)
    log = tmp_path / 'error.log'
    assert capsys.readouterr().err == f'error: k is 0 (traceback: {log})\n'
    assert 'Traceback' in log.read_text()


def test_run_tool__no_log_without_a_work_dir(common, tmp_path, capsys):
    args = arguments(work_dir=str(tmp_path / 'none'))
    with pytest.raises(SystemExit, match='^1$'):
        common.run_tool(fail(OSError('disk full')), args)
    assert capsys.readouterr().err == 'error: disk full\n'
    assert not (tmp_path / 'none').exists()


def test_run_tool__traceback_is_shown(common):
    with pytest.raises(ValueError, match='k is 0'):
        common.run_tool(fail(ValueError('k is 0')), arguments(traceback=True))


def test_run_tool__interrupt_is_130(common, capsys):
    with pytest.raises(SystemExit, match='^130$'):
        common.run_tool(fail(KeyboardInterrupt()), arguments())
    assert capsys.readouterr().err == 'interrupted\n'


def test_load_config__missing_file(common):
    with pytest.raises(common.ConfigError, match='config a.py does not exist'):
        common.load_config(arguments())


def test_load_config__syntax_error(common, tmp_path):
    path = tmp_path / 'broken.py'
    path.write_text('model = dict(\n')
    with pytest.raises(common.ConfigError, match='broken.py cannot be read'):
        common.load_config(arguments(config=str(path)))


def test_prepare_launch__slurm_needs_gpus(common, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='--launcher slurm needs GPUs'):
        common.prepare_launch(
            Config(), arguments(launcher='slurm', local_rank=0)
        )


def test_prepare_launch__pytorch_needs_torchrun(common, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(ValueError, match='started by torchrun'):
        common.prepare_launch(
            Config(), arguments(launcher='pytorch', local_rank=0)
        )


def test_check_checkpoint__missing_and_cut_short(common, tmp_path):
    path = tmp_path / 'a.pth'
    with pytest.raises(FileNotFoundError, match='a.pth does not exist'):
        common.check_checkpoint(path)
    torch.save(dict(weight=torch.ones(3)), path)
    assert common.check_checkpoint(path) == str(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match='a.pth is no whole checkpoint'):
        common.check_checkpoint(path)


@pytest.mark.parametrize(
    'text, value',
    [
        ('my runs/isl (2)/epoch_8.pth', 'my runs/isl (2)/epoch_8.pth'),
        ('"my runs/epoch_8.pth"', 'my runs/epoch_8.pth'),
        ('(old) runs/epoch_8.pth', '(old) runs/epoch_8.pth'),
        (' 1e-3', 1e-3),
        ('None', None),
        ('true', True),
        ('[1, 2]', [1, 2]),
        ('(600, 1000)', (600, 1000)),
        ('a, b', ['a', 'b']),
    ],
)
def test_options__a_path_keeps_its_spaces(common, text, value):
    parser = common.make_parser('')
    options = ['--cfg-options', f'model.checkpoint={text}']
    args = parser.parse_args(['a.py', *options])
    assert args.cfg_options == {'model.checkpoint': value}


@pytest.mark.parametrize('word', ['model.checkpoint', '=3', ''])
def test_options__a_word_that_is_no_pair(common, capsys, word):
    with pytest.raises(SystemExit, match='^2$'):
        common.make_parser('').parse_args(
            ['a.py', '--cfg-options', 'a.b=1', word]
        )
    line = capsys.readouterr().err.splitlines()[-1]
    assert f'error: --cfg-options: got {word!r}, but each setting is KEY' in (
        line
    )
