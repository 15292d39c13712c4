"""What a mining stage left behind, as a file."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .scored_edges import ScoredEdges

FOLDER = 'mining'
_FORMAT = 1
_NAME = re.compile(r'round_(\d{3,})\.npz')


@dataclass(frozen=True)
class MiningSnapshot:
    """All positives that hold after one mining or clustering stage.

    A file stands alone: it has every edge, not those of its round alone, with
    its similarity in the bank of that round, or in the features that were
    clustered where there is no bank. A miner may have looked at other
    features, such as views. An undirected edge takes at most 12 bytes of a
    file and a sample 4, before compression.

    Attributes:
        round: Round that the stage ends, from 0.
        epoch: Encoder epochs that had been trained.
        method: Class of the algorithm, such as ``'ISL'``.
        miner: Class of the miner, such as ``'GANMiner'``; empty where samples
            are clustered.
        edges: The positives.
        control: Plain nearest neighbours by that similarity: as many
            undirected edges, or as many nearest rows of every sample. None
            where they were not asked for.
    """

    round: int
    epoch: int
    method: str
    miner: str
    edges: ScoredEdges
    control: ScoredEdges | None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, whole or not at all.

        The same snapshot gives the same bytes.

        Args:
            path (str | PathLike): Of the file; its folder is made.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = dict(
            format=np.array(_FORMAT),
            round=np.array(self.round),
            epoch=np.array(self.epoch),
            method=np.array(self.method),
            miner=np.array(self.miner),
            **_pack('edges', self.edges),
        )
        if self.control is not None:
            arrays.update(_pack('control', self.control))
        partial = path.with_suffix('.partial')
        with partial.open('wb') as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        os.replace(partial, path)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MiningSnapshot:
        """Read what :meth:`save` wrote.

        Args:
            path (str | PathLike): Of the file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is torn, or no snapshot of this version.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                found = int(file['format']) if 'format' in file else None
                if found != _FORMAT:
                    raise ValueError(f'its format is {found}, not {_FORMAT}')
                return cls(
                    round=int(file['round']),
                    epoch=int(file['epoch']),
                    method=str(file['method']),
                    miner=str(file['miner']),
                    edges=_unpack('edges', file),
                    control=(
                        _unpack('control', file)
                        if 'control_dst' in file
                        else None
                    ),
                )
        except FileNotFoundError:
            raise FileNotFoundError(
                f'there is no mining snapshot {path}'
            ) from None
        except (
            ValueError,
            KeyError,
            OSError,
            EOFError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise _no_snapshot(path, error) from None


def snapshot_path(work_dir: str | os.PathLike[str], round_idx: int) -> Path:
    """Where the snapshot of a round is, or would be."""
    return Path(work_dir, FOLDER, f'round_{round_idx:03d}.npz')


def snapshot_round(path: str | os.PathLike[str]) -> int:
    """Round of a snapshot, by the name of its file.

    Raises:
        ValueError: If it has no such name.
    """
    match = _NAME.fullmatch(Path(path).name)
    if match is None:
        raise ValueError(f'{path} is not named round_000.npz or alike')
    return int(match[1])


def list_snapshots(work_dir: str | os.PathLike[str]) -> list[Path]:
    """The snapshots of a run, by round; empty where there are none."""
    found = [
        path
        for path in Path(work_dir, FOLDER).glob('round_*.npz')
        if _NAME.fullmatch(path.name)
    ]
    return sorted(found, key=snapshot_round)


def _no_snapshot(path, error: Exception) -> ValueError:
    return ValueError(
        f'{path} is no mining snapshot that this version reads ({error}); '
        'delete it, or resume the run from before that round to have it '
        'written anew'
    )


def _pack(name: str, edges: ScoredEdges) -> dict[str, np.ndarray]:
    """Arrays to store; ascending sources shrink to one count a sample."""
    assert (np.diff(edges.src) >= 0).all(), 'sources ascend'
    count = np.bincount(edges.src, minlength=edges.num_samples)
    return {
        f'{name}_count': count.astype(np.int32),
        f'{name}_dst': edges.dst,
        f'{name}_score': edges.score,
        # To 0.0005, far below what tells two neighbours apart by eye.
        f'{name}_cosine': edges.cosine.astype(np.float16),
        f'{name}_added': edges.added,
        f'{name}_directed': np.array(edges.directed),
    }


def _unpack(name: str, file) -> ScoredEdges:
    count = file[f'{name}_count']
    return ScoredEdges(
        num_samples=len(count),
        src=np.repeat(np.arange(len(count), dtype=np.int32), count),
        dst=file[f'{name}_dst'],
        score=file[f'{name}_score'],
        cosine=file[f'{name}_cosine'].astype(np.float32),
        added=file[f'{name}_added'],
        directed=bool(file[f'{name}_directed']),
    )
