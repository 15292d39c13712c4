"""Selective search of OpenCV, image by image.

This program runs in the environment of `make proposals-env`, which has numpy
and OpenCV with ximgproc, and nothing of mmisl. It takes one line of JSON for
each image and answers with one::

    {"image": "000001.jpg", "mode": "fast", "seed": 5}
    [[x, y, width, height], ...]

It ends with its input, so it does not outlive the program that feeds it by
more than an image.
"""

import ctypes
import json
import sys

import cv2


def search(image: str, mode: str, seed: int) -> list:
    """Search an image.

    Args:
        image (str): Path of the image.
        mode (str): ``fast`` or ``quality``.
        seed (int): OpenCV draws the order of boxes with ``rand`` of the C
            library. Seeded, it does not depend on what was searched before.

    Returns:
        list: Answer as above, the best box first.
    """
    pixels = cv2.imread(image, cv2.IMREAD_COLOR)
    # The environment of mypy has an OpenCV without it.
    segmentation = cv2.ximgproc.segmentation  # type: ignore[attr-defined]
    searcher = segmentation.createSelectiveSearchSegmentation()
    searcher.setBaseImage(pixels)
    if mode == 'fast':
        searcher.switchToSelectiveSearchFast()
    else:
        searcher.switchToSelectiveSearchQuality()
    ctypes.CDLL(None).srand(seed)
    return searcher.process().tolist()


def main() -> None:
    """Answer until there is nothing more to answer."""
    cv2.setNumThreads(1)  # there is one such program for each core
    for line in sys.stdin:
        print(json.dumps(search(**json.loads(line))), flush=True)


if __name__ == '__main__':
    main()
