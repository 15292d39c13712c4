"""All files that are drawn from results/, and whether they are up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import ConfigError
from files import replace_text

from .docstrings import measured_configs, summaries, update_docstring
from .knn_picture import knn_picture
from .pictures import Picture, digest_in, save_picture
from .purity_picture import purity_picture
from .reading import Results, read_all
from .readme_table import update_readme
from .replication_picture import replication_picture
from .results_page import update_page

Drawer = Callable[[Results], Picture | None]
_DRAWERS: Mapping[str, Mapping[str, Drawer]] = dict(
    methods=dict(knn=knn_picture, purity=purity_picture),
    miners=dict(replication=replication_picture),
    detectors={},
)


@dataclass(frozen=True)
class TextUpdate:
    """A text as it should be."""

    path: Path
    text: str

    def is_done(self) -> bool:
        """Whether the file is like that already."""
        return self.path.read_text() == self.text

    def apply(self) -> None:
        """Write it."""
        replace_text(self.path, self.text)


@dataclass(frozen=True)
class PictureUpdate:
    """A picture as it should be."""

    path: Path
    picture: Picture

    def is_done(self) -> bool:
        """Whether the file shows these numbers already."""
        return digest_in(self.path) == self.picture.digest

    def apply(self) -> None:
        """Draw and write it."""
        save_picture(self.picture, self.path)


Update = TextUpdate | PictureUpdate


def plan_updates(root: Path) -> list[Update]:
    """All files of a repository that are drawn, as they should be.

    Args:
        root (Path): Of the repository.

    Raises:
        ConfigError: If something cannot be drawn; nothing was written then.
    """
    results = read_all(root / 'results')
    drawn = {item.name: draw_all(item) for item in results}
    folder = root / 'docs' / 'images'
    pictures = [
        PictureUpdate(folder / file_name(name, key), picture)
        for name, own in drawn.items()
        for key, picture in own.items()
    ]
    refuse_orphans(folder, {update.path for update in pictures})
    links = {
        name: {
            key: f'![{picture.what}](images/{file_name(name, key)})\n'
            for key, picture in own.items()
        }
        for name, own in drawn.items()
    }
    page, readme = root / 'docs' / 'results.md', root / 'README.md'
    about = summaries(root / 'configs')
    return [
        TextUpdate(
            page,
            update_page(
                read(page), results, links, about, where='docs/results.md'
            ),
        ),
        TextUpdate(
            readme,
            update_readme(read(readme), results, about, where='README.md'),
        ),
        *config_updates(root, results),
        *pictures,
    ]


def draw_all(results: Results) -> dict[str, Picture]:
    """Pictures of a file by the end of their names."""
    drawn = {}
    for key, drawer in _DRAWERS[results.kind].items():
        picture = drawer(results)
        if picture is not None:
            drawn[key] = picture
    return drawn


def config_updates(root: Path, results: Sequence[Results]) -> list[Update]:
    """Docstrings of the configs that were measured."""
    return [
        TextUpdate(path, update_docstring(path.read_text(), text))
        for path, text in measured_configs(results, root / 'configs').items()
    ]


def file_name(name: str, key: str) -> str:
    """Of a picture."""
    return f'results_{name}_{key}.png'


def read(path: Path) -> str:
    """A page that must be there.

    Raises:
        ConfigError: If it is not.
    """
    if not path.is_file():
        raise ConfigError(f'{path} does not exist; --root names a repository')
    return path.read_text()


def refuse_orphans(folder: Path, expected: set[Path]) -> None:
    """Insist that every picture belongs to a file of results.

    Raises:
        ConfigError: If one would stay behind with numbers of the past.
    """
    for path in sorted(folder.glob('results_*.png')):
        if path not in expected:
            raise ConfigError(
                f'{path} is drawn from no file of results/; remove it'
            )
