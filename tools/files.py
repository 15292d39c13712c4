"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def replace_text(path: Path, text: str) -> None:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two commands may write the same file.
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    partial.write_text(text)
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON."""
    replace_text(path, json.dumps(value, indent=2) + '\n')
