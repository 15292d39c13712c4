"""Images without labels, named one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.dataset import BaseDataset

from mmisl.registry import DATASETS

# What mmpretrain's CustomDataset takes for an image.
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')


@DATASETS.register_module()
class ImageFiles(BaseDataset):
    """Data set of image files, in the order they are given.

    Args:
        files (Sequence[str]): Paths of at least one file.
        pipeline (Sequence[dict]): Transforms that begin with the reading of
            ``img_path``.

    Raises:
        ValueError: If no file is given.
    """

    def __init__(self, files: Sequence[str], pipeline: Sequence[dict]) -> None:
        if not files:
            raise ValueError('files must name at least one image, got none')
        self._files = [str(file) for file in files]
        super().__init__(pipeline=list(pipeline), serialize_data=True)

    def load_data_list(self) -> list[dict]:
        """One entry per file; see ``BaseDataset``."""
        return [dict(img_path=file) for file in self._files]


def list_images(folder: str | Path) -> list[str]:
    """All images below a folder, sorted by path, however deep they lie.

    Args:
        folder (str | Path): Links to folders are not followed.

    Returns:
        list[str]: Paths that begin with ``folder``; at least one.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder} is no folder')
    files = sorted(
        str(path)
        for path in folder.rglob('*')
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    if not files:
        raise ValueError(
            f'{folder} holds no image; files must end with one of '
            f'{", ".join(IMAGE_SUFFIXES)}'
        )
    return files
