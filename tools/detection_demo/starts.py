"""What the detectors of the demo begin with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison.budget import schedule_of
from comparison.runs import Run
from mmengine.config import Config

from .chains import Job

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
DETECTOR = CONFIGS / 'detection' / 'demo_faster-rcnn_r18.py'
SEED = 1


@dataclass(frozen=True)
class Start:
    """One start of the detector.

    Attributes:
        name: Of its folders.
        title: What tables and pictures call it.
        pretraining: Config of it, None for random weights.
    """

    name: str
    title: str
    pretraining: Path | None

    def chain(
        self, work_dir: Path, num_iters: int, options: dict[str, Any]
    ) -> list[Job]:
        """What is trained for it: the detector last.

        Args:
            work_dir (Path): Of the whole demo.
            num_iters (int): How long the detector trains.
            options (dict[str, Any]): Further overrides of its config.
        """
        chain = []
        init_cfg: dict[str, Any] = {'model.init_cfg': None}
        if self.pretraining is not None:
            job = self._pretrain(self.pretraining, work_dir)
            chain.append(job)
            last = job.run.folder / f'epoch_{job.length}.pth'
            init_cfg = {'model.init_cfg.checkpoint': str(last)}
        run = Run(DETECTOR, SEED, work_dir / 'finetune' / self.name)
        title = f'detector from {self.title}'
        options = {**options, **init_cfg}
        return [*chain, Job(title, run, num_iters, 'iteration', options)]

    def _pretrain(self, config: Path, work_dir: Path) -> Job:
        num_epochs = schedule_of(Config.fromfile(config)).total_epochs
        run = Run(config, SEED, work_dir / 'pretrain' / self.name)
        return Job(f'pretraining by {self.title}', run, num_epochs, 'epoch')


STARTS = (
    Start('isl', 'ISL', CONFIGS / 'demo.py'),
    Start('npid', 'NPID', CONFIGS / 'demo_npid.py'),
    Start('random', 'random weights', None),
)
