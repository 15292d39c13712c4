"""What an evaluation found, for people and for programs."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

# Whose versions a score may depend on.
PACKAGES = (
    'mmisl',
    'torch',
    'onedl-mmengine',
    'onedl-mmpretrain',
    'numpy',
    'scikit-learn',
)


@dataclass(frozen=True)
class Report:
    """Scores, and what they are of.

    Attributes:
        metrics: Scores by name, in percent unless the name says otherwise.
        split: Part of the images that was scored.
        num_images: Images by part.
        seed: Of everything random; None where nothing is.
        source: Config and checkpoint, or files of features.
        details: What else is worth knowing, by name.
    """

    metrics: dict[str, float]
    split: str
    num_images: dict[str, int]
    seed: int | None
    source: dict[str, str]
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self, command: str) -> dict[str, Any]:
        """As JSON holds it, with the versions of what computed it."""
        versions = {name: version(name) for name in PACKAGES}
        versions['python'] = platform.python_version()
        return dict(command=command, **asdict(self), versions=versions)

    def show(self, command: str) -> None:
        """Print the scores as a table."""
        images = ', '.join(f'{n:,} {k}' for k, n in self.num_images.items())
        table = Table()
        table.add_column('metric')
        table.add_column('value', justify='right')
        for name, value in self.metrics.items():
            table.add_row(name, f'{value:.2f}')
        console = Console(highlight=False, soft_wrap=True)
        console.print(f'{command} on {self.split} images ({images})')
        console.print(table)
