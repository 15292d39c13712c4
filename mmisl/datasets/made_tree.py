"""Folders of images that the project makes: whole, once, and checked."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_MANIFEST = 'manifest.json'


@dataclass(frozen=True)
class MadeTree:
    """A kind of folder that a program makes out of a seed.

    Attributes:
        kind: What a message calls it.
        patterns: Of :meth:`pathlib.Path.glob`, for all its files.
        counts: What ``count`` has to find in a complete one.
        write: Writes everything below a folder, out of a seed.
        count: Counts what a folder holds, such as the images of a split.
    """

    kind: str
    patterns: tuple[str, ...]
    counts: Mapping[str, int]
    write: Callable[[Path, int], None]
    count: Callable[[Path], Mapping[str, int]]

    def make(self, root: str | Path, seed: int) -> dict:
        """Make ``root``, or check what is there.

        It appears at once and complete; an interrupted call leaves nothing.

        Args:
            root (str | Path): Folder to make, or a link to an empty one; a
                complete one is kept.
            seed (int): Of everything random.

        Returns:
            dict: The manifest: ``seed``, the counts, and ``sha256`` over the
            names and bytes of all files.

        Raises:
            ValueError: If ``root`` holds something else.
        """
        # No folder can be renamed to a link.
        root = Path(root).resolve()
        if root.is_dir() and any(root.iterdir()):
            return self._check(root, seed)
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent) as folder:
            tree = Path(folder) / root.name
            self.write(tree, seed)
            manifest = self._describe(tree, seed)
            (tree / _MANIFEST).write_text(
                json.dumps(manifest, indent=2) + '\n'
            )
            try:
                os.rename(tree, root)
            except OSError:
                if not root.is_dir():
                    raise
                # Another process was faster; its folder has to be the same.
                return self._check(root, seed)
        return manifest

    def _check(self, root: Path, seed: int) -> dict:
        """Manifest of an existing folder, after comparing every file."""
        path = root / _MANIFEST
        wanted = self._describe(root, seed)
        found = json.loads(path.read_text()) if path.is_file() else None
        if found != wanted or any(
            wanted.get(key) != number for key, number in self.counts.items()
        ):
            raise ValueError(
                f'{root} exists, but is not a complete {self.kind} folder '
                f'of seed {seed}; delete it or name another folder'
            )
        return wanted

    def _describe(self, root: Path, seed: int) -> dict:
        """Counts and checksum of the files below ``root``."""
        paths = sorted(
            path for pattern in self.patterns for path in root.glob(pattern)
        )
        digest = hashlib.sha256()
        for path in paths:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
        return dict(seed=seed, **self.count(root), sha256=digest.hexdigest())
