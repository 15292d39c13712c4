"""What all tools share: arguments, configs, and one line for an error."""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmisl.environment import check_environment

try:
    # Before the packages that it speaks of are imported.
    check_environment()
except RuntimeError as error:
    sys.exit(f'error: {error}')

import torch  # noqa: E402
from mmengine.config import Config, DictAction  # noqa: E402
from mmengine.dist import (  # noqa: E402
    init_dist,
    is_distributed,
    is_main_process,
)

from mmisl.config_check import (  # noqa: E402
    ConfigError,
    check_config,
    check_overrides,
)
from mmisl.runs import is_whole  # noqa: E402

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def require_detection() -> None:
    """Exit with one line where mmdet or mmcv's ops are missing.

    For tools that import mmdet, before they do.
    """
    try:
        check_environment(need_ops=True)
    except RuntimeError as error:
        sys.exit(f'error: {error}')
    if importlib.util.find_spec('mmdet') is None:
        sys.exit(
            'error: detection needs mmdet, which is not installed: '
            f"{sys.executable} -m pip install 'onedl-mmdetection>=3.5.1'"
        )


class OptionsAction(DictAction):
    """mmengine's, for values that are paths: a space in one stays.

    mmengine takes the spaces out of every value, so a checkpoint below
    ``my runs/`` would not be found. Of a word without ``=`` it knows nothing
    but to fail.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add to the options; exit with a usage error if one is no pair."""
        for pair in values:
            key, equals, _ = pair.partition('=')
            if not key or not equals:
                parser.error(
                    f'{option_string}: got {pair!r}, but each setting is '
                    'KEY=VALUE, such as optim_wrapper.optimizer.lr=0.01'
                )
        super().__call__(parser, namespace, values, option_string)

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        text = val.strip().strip('\'"')
        if ',' in text or text[:1] + text[-1:] in ('()', '[]'):
            return DictAction._parse_iterable(val)
        return DictAction._parse_int_float_bool(text)


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that every tool has."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    add_options_argument(parser)
    return parser


def add_options_argument(parser: argparse.ArgumentParser) -> None:
    """Overrides of a config, and how an error is shown."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that replace those of the config, such as\n'
        'optim_wrapper.optimizer.lr=0.01',
    )
    add_traceback_argument(parser)


def add_traceback_argument(parser: argparse.ArgumentParser) -> None:
    """How an error is shown."""
    parser.add_argument(
        '--traceback',
        action='store_true',
        help='show the traceback of an error',
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of tools that start a run."""
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints\n'
        '(default: work_dir of the config, else work_dirs/CONFIG)',
    )
    add_launcher_arguments(parser)


def add_launcher_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of tools that may run on several processes."""
    parser.add_argument(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='what started the processes (default: none)',
    )
    # torch.distributed.launch gives it; torchrun sets LOCAL_RANK.
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )


def load_config(args: argparse.Namespace) -> Config:
    """Read the config of the command line and merge its overrides.

    Raises:
        ConfigError: If the file is missing or cannot be read, or if an
            override would change nothing.
    """
    path = Path(args.config)
    if not path.is_file():
        raise ConfigError(f'config {path} does not exist')
    try:
        cfg = Config.fromfile(path)
    # A config is a program, and can fail in any way.
    except Exception as error:
        raise ConfigError(
            f'config {path} cannot be read: {describe(error)}'
        ) from error
    check_overrides(cfg, args.cfg_options)
    cfg.merge_from_dict(args.cfg_options)
    return cfg


def prepare_run(
    cfg: Config, args: argparse.Namespace, *, required: Sequence[str]
) -> None:
    """Choose the work dir, check the config and get the processes ready.

    Raises:
        ConfigError: If the config has a slip.
        ValueError: If the launcher needs GPUs and there are none.
    """
    default = Path('work_dirs', Path(args.config).stem)
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(default)
    args.work_dir = cfg.work_dir
    check_config(cfg, required=required)
    # Whatever a config takes from mmdet needs mmcv's compiled ops.
    check_environment(need_ops='mmdet' in cfg.pretty_text)
    prepare_launch(cfg, args)


def prepare_launch(cfg: Config, args: argparse.Namespace) -> None:
    """Get the process group ready; on CPUs that means gloo.

    mmengine chooses a GPU for every process, whatever the backend. So
    without GPUs the process group is made here, and mmengine takes it.

    Raises:
        ValueError: If the launcher needs GPUs and there are none.
    """
    cfg.launcher = args.launcher
    if args.launcher == 'none':
        return
    if args.launcher == 'mpi':
        # mmengine wraps the model for the GPU that LOCAL_RANK names, but
        # leaves it unset.
        local_rank = os.environ.get('OMPI_COMM_WORLD_LOCAL_RANK')
        if local_rank is None:
            raise ValueError(
                '--launcher mpi expects OMPI_COMM_WORLD_LOCAL_RANK, which '
                'mpirun of Open MPI sets; start the tool with it'
            )
        os.environ['LOCAL_RANK'] = local_rank
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if torch.cuda.is_available():
        return
    if args.launcher != 'pytorch':
        raise ValueError(
            f'--launcher {args.launcher} needs GPUs and found none; on CPUs '
            'use tools/dist_train.sh or tools/dist_test.sh'
        )
    if 'RANK' not in os.environ:
        raise ValueError(
            '--launcher pytorch expects to be started by torchrun, which '
            'sets RANK; use tools/dist_train.sh or tools/dist_test.sh'
        )
    cfg.merge_from_dict({'env_cfg.dist_cfg.backend': 'gloo'})
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,  # mmengine would name GPUs
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    torch.distributed.init_process_group('gloo')
    if is_main_process():
        print('No GPU found: processes talk through gloo.', flush=True)


def start_processes(cfg: Config, args: argparse.Namespace) -> None:
    """Make the process group that the command line asks for.

    For tools without a runner, which would make it.
    """
    prepare_launch(cfg, args)
    if args.launcher != 'none' and not is_distributed():
        init_dist(args.launcher, **cfg.env_cfg.dist_cfg)


def check_checkpoint(path: str | Path) -> str:
    """Insist that a checkpoint is there and whole.

    Returns:
        str: The path.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, or was cut short.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    if not is_whole(path):
        raise ValueError(
            f'{path} is no whole checkpoint: it was cut short, or is '
            'another kind of file'
        )
    return str(path)


def run_tool(
    tool: Callable[[argparse.Namespace], None], args: argparse.Namespace
) -> None:
    """Run a tool; answer an error with one line and exit status 1.

    The traceback goes to ``error.log`` in the work dir, if there is one yet,
    and with ``--traceback`` to the screen.
    """
    try:
        tool(args)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(130)
    # Whatever it was: who runs a tool wants a sentence.
    except Exception as error:
        if args.traceback:
            raise
        sys.stdout.flush()  # what is in a buffer came before
        print(
            f'error: {describe(error)}{_write_log(error, args)}',
            file=sys.stderr,
        )
        sys.exit(1)
    if torch.distributed.is_initialized():
        # The runner is full of cycles, and what is left of its model holds on
        # to the group while the interpreter goes down: of two processes on
        # torch 2.11 one in five runs aborted after its end, none of 14 since.
        gc.collect()
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def describe(error: BaseException) -> str:
    """The message of an error on one line.

    Only messages meant for users stand alone; others get the name of the
    error before them.
    """
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
    # Workers of a DataLoader pack their whole traceback into the message.
    if 'Original Traceback' in text:
        return _one_line(text.strip().splitlines()[-1].partition(': ')[2])
    for_users = (ValueError, TypeError, RuntimeError, OSError)
    if isinstance(error, for_users) and text:
        return _one_line(text)
    return _one_line(f'{type(error).__name__}: {text}')


def _one_line(text: str) -> str:
    return ' '.join(text.split())


def _write_log(error: Exception, args: argparse.Namespace) -> str:
    """Write the traceback; say where, or nothing if it is not written."""
    work_dir = vars(args).get('work_dir')
    # A slip in a config has told all there is to know.
    if isinstance(error, ConfigError) or work_dir is None:
        return ''
    rank = int(os.environ.get('RANK', 0))
    path = Path(work_dir, f'error_rank{rank}.log' if rank else 'error.log')
    try:
        path.write_text(''.join(traceback.format_exception(error)))
    except OSError:  # no work dir yet, or no room in it
        return ''
    return f' (traceback: {path})'
