"""A worker program of selective search, and how it is started."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from .searched_boxes import Rect

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name('search_worker.py')
# What `make proposals-env` makes.
PYTHON = ROOT / '.venv-proposals' / 'bin' / 'python'

_CHECK = 'import cv2; cv2.ximgproc.segmentation; print(cv2.__version__)'


def find_opencv(python: Path) -> str:
    """Version of the OpenCV that an interpreter searches with.

    Args:
        python (Path): Interpreter.

    Raises:
        RuntimeError: If it cannot search.
    """
    cure = f'run `make proposals-env` in {ROOT}'
    if not python.is_file():
        raise RuntimeError(
            'selective search needs OpenCV with ximgproc, in an environment '
            f'of its own, and {python} does not exist; {cure}'
        )
    done = subprocess.run(
        [python, '-c', _CHECK], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ['it says nothing'])[-1]
        raise RuntimeError(
            f'{python} has no OpenCV with ximgproc ({reason}); {cure}'
        )
    return done.stdout.strip()


class SearchProcess:
    """A worker program; a context in which it lives.

    Args:
        python (Path): Interpreter to run it with.
    """

    def __init__(self, python: Path) -> None:
        # Not a pipe: nobody would read it while the program searches.
        self._errors = tempfile.TemporaryFile('w+')
        self._process = subprocess.Popen(
            [python, WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def search(self, image: Path, mode: str, seed: int) -> list[Rect]:
        """Search an image; ``search_worker.py`` says what is asked.

        Raises:
            RuntimeError: If the program ended and gave no answer.
        """
        assert self._process.stdin and self._process.stdout
        request = dict(image=str(image), mode=mode, seed=seed)
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ''
        if not answer.endswith('\n'):
            raise RuntimeError(
                f'selective search of {image} ended with status '
                f'{self._process.wait()} ({self._last_words()}); start the '
                'tool again, with fewer --workers if memory was short'
            )
        return json.loads(answer)

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else 'it says nothing'

    def __enter__(self) -> SearchProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
