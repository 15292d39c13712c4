"""Time of mining: a whole stage, its parts at size, and the graph.

Usage:
    python tools/benchmark/mining.py stage --checkpoint FILE [--config FILE]
                                           [--seeds 0 1 2]
    python tools/benchmark/mining.py parts [--num-samples 50000] [--rows 4096]
    python tools/benchmark/mining.py insertion [--num-edges 10000000]

    stage      GAN training to its stop and one round's edges, on the images of
               a config, from cached views and in the way of the authors' code,
               which reads, augments and encodes an image for each use. Same
               miner, same stop rule, same draws; both in turn in one process.
               Each seed draws its views, networks and triplets; with several
               a number is mean ± standard deviation.
    parts      Features scattered around cluster centres on the sphere; what
               grows with the rows is measured on some of them, and 'all rows'
               is that time multiplied, not a measurement.
    insertion  Random edges into an empty graph, then as many again.

Where other programs compete for the cores, CPU seconds still compare.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from measure import Row, Spread, peak_memory, report, synchronize
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from torch import Tensor
from torch.utils.data import default_collate

from mmisl.datasets import InstanceDataset
from mmisl.engine.seeding import derive_seed
from mmisl.evaluation import graph_statistics
from mmisl.models import GANMiner
from mmisl.models.miners import Candidates, Views, edge_selection
from mmisl.ops import nearest_rows
from mmisl.registry import DATASETS, MODELS
from mmisl.structures import NeighborGraph

Result = TypeVar('Result')
Stream = tuple[int, int]

ROOT = Path(__file__).resolve().parents[2]
SEED = 0
FEAT_DIM = 128
ROWS_OF_A_CLUSTER = 500
DEGREE = 2.0  # neighbours per sample that a round of `parts` adds


class Encoder:
    """Reads, augments and encodes images; counts how many.

    Args:
        cfg (Config): With ``model`` and ``train_dataloader``.
        checkpoint (Path): Of the model.
    """

    def __init__(self, cfg: Config, checkpoint: Path) -> None:
        self.dataset: InstanceDataset = DATASETS.build(
            cfg.train_dataloader.dataset
        )
        self.model = MODELS.build(cfg.model)
        self.model.data_preprocessor = MODELS.build(cfg.data_preprocessor)
        load_checkpoint(self.model, str(checkpoint), map_location='cpu')
        self.model.eval()
        self.num_images = 0

    @torch.no_grad()
    def encode(self, rows: Tensor, stream: Stream) -> Tensor:
        """One augmented view of some samples, (B, D)."""
        self.num_images += len(rows)
        positions = self.dataset.positions()[rows.cpu()].tolist()
        items = [
            self.dataset[stream, position, False] for position in positions
        ]
        inputs = default_collate([item['inputs'] for item in items])
        batch = dict(
            inputs=inputs,
            data_samples=[item['data_samples'] for item in items],
        )
        data = self.model.data_preprocessor(batch, False)
        return self.model(data['inputs'], mode='tensor')

    def views(self, num_views: int, seed: int) -> Tensor:
        """Augmented views of every sample, (V, N, D)."""
        rows = torch.arange(self.dataset.num_instances)
        return torch.stack(
            [
                torch.cat(
                    [self.encode(p, (seed, view)) for p in rows.split(256)]
                )
                for view in range(num_views)
            ]
        )


class LiveMiner(GANMiner):
    """Encodes each anchor from its image when it is used, keeps none."""

    encoder: Encoder
    seed: int

    def anchors(self, views: Views, view: int, rows: Tensor) -> Tensor:
        """While mining, of the views that were cached; none is read."""
        return self.encoder.encode(rows, (self.seed, view))

    def _anchored_in_random_views(
        self, views: Views, seed: int
    ) -> Callable[[Tensor], Tensor]:
        batch = count(1)
        # A stream that the cached views of no seed have.
        seed = derive_seed(self.seed, 'live')
        return lambda rows: self.encoder.encode(rows, (seed, next(batch)))


def measure_stage(args: argparse.Namespace) -> list[Row]:
    """The stage from cached views and the authors' way, for every seed."""
    cfg = Config.fromfile(args.config)
    cfg.train_dataloader.dataset.dataset.data_root = args.data_root
    encoder = Encoder(cfg, args.checkpoint)
    runs = [run_both_ways(encoder, cfg, seed) for seed in args.seeds]
    return [
        {
            'way': way,
            **{
                column: Spread.of([run[way][column] for run in runs])
                for column in runs[0][way]
            },
        }
        for way in runs[0]
    ]


def run_both_ways(
    encoder: Encoder, cfg: Config, seed: int
) -> dict[str, dict[str, float]]:
    """Column -> value for ``'cached'`` and for ``'live'``."""
    mining = cfg.train_cfg.mining
    start = time.perf_counter()
    views = encoder.views(mining.num_views, seed)
    extraction = time.perf_counter() - start
    cached = run_stage(GANMiner, encoder, cfg, views, seed)
    live = run_stage(LiveMiner, encoder, cfg, views, seed)
    cached['with extraction'] = cached['seconds'] + extraction
    live['with extraction'] = live['seconds']
    for run in (cached, live):
        for column in ('seconds', 'with extraction'):
            run[f'{column}, times cached'] = run[column] / cached[column]
        run['purity above cached'] = run['purity %'] - cached['purity %']
    return dict(cached=cached, live=live)


def run_stage(
    kind: type[GANMiner],
    encoder: Encoder,
    cfg: Config,
    views: Tensor,
    seed: int,
) -> dict[str, float]:
    """Column -> value of one stage of one way."""
    bank = encoder.model.memory.bank
    settings = {**cfg.model.miner, 'feat_dim': bank.shape[1]}
    settings.pop('type')
    torch.manual_seed(seed)
    miner = kind(**settings)
    if isinstance(miner, LiveMiner):
        miner.encoder, miner.seed = encoder, seed
    encoder.num_images = 0
    graph = NeighborGraph(len(bank))
    start, used = time.perf_counter(), time.process_time()
    summary = miner.mine(
        views, bank, graph, cfg.train_cfg.mining.quota_per_round, seed=seed
    )
    used = time.process_time() - used
    seconds = time.perf_counter() - start
    statistics = graph_statistics(
        graph.indptr, graph.indices, labels=encoder.dataset.labels()
    )
    return {
        'seconds': seconds,
        'CPU seconds': used,
        'generator kept from iteration': summary.observations[
            'gan_iterations'
        ],
        'images read': encoder.num_images,
        'edges': summary.num_accepted,
        'purity %': 100 * statistics['purity'],
    }


def clustered_features(
    num_samples: int, device: str = 'cpu'
) -> tuple[Tensor, Tensor, Tensor]:
    """Features around cluster centres: views, bank and cluster.

    Returns:
        tuple[Tensor, Tensor, Tensor]: (2, N, D), (N, D), and (N,) int64.
    """
    generator = torch.Generator(device).manual_seed(SEED)
    draw = partial(torch.randn, generator=generator, device=device)
    num_clusters = max(2, num_samples // ROWS_OF_A_CLUSTER)
    cluster = torch.randint(
        num_clusters, (num_samples,), generator=generator, device=device
    )
    bank = F.normalize(draw(num_clusters, FEAT_DIM))[cluster]
    bank = F.normalize(bank.add_(draw(num_samples, FEAT_DIM), alpha=0.08))
    views = torch.empty(2, num_samples, FEAT_DIM, device=device)
    for view in views:
        view.copy_(F.normalize(bank + 0.04 * draw(num_samples, FEAT_DIM)))
    return views, bank, cluster


def measure_parts(args: argparse.Namespace) -> list[Row]:
    """Time of each part of a stage on random clustered features."""
    num_samples = args.num_samples
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    views, bank, _ = clustered_features(num_samples, device)
    graph = NeighborGraph(num_samples).to(device)
    training = dict(
        min_iters=args.iterations,
        max_iters=args.iterations,
        eval_interval=args.iterations,
    )
    miner = GANMiner(FEAT_DIM, generator='residual', training=training)
    miner.to(device)
    rng = torch.Generator(device).manual_seed(SEED)
    some = torch.randperm(num_samples, generator=rng, device=device)
    some = some[: args.rows]
    chunks = some.split(1024)
    rows: list[Row] = []

    def add(
        part: str, done: int, whole: int, function: Callable[[], Result]
    ) -> Result:
        synchronize()
        start, used = time.perf_counter(), time.process_time()
        result = function()
        synchronize()
        used = time.process_time() - used
        seconds = time.perf_counter() - start
        rows.append(
            {
                'part': part,
                'measured on': f'{done:,} of {whole:,}',
                'fraction': done / whole,
                'seconds': seconds,
                'CPU seconds': used,
                'all rows, CPU seconds': used * whole / done,
            }
        )
        return result

    anchored = miner._anchored_in_random_views(views, SEED)
    triplets = miner._triplets(anchored, bank, graph, some, rng)
    iterations = args.iterations
    batches = add(
        'triplet sampling (GAN batches)',
        iterations,
        iterations,
        lambda: list(islice(triplets, iterations)),
    )
    add(
        'GAN steps on these batches',
        iterations,
        iterations,
        lambda: miner.gan.fit(iter(batches), batches[0], lambda report: None),
    )
    add(
        'triplets for mining, one view',
        len(some),
        num_samples,
        lambda: [
            miner.sampler.sample(views[0, c], c, bank, graph, rng)
            for c in chunks
        ],
    )
    backends = ['auto', 'torch']
    if find_spec('faiss') is not None:
        backends.append('faiss')
    else:
        print('faiss: left out, it is not installed')
    for backend in backends:
        search = partial(nearest_rows, bank=bank, k=10, backend=backend)

        def search_all(search: Callable = search) -> None:
            for c in chunks:
                search(bank[c], exclude=c)

        add(
            f'top-10 around proxies, one view, {backend}',
            len(some),
            num_samples,
            search_all,
        )
    num_pairs = min(10 * num_samples, args.max_pairs)
    ends = torch.randint(
        num_samples, (2, num_pairs), generator=rng, device=device
    )
    confidence = torch.rand(
        num_pairs, generator=rng, dtype=torch.float64, device=device
    )
    pairs = Candidates(ends[0].int(), ends[1].int(), confidence)
    for name, cap in (('selection', None), ('selection, at most 20', 20)):

        def select(cap: int | None = cap) -> Candidates:
            kept = edge_selection.trim(pairs, graph, DEGREE, max_degree=cap)
            return edge_selection.select_edges(
                kept, graph, DEGREE, max_degree=cap
            )

        edges = add(name, num_pairs, 10 * num_samples, select)
    num_edges = len(edges)
    add(
        'insertion',
        num_edges,
        num_edges,
        lambda: graph.add_edges(edges.src, edges.dst),
    )
    return rows


def measure_insertion(args: argparse.Namespace) -> list[Row]:
    """Time and memory of random edges, twice, and of asking for them."""
    generator = torch.Generator().manual_seed(SEED)
    graph = NeighborGraph(args.num_samples)
    rows: list[Row] = []
    for text in ('into an empty graph', 'as many again'):
        src, dst = torch.randint(
            args.num_samples, (2, args.num_edges), generator=generator
        )
        seconds: list[float] = []

        def insert(src=src, dst=dst, seconds=seconds) -> None:
            start, used = time.perf_counter(), time.process_time()
            graph.add_edges(src, dst)
            seconds.append(time.perf_counter() - start)
            seconds.append(time.process_time() - used)

        extra = peak_memory(insert)
        stored = graph.indices.nbytes
        rows.append(
            {
                'edges given': f'{args.num_edges:,} {text}',
                'seconds': seconds[0],
                'CPU seconds': seconds[1],
                'edges held': graph.num_edges,
                'bytes an edge': stored / graph.num_edges,
                'bytes a sample': graph.indptr.nbytes / graph.num_samples,
                'peak while inserting, MiB': extra / 2**20,
            }
        )
    return rows


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('part', choices=('stage', 'parts', 'insertion'))
    parser.add_argument('--config', default=str(ROOT / 'configs/demo.py'))
    parser.add_argument('--checkpoint', type=Path, help='for stage')
    parser.add_argument(
        '--data-root', default=str(ROOT / 'data/digits_textures')
    )
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[SEED], help='of stage'
    )
    parser.add_argument('--num-samples', type=int, default=1_281_167)
    parser.add_argument('--rows', type=int, default=4096, help='for parts')
    parser.add_argument(
        '--iterations', type=int, default=50, help='of the GAN'
    )
    parser.add_argument('--max-pairs', type=int, default=20_000_000)
    parser.add_argument('--num-edges', type=int, default=10_000_000)
    parser.add_argument('--threads', type=int, help='torch threads')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    args = parser.parse_args(argv)
    if args.part == 'stage' and args.checkpoint is None:
        parser.error('stage needs --checkpoint, of a model of --config')
    return args


def main(args: argparse.Namespace) -> None:
    """Measure as the command line says."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    if args.part == 'stage':
        title = f'Mining stage of {Path(args.config).name}, one process'
        rows = measure_stage(args)
    elif args.part == 'parts':
        title = (
            f'Parts of mining: N = {args.num_samples:,}, D = {FEAT_DIM}, '
            'random clustered features'
        )
        rows = measure_parts(args)
    else:
        title = f'Edges into a graph of {args.num_samples:,} samples'
        rows = measure_insertion(args)
    report(title, rows, out=args.out)


if __name__ == '__main__':
    main(parse_args())
