"""Cost of the snapshot that every mining stage leaves.

Usage:
    python tools/benchmark/snapshot.py [--num-samples 50000] [--degree 4]

Random clustered features, a graph of random pairs, and clusterings of the
size that Local Aggregation asks for: 43 samples a cluster. The searches for
plain nearest neighbours grow with the square of N, the rest with N. Where
other programs compete for the cores, CPU seconds still compare.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from measure import Row, report
from torch.nn.functional import normalize

from mmisl.engine.positives import (
    graph_edges,
    member_edges,
    nearest_edges,
    plain_edges,
)
from mmisl.models.miners import Candidates, plain_neighbors
from mmisl.structures import MiningSnapshot, NeighborGraph

SEED = 0
FEAT_DIM = 128
ROWS_OF_A_CLUSTER = 500
MEMBERS, NUM_CLUSTERINGS = 43, 10
NUM_NEIGHBORS = 10
T = TypeVar('T')


def measure_snapshots(args: argparse.Namespace) -> list[Row]:
    """Seconds of each part, and what a file takes."""
    rng = torch.Generator().manual_seed(SEED)
    size = args.num_samples
    centres = torch.randn(
        -(-size // ROWS_OF_A_CLUSTER), FEAT_DIM, generator=rng
    ).repeat_interleave(ROWS_OF_A_CLUSTER, 0)[:size]
    feats = normalize(
        centres + torch.randn(size, FEAT_DIM, generator=rng), dim=1
    )
    src, dst = torch.randint(
        size, (2, int(args.degree * size / 2)), generator=rng
    )
    graph = NeighborGraph(size)
    graph.add_edges(src, dst)
    score = torch.rand(len(src), generator=rng)
    accepted = Candidates(
        torch.minimum(src, dst), torch.maximum(src, dst), score
    )
    clusters = torch.randint(
        size // MEMBERS, (NUM_CLUSTERINGS, size), generator=rng
    )
    rows: list[Row] = []

    def add(name: str, work: Callable[[], T], file: Path | None = None) -> T:
        start, used = time.perf_counter(), time.process_time()
        result = work()
        rows.append(
            {
                'part': name,
                'seconds': time.perf_counter() - start,
                'CPU seconds': time.process_time() - used,
                'MB of the file': (
                    '-' if file is None else file.stat().st_size / 1e6
                ),
            }
        )
        return result

    edges = add(
        'edges of the graph',
        lambda: graph_edges(graph, feats, accepted, round_idx=0, earlier=None),
    )
    control = add(
        'as many plain neighbours',
        lambda: plain_edges(feats, plain_neighbors(feats, len(edges))),
    )
    members = add(
        f'{NUM_NEIGHBORS} nearest members, {NUM_CLUSTERINGS} clusterings',
        lambda: member_edges(feats, clusters, NUM_NEIGHBORS, round_idx=0),
    )
    nearest = add(
        f'{NUM_NEIGHBORS} nearest rows of every sample',
        lambda: nearest_edges(feats, NUM_NEIGHBORS, round_idx=0),
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, pair in (
            ('graph', (edges, control)),
            ('clusters', (members, nearest)),
        ):
            path = Path(folder, f'{name}.npz')
            snapshot = MiningSnapshot(0, 0, '', '', *pair)
            add(f'writing, {name}', partial(snapshot.save, path), path)
            add(f'reading, {name}', partial(MiningSnapshot.load, path), path)
    return rows


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--num-samples', type=int, default=50_000)
    parser.add_argument(
        '--degree', type=float, default=4.0, help='neighbours per sample'
    )
    parser.add_argument('--threads', type=int, help='torch threads')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Measure as the command line says."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    title = f'Snapshots of N = {args.num_samples:,}, D = {FEAT_DIM}'
    report(title, measure_snapshots(args), out=args.out)


if __name__ == '__main__':
    main(parse_args())
