"""Pictures that know what they were drawn from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmisl.visualization import plain_text

# 900 pixels of a page, and sharp where its pixels are finer than those.
WIDTH_INCHES, _DPI = 9.0, 150
_KEY = 'Drawn from'
# Enough for the pale bands.
_NUM_COLORS = 256


@dataclass(frozen=True)
class Picture:
    """A figure, the numbers in it, and what it shows.

    Attributes:
        what: One line for those who do not see it.
        names: From elsewhere, to be written as they are.
        numbers: All that is drawn, as JSON would have it.
        draw: Draws it.
    """

    what: str
    names: Sequence[str]
    numbers: Any
    draw: Callable[[], Figure]

    @property
    def digest(self) -> str:
        """Stands for the numbers.

        Bytes of a PNG differ between releases of matplotlib, also where
        nothing else does.
        """
        text = json.dumps(self.numbers, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def save_picture(picture: Picture, path: Path) -> None:
    """Write it as a PNG of few colours, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    with plain_text(picture.names):
        picture.draw().savefig(partial, format='png', dpi=_DPI)
    info = PngInfo()
    info.add_text(_KEY, picture.digest)
    with Image.open(partial) as image:
        small = image.convert('RGB').quantize(_NUM_COLORS)
    small.save(partial, format='PNG', optimize=True, pnginfo=info)
    os.replace(partial, path)


def digest_in(path: Path) -> str:
    """What a PNG was drawn from; nothing if there is no whole one."""
    try:
        with Image.open(path) as image:
            image.load()
            return str(image.info.get(_KEY, ''))
    except (OSError, SyntaxError):
        return ''
