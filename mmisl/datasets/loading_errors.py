"""Says in one line what is wrong with a data set that will not load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

CURE = 'check data_root, data_prefix, ann_file and indices'


class DataSetError(ValueError):
    """One line that says what is wrong and what to do; passed on as it is."""


@contextmanager
def one_line_errors(folders: str) -> Iterator[None]:
    """Turn what data sets raise while loading into one clear line."""
    try:
        yield
    except DataSetError:
        raise
    except FileNotFoundError as error:
        if error.filename is None:  # a sentence already, such as SVHN's
            raise
        raise FileNotFoundError(
            f'{str(error.filename).rstrip("/")} does not exist; {CURE}'
        ) from error
    # What indices beyond the last image raise is an IndexError.
    except (
        AssertionError,
        IndexError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise ValueError(
            f'cannot load the data set in {folders}: '
            f'{in_one_line(error)}; {CURE}'
        ) from error


def in_one_line(error: Exception) -> str:
    """Kind and text of an exception, without line breaks."""
    return f'{type(error).__name__}: {" ".join(str(error).split())}'


def config_folders(cfg: Mapping[str, Any]) -> list[str]:
    """Folders named in the config of a data set, or of what it wraps."""
    if 'datasets' in cfg:
        return [f for child in cfg['datasets'] for f in config_folders(child)]
    if isinstance(cfg.get('dataset'), Mapping):
        return config_folders(cfg['dataset'])
    return [str(cfg.get('data_root') or cfg.get('data_prefix'))]
