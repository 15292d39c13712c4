"""Arrays, lists of names and pictures as text that a page can carry."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# What a typed array of a browser can hold.
DTYPES = ('uint8', 'uint16', 'int32', 'float32', 'utf8')


@dataclass(frozen=True)
class Blob:
    """Bytes of a page, decoded by the browser when they are first needed.

    Args:
        data (bytes): An array in C order, little endian; UTF-8 text; or a
            whole picture.
        dtype (str): One of ``DTYPES``; without meaning for a picture.
        shape (tuple[int, ...]): Of the array; ``(lines,)`` of a text.
        mime (str): Of a picture, such as 'image/webp'; '' for the others.
    """

    data: bytes
    dtype: str
    shape: tuple[int, ...]
    mime: str = ''

    def __post_init__(self) -> None:
        if not self.mime and self.dtype not in DTYPES:
            raise ValueError(
                f'dtype of a blob is {self.dtype!r}; allowed are '
                f'{", ".join(DTYPES)}: convert the array'
            )

    @classmethod
    def from_array(cls, array: np.ndarray) -> Blob:
        """A blob of an array, of any byte order and strides."""
        little = np.ascontiguousarray(array).astype(
            array.dtype.newbyteorder('<')
        )
        return cls(little.tobytes(), array.dtype.name, array.shape)

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> Blob:
        """A blob of names; what would end a line becomes a space."""
        flat = [' '.join(line.splitlines()) for line in lines]
        # A name of a file can hold bytes that are no UTF-8.
        data = '\n'.join(flat).encode('utf-8', errors='replace')
        return cls(data, 'utf8', (len(flat),))


def encode_blob(blob: Blob) -> str:
    """Base64 of a picture, or of the gzipped bytes of anything else."""
    data = blob.data
    if not blob.mime:
        # No time stamp: the same report gives the same file.
        data = gzip.compress(data, compresslevel=9, mtime=0)
    return base64.b64encode(data).decode('ascii')
