"""All images of a split, searched by several worker programs."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from .search_process import SearchProcess
from .searched_boxes import Rect
from .voc_split import check_decodes


def search_images(
    images: Mapping[str, Path], *, python: Path, mode: str, workers: int
) -> Iterator[tuple[str, list[Rect]]]:
    """Search images.

    Args:
        images (Mapping[str, Path]): Path of each image by its key.
        python (Path): Interpreter of the worker programs.
        mode (str): ``fast`` or ``quality``.
        workers (int): Number of worker programs.

    Yields:
        tuple[str, list[Rect]]: Key and boxes of an image, in the order in
        which they are found.

    Raises:
        RuntimeError: If a worker program ends before its time.
        ValueError: If an image does not decode.
    """
    idle: SimpleQueue[SearchProcess] = SimpleQueue()

    def search(key: str, path: Path) -> tuple[str, list[Rect]]:
        check_decodes(path)
        process = idle.get()
        try:
            # One seed for each image, whoever searches it and when.
            return key, process.search(path, mode, zlib.crc32(key.encode()))
        finally:
            idle.put(process)

    with ExitStack() as stack:
        # Left in reverse: nothing new is begun, what is being searched is
        # given up, and the threads, which wait for that, end.
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        for _ in range(min(workers, len(images))):
            idle.put(stack.enter_context(SearchProcess(python)))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        futures = [pool.submit(search, *item) for item in images.items()]
        for future in as_completed(futures):
            yield future.result()
