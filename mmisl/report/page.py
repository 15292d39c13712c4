"""Writes the page of a report: one HTML file that needs nothing else.

The frame (what was run, times, tables) is made here by Jinja2 and can be read
without JavaScript. Curves, gallery and map are drawn in the browser, from
arrays and sheets of thumbnails that are decoded when they are first needed.

Two libraries draw, each the smallest well-kept one for its part:

- uPlot (50 KB) for the curves. Chart.js is four times its size and needs a
  plugin to zoom.
- d3-zoom for the map, and d3-delaunay for the nearest point under the mouse
  and for the neighbouring points that the arrow keys go to; with what they
  need of D3 85 KB. The whole of D3 has 280 KB; regl-scatterplot needs WebGL,
  which many browsers on servers and in virtual machines lack.

``assets/vendor/LIBRARIES.txt`` has their versions and hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from mmisl.report import page_tables
from mmisl.report.page_assets import (
    list_libraries,
    read_asset,
    read_scripts,
    read_styles,
)
from mmisl.report.page_blobs import Blob, encode_blob

__all__ = ['Blob', 'write_page']

# What would end a <script> or start a comment in one, and what JavaScript
# took for line ends.
_SCRIPT_ESCAPES = {
    ord(char): f'\\u{ord(char):04x}' for char in '<>&\u2028\u2029'
}


def write_page(
    payload: Mapping[str, Any], blobs: Mapping[str, Blob], path: str | Path
) -> Path:
    """Write a report as one HTML file.

    Args:
        payload (Mapping): What the report tells; docs/report.md lists its
            keys. Arrays and sheets stand in it by the name of their blob.
        blobs (Mapping[str, Blob]): Arrays and sheets by name. Those that the
            payload does not name are left out.
        path (str | Path): Where the page goes. A file that is there is
            replaced when the new one is whole.

    Returns:
        Path: The page.

    Raises:
        ValueError: If the payload names a blob that is not in ``blobs``.
    """
    path = Path(path)
    used = _used_blobs(payload, blobs)
    scripts, libraries = read_scripts(), list_libraries()
    sources = [library.source for library in libraries]
    context = {
        'payload': payload,
        # Of all scripts of a page these alone are run.
        'script_hashes': ' '.join(map(_script_hash, [*sources, scripts])),
        'data': embed_json(
            {
                'payload': payload,
                'blobs': {
                    name: {
                        'id': f'blob-{index}',
                        'dtype': blob.dtype,
                        'shape': blob.shape,
                        'mime': blob.mime,
                    }
                    for index, (name, blob) in enumerate(used.items())
                },
            }
        ),
        # Encoded while the page is written: one at a time is in memory.
        'blobs': (
            (f'blob-{index}', encode_blob(blob))
            for index, blob in enumerate(used.values())
        ),
        'styles': read_styles(),
        'scripts': scripts,
        'libraries': libraries,
        'tables': page_tables,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    try:
        # The stream wants the name of the file or a binary one.
        # A name of a file can hold bytes that are no UTF-8.
        _template().stream(context).dump(
            str(partial), encoding='utf-8', errors='replace'
        )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def embed_json(value: Any) -> str:
    """JSON that can stand in a ``<script>``, whatever strings it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.translate(_SCRIPT_ESCAPES)


def _script_hash(source: str) -> str:
    """What a Content-Security-Policy calls a script by."""
    digest = hashlib.sha256(source.encode('utf-8')).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['seconds'] = page_tables.format_seconds
    environment.tests['picture'] = page_tables.is_picture
    return environment.get_template('page.html')


def _used_blobs(
    payload: Mapping[str, Any], blobs: Mapping[str, Blob]
) -> dict[str, Blob]:
    """Blobs that the payload names, in its order."""
    used = {}
    for name in _blob_names(payload):
        if name not in blobs:
            raise ValueError(
                f'the payload names the blob {name!r}, and blobs has only '
                f'{sorted(blobs)}; give it or put null in its place'
            )
        used[name] = blobs[name]
    return used


def _blob_names(payload: Mapping[str, Any]) -> Iterator[str]:
    names: list[str | None] = []
    for dataset in payload['datasets'].values():
        names += [dataset['labels'], dataset['names']]
        names += (dataset['sprites'] or {}).get('sheets', [])
    for run in payload['runs']:
        names += [run['clusters'], (run['map'] or {}).get('blob')]
        for mined in run['rounds']:
            names += [mined['neighbors'], mined['cosine']]
            names += [mined['control'], mined['control_cosine']]
    return (name for name in names if name is not None)
