"""Images a second: the backbone alone, the ISL step, and the training loop.

Three sides take turns in one process:

(a) forward, backward and optimizer step of the backbone, on one fixed batch;
(b) the ISL step on that batch: backbone, neck, losses over the whole bank,
    backward, optimizer step, update of the bank;
(c) iterations of the training loop: its loader, augmentation on the device,
    (b), and the hooks of the config.

Images are random bytes that are in memory already, so reading and decoding
files is not in (c). Samples have one mined neighbour each.

    python tools/benchmark/train_step.py --arch r18 --amp --channels-last
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import torch
from measure import Timing, report
from measuring_loop import MeasuringLoop
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner import Runner
from random_images import RandomImages, ResidentRandomImages

from mmisl.datasets import InstanceDataset
from mmisl.ops import BACKENDS

ROOT = Path(__file__).resolve().parents[2]
# Config, side of its images, side of the images that are kept in memory.
ARCHS = dict(
    r18=('configs/isl_r18_cifar10.py', 32, 32),
    r50=('configs/isl_r50.py', 224, 256),
)
_TORCHVISION = 'mmpretrain.torchvision/'


def make_config(args: argparse.Namespace, work_dir: str) -> Config:
    """The arch's config, with random images, augmented on the device."""
    path, _, raw_size = ARCHS[args.arch]
    cfg = Config.fromfile(ROOT / path)
    loader = cfg.train_dataloader
    steps = loader.dataset.dataset.pipeline
    cfg.data_preprocessor = dict(
        type='AugmentingPreprocessor',
        augments=[
            dict(step, type=step.type.replace(_TORCHVISION, 'Batch'))
            for step in steps
            if step.type.startswith(_TORCHVISION)
        ],
        mean=cfg.data_preprocessor.mean,
        std=cfg.data_preprocessor.std,
    )
    resident = args.workers == 0
    loader.dataset = dict(
        type=(ResidentRandomImages if resident else InstanceDataset).__name__,
        dataset=dict(
            type=RandomImages.__name__,
            num_images=args.num_samples,
            size=raw_size,
            pipeline=[dict(type='mmpretrain.PackInputs')],
        ),
    )
    loader.batch_size = args.batch
    loader.num_workers = args.workers
    loader.persistent_workers = not resident
    loader.pin_memory = not resident and torch.cuda.is_available()
    loader.drop_last = True  # every step has as many images
    cfg.train_cfg = dict(
        type=MeasuringLoop.__name__, steps=args.steps, repeats=args.repeats
    )
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
    cfg.custom_hooks = [dict(type='MemoryBankHook')]
    cfg.visualizer = dict(type='Visualizer', vis_backends=[])
    cfg.model.channels_last = args.channels_last
    if args.amp and not torch.cuda.is_available():
        # What is asked for is measured, also where it is slow.
        cfg.optim_wrapper.update(type='CPUAmpOptimWrapper', emulate=True)
    elif args.amp:
        # bfloat16 has the range of float32: a scaler would gain nothing, and
        # it reads a value in every step.
        cfg.optim_wrapper.update(
            type='AmpOptimWrapper',
            dtype='bfloat16',
            loss_scale=dict(enabled=False),
        )
    cfg.model.head.backend = args.backend
    cfg.log_level = 'WARNING'
    cfg.work_dir = work_dir
    # mmengine would tell runs apart by the second in which they start.
    cfg.experiment_name = Path(work_dir).name
    return cfg


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read ``argv``, or the command line if that is None."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--arch', choices=ARCHS, default='r18')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument(
        '--num-samples', type=int, default=50_000, help='rows of the bank'
    )
    parser.add_argument('--amp', action='store_true', help='bfloat16')
    parser.add_argument('--channels-last', action='store_true')
    parser.add_argument('--device', choices=('cpu', 'cuda'))
    parser.add_argument(
        '--workers',
        type=int,
        default=0,
        help='of the loader; 0 keeps the images on the device (default)',
    )
    parser.add_argument(
        '--backend',
        choices=BACKENDS,
        default='torch',
        help='of the loss over the bank',
    )
    parser.add_argument('--steps', type=int, default=100, help='of a turn')
    parser.add_argument('--repeats', type=int, default=5, help='turns')
    parser.add_argument('--out', type=Path, help='JSON file')
    args = parser.parse_args(argv)
    if args.arch == 'r50' and args.workers == 0:
        parser.error(
            '--workers (0) must be at least 1 for r50: images of 256x256 do '
            'not stay on the device'
        )
    if args.steps <= 2 * args.workers:
        parser.error(
            f'--steps ({args.steps}) must exceed the {2 * args.workers} '
            'batches that workers prepare while other sides run'
        )
    return args


def make_rows(
    timings: dict[str, Timing],
    syncs: dict[str, int] | None,
    images: int,
    steps: int,
) -> list[dict]:
    """Rows of the report; ``images`` are those of a turn."""
    rows = []
    previous: float | None = None
    for name, timing in timings.items():
        rate = images / timing.median
        share = '-' if previous is None else f'{100 * rate / previous:.1f} %'
        rows.append(
            {
                'side': name,
                'seconds of a turn': timing,
                'images/s': round(rate) if rate >= 100 else rate,
                'of the side above': share,
                'host waits a step': 'not run on a GPU'
                if syncs is None
                else syncs[name] / steps,
            }
        )
        previous = rate
    return rows


def measure(args: argparse.Namespace) -> tuple[str, list[dict]]:
    """Title and rows of the report."""
    with tempfile.TemporaryDirectory() as work_dir:
        runner = Runner.from_cfg(make_config(args, work_dir))
        runner.train()
    loop = runner.train_loop
    device = get_device()
    rows = make_rows(
        loop.timings, loop.syncs, args.batch * args.steps, args.steps
    )
    kept = 'workers' if args.workers else 'images on the device'
    title = (
        f'{args.arch} on {device}: N = {args.num_samples:,}, B = '
        f'{args.batch}, {args.steps} steps a turn, '
        f'{"bfloat16" if args.amp else "float32"}, channels '
        f'{"last" if args.channels_last else "first"}, loss by '
        f'{args.backend}, {kept}'
        f'{"; no figure of a GPU" if device == "cpu" else ""}'
    )
    return title, rows


def main() -> None:
    """Measure and report."""
    args = parse_args()
    if args.device == 'cpu':
        # mmengine takes a GPU wherever it sees one.
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    elif args.device == 'cuda' and not torch.cuda.is_available():
        raise SystemExit('--device cuda: no GPU is visible to torch')
    title, rows = measure(args)
    report(title, rows, out=args.out)


if __name__ == '__main__':
    main()
