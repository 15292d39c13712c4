"""Templates, styles and scripts of the page, and its vendored libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

_ASSETS = files('mmisl.report').joinpath('assets')
# One script in the page, so order matters only for what runs at once.
_STYLES = ('base', 'header', 'tables', 'curves', 'gallery', 'map', 'views')
_SCRIPTS = (
    'dom',
    'blobs',
    'lazy',
    'dataset',
    'rounds',
    'tiles',
    'anchors',
    'curves',
    'gallery',
    'points',
    'map',
    'detail',
    'main',
)


@dataclass(frozen=True)
class Library:
    """A library that the page carries.

    Args:
        name (str): On npm.
        version (str): On npm.
        source (str): Its minified JavaScript.
        licence (str): The text that has to go with it.
    """

    name: str
    version: str
    source: str
    licence: str


def read_asset(name: str) -> str:
    """Text of a file under ``assets/``."""
    return _ASSETS.joinpath(*name.split('/')).read_text('utf-8')


def read_styles() -> str:
    """CSS of the page, that of the libraries first."""
    vendored = [
        _read_vendored(name, file, digest)
        for name, _, file, digest in _listed()
        if file.endswith('.css')
    ]
    own = [read_asset(f'css/{name}.css') for name in _STYLES]
    return '\n'.join([*vendored, *own])


def read_scripts() -> str:
    """JavaScript of the page, without the libraries."""
    return '\n'.join(read_asset(f'js/{name}.js') for name in _SCRIPTS)


def list_libraries() -> list[Library]:
    """Vendored libraries in the order in which they have to be loaded.

    Raises:
        RuntimeError: If a file is not the one that was vendored.
    """
    return [
        Library(
            name,
            version,
            _read_vendored(name, file, digest),
            read_asset(f'vendor/{name}/LICENSE'),
        )
        for name, version, file, digest in _listed()
        if file.endswith('.js')
    ]


def _listed() -> Iterator[list[str]]:
    for line in read_asset('vendor/LIBRARIES.txt').splitlines():
        if line and not line.startswith('#'):
            yield line.split()


def _read_vendored(name: str, file: str, digest: str) -> str:
    path = f'vendor/{name}/{file.rpartition("/")[2]}'
    text = read_asset(path)
    found = hashlib.sha256(text.encode('utf-8')).hexdigest()
    if found != digest:
        raise RuntimeError(
            f'{path} of mmisl/report/assets has the SHA-256 {found} and '
            f'LIBRARIES.txt says {digest}; install mmisl again'
        )
    return text
