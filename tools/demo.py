"""Train ISL on real images on the CPU, beside its control, and show it all.

Handwritten digits over textures, a small ResNet, three rounds. ISL and the
control (nearest neighbours in place of the GAN) go on from one first
round, with the same epochs and the same number of edges. Writes a table,
``metrics.json``, curves, a grid of mined neighbours and a report to open in a
browser.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

# One thread is fastest for a network this small, and leaves a core to the
# loader. torch reads this once, when it is imported.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import common  # noqa: F401  looks at what is installed, first of all
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image
from quiet_runs import build_runner, quiet
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader

from mmisl import __version__
from mmisl.datasets import make_digits_textures
from mmisl.engine import extract_features
from mmisl.evaluation import knn_accuracy
from mmisl.progress import is_shown
from mmisl.report.payload import Settings
from mmisl.report.writing import write_report
from mmisl.runs import read_run, read_scalars
from mmisl.visualization import (
    draw_curves,
    draw_neighbor_grid,
    nearest_neighbors,
)

ROOT = Path(__file__).resolve().parent.parent
# Of each miner's run, below the work dir.
FOLDERS = {'ISL': 'isl', 'kNN control': 'knn'}
PANELS = {
    'loss': ['loss'],
    'kNN top-1 from the bank (%)': ['knn/bank_top1'],
    'mined neighbours per image': ['mining/mean_degree'],
    'purity of mined edges': ['mining/purity'],
}


class EpochLinesHook(Hook):
    """Reports every tenth epoch as a line where no bar is drawn."""

    def __init__(self, console: Console, name: str) -> None:
        self.console = console
        self.name = name

    def after_train_epoch(self, runner: Runner) -> None:
        """Print the tenth epoch, the twentieth, and so on."""
        epoch = runner.epoch + 1
        if not is_shown() and epoch % 10 == 0:
            loss = runner.message_hub.get_scalar('train/loss').mean(45)
            self.console.print(
                f'{self.name}: epoch {epoch}/{runner.max_epochs}, '
                f'loss {loss:.3f}'
            )


def is_about_mining(record: logging.LogRecord) -> bool:
    """Whether a warning is ours: what went wrong while mining."""
    return record.getMessage().startswith('Mining')


def loader_of(runner: Runner, split: str) -> DataLoader:
    """Images of one split under the test transforms, in sample order."""
    cfg = dict(runner.cfg.gallery_dataloader)
    if split == 'test':
        cfg['dataset'] = dict(
            type='InstanceDataset', dataset=runner.cfg.val_dataloader.dataset
        )
    return runner.build_dataloader(cfg, seed=runner.seed)


def knn_of_network(runner: Runner) -> float:
    """Score the network as it stands: kNN top-1 in percent."""
    loaders = {split: loader_of(runner, split) for split in ('train', 'test')}
    datasets: dict[str, Any] = {
        split: loader.dataset for split, loader in loaders.items()
    }
    feats = {
        split: extract_features(
            runner.model, loader, datasets[split].num_instances
        )
        for split, loader in loaders.items()
    }
    return top1(feats, datasets)


def knn_of_pixels(runner: Runner) -> float:
    """Score raw pixels, centred at grey: kNN top-1 in percent."""
    datasets: dict[str, Any] = {
        split: loader_of(runner, split).dataset for split in ('train', 'test')
    }
    feats = {}
    for split, dataset in datasets.items():
        images = [dataset[i]['inputs'] for i in range(len(dataset))]
        feats[split] = torch.stack(images).flatten(1).float() - 127.5
    return top1(feats, datasets)


def top1(feats: dict[str, Tensor], datasets: dict[str, Any]) -> float:
    """K=200 and T=0.1, as released for small images."""
    accuracy = knn_accuracy(
        feats['test'],
        feats['train'],
        query_labels=datasets['test'].labels(),
        gallery_labels=datasets['train'].labels(),
        topk=(1,),
    )
    return round(accuracy['top1'], 2)


class RoundScoresHook(Hook):
    """Scores the network as initialised and at the end of later rounds."""

    def __init__(self) -> None:
        self.untrained: float
        self.rounds: dict[int, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Run once weights are initialised or loaded."""
        if runner.epoch == 0:
            self.untrained = knn_of_network(runner)

    def after_mining(self, runner: Runner, summary) -> None:
        """Score what the round before this mining has trained."""
        trained = runner.train_loop.state.round - 1
        if trained > 0:  # round 0 is common to all and scored there
            self.rounds[trained] = knn_of_network(runner)

    def after_train(self, runner: Runner) -> None:
        """Score the last round."""
        self.rounds[runner.train_loop.state.round] = knn_of_network(runner)


def without_miner(checkpoint: Path, target: Path) -> Path:
    """A copy of a checkpoint that a run with another miner can go on from."""
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    state['state_dict'] = {
        key: value
        for key, value in state['state_dict'].items()
        if not key.startswith('miner.')
    }
    torch.save(state, target)
    return target


def mining_rounds(runner: Runner) -> list[dict]:
    """What each mining stage logged."""
    records = read_scalars(Path(runner.log_dir, 'vis_data', 'scalars.json'))
    return [record for record in records if 'mining/round' in record]


def draw_grid(runner: Runner, path: Path, num_anchors: int = 10) -> Path:
    """One anchor of each class with the neighbours it has at the end."""
    dataset = runner.train_dataloader.dataset
    labels = dataset.labels()
    graph, bank = runner.model.graph, runner.model.memory.bank
    anchors = [
        int(((labels == label) & (graph.degrees > 0)).nonzero()[0])
        for label in labels.unique()[:num_anchors]
        if ((labels == label) & (graph.degrees > 0)).any()
    ]
    neighbors = nearest_neighbors(graph, bank, anchors=anchors)
    shown = {*neighbors, *(i for row in neighbors.values() for i in row)}
    images = {
        i: Image.open(dataset.get_info(i)['img_path']) for i in sorted(shown)
    }
    return draw_neighbor_grid(
        images,
        neighbors,
        path=path,
        labels=labels,
        class_names=dataset.metainfo['classes'],
        title='anchors (left) and their mined neighbours',
    )


def table_rows(
    scores: dict[str, float], rounds: dict[str, dict[int, float]], mining: dict
) -> list[dict]:
    """One row per stage: its kNN, and the graph its round trained with."""
    rows = [dict(stage=name, knn_top1=value) for name, value in scores.items()]
    for name, values in rounds.items():
        graphs = {int(r['mining/round']) + 1: r for r in mining[name]}
        for number, value in values.items():
            graph = graphs[number]
            rows.append(
                dict(
                    stage=f'{name}, round {number}',
                    knn_top1=value,
                    neighbors_per_image=graph['mining/mean_degree'],
                    largest_degree=graph['mining/max_degree'],
                    # Absent where nothing was mined.
                    purity=graph.get('mining/purity'),
                )
            )
    return rows


def print_table(console: Console, rows: list[dict]) -> None:
    """Show kNN of every stage beside the neighbours it had."""
    table = Table(
        title='kNN top-1 on test images (%), and the neighbours that each '
        'round trained with',
        title_justify='left',
    )
    table.add_column('features')
    for column in ('kNN, K=200', 'neighbours', 'most', 'purity'):
        table.add_column(column, justify='right')
    for row in rows:
        cells = [row['stage'], f'{row["knn_top1"]:.1f}']
        if 'neighbors_per_image' in row:
            purity = row['purity']
            cells += [
                f'{row["neighbors_per_image"]:.2f}',
                str(row['largest_degree']),
                '-' if purity is None else f'{100 * purity:.1f} %',
            ]
        table.add_row(*cells)
    console.print(table)


def run_all(
    configs: dict[str, Config], work_dir: Path, console: Console
) -> dict:
    """Train the first round, then every miner on from it.

    Args:
        configs (dict[str, Config]): By the name of the miner, the demo's own
            first; changed in place.
        work_dir (Path): For all files.
        console (Console): For what is told.

    Returns:
        dict: ``table``, ``mining`` and ``seed``, as ``metrics.json`` has
        them.
    """
    own = next(iter(configs))
    first_cfg = copy.deepcopy(configs[own])
    first_cfg.train_cfg.max_rounds = 1
    first = build_runner(
        first_cfg, work_dir / 'first_round', shows=is_about_mining
    )
    score_hook = RoundScoresHook()
    first.register_hook(score_hook)
    first.register_hook(EpochLinesHook(console, 'first round'))
    with quiet():
        first.train()
    scores = {
        'raw pixels': knn_of_pixels(first),
        'untrained network': score_hook.untrained,
        'round 0 (instance discrimination)': score_hook.rounds[0],
    }
    fork = Path(first.message_hub.get_info('last_ckpt'))

    rounds, mining = {}, {}
    for name, cfg in configs.items():
        folder = work_dir / FOLDERS[name]
        folder.mkdir(parents=True, exist_ok=True)
        # The history of each begins with the round that they share.
        shutil.copytree(first.log_dir, folder / Path(first.log_dir).name)
        origin = fork
        if name != own:
            origin = without_miner(fork, folder / 'first_round.pth')
        runner = build_runner(
            cfg, folder, load_from=origin, resume=True, shows=is_about_mining
        )
        score_hook = RoundScoresHook()
        runner.register_hook(score_hook)
        runner.register_hook(EpochLinesHook(console, name))
        with quiet():
            runner.train()
        rounds[name] = score_hook.rounds
        mining[name] = mining_rounds(runner)
        if name == own:
            draw_curves(
                read_run(folder).scalars, PANELS, path=work_dir / 'curves.png'
            )
            if runner.model.graph.num_edges:
                draw_grid(runner, work_dir / 'neighbors.png')
    return dict(
        table=table_rows(scores, rounds, mining),
        mining=mining,
        seed=first.seed,
    )


def load_config(path: Path) -> Config:
    """A config of the demo."""
    return Config.fromfile(path)


def main(argv: list[str] | None = None) -> None:
    """Make the data, train both, and write and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work-dir', type=Path, default='work_dirs/demo')
    args = parser.parse_args(argv)
    start = time.perf_counter()
    console = Console(file=sys.stdout)  # also while stdout is redirected
    work_dir = args.work_dir
    configs = {
        'ISL': load_config(ROOT / 'configs' / 'demo.py'),
        'kNN control': load_config(ROOT / 'configs' / 'demo_knn.py'),
    }
    make_digits_textures(configs['ISL'].data_root)
    results = run_all(configs, work_dir, console)
    write_report(
        [work_dir / FOLDERS[name] for name in configs],
        work_dir / 'report.html',
        settings=Settings(),
        title='The demo: ISL and its control',
    )
    results.update(
        seconds=round(time.perf_counter() - start, 1),
        torch=torch.__version__,
        mmisl=__version__,
    )
    (work_dir / 'metrics.json').write_text(json.dumps(results, indent=2))
    print_table(console, results['table'])
    console.print(
        f'{results["seconds"]:.0f} s; see metrics.json, curves.png, '
        f'neighbors.png and the checkpoints in isl/ and knn/ of {work_dir}'
    )
    report = (work_dir / 'report.html').resolve()
    console.print(f'Open in a browser: {report.as_uri()}', soft_wrap=True)


if __name__ == '__main__':
    main()
