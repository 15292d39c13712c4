"""Bars on a real terminal (a pty), and nothing anywhere else."""

import errno
import os
import pty
import re
import subprocess
import sys
from unittest import mock

import pytest

from mmisl import progress

# What a terminal obeys: colours, cursor movements, erased lines.
CONTROL = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]')
JOB = """
import time
from mmengine.logging import MMLogger
from mmisl.progress import Bar, track

before = MMLogger.get_instance('before', log_level='INFO')
for number in track(range(4), 'all [bold]parts[/bold]'):
    with Bar('part', 3) as bar:
        for step in range(3):
            time.sleep(0.15)
            bar.update(note=f'step {step}')
            bar.advance()
    before.info(f'logged {number} /a/path/' + 'long' * 40)
    print('printed', number)
MMLogger.get_instance('within', log_level='INFO').info('the end')
"""
FORK = """
import multiprocessing, sys
from mmisl.progress import track

def speak():
    print('from a fork:', type(sys.stdout).__name__, flush=True)

for _ in track(range(1), 'outer'):
    child = multiprocessing.get_context('fork').Process(target=speak)
    child.start()
    child.join()
    print('from its parent:', type(sys.stdout).__name__)
"""


def on_terminal(code, *, stdout_to=None, **variables):
    """Exit code of a program, and what its terminal was sent."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, '-c', code],
        stdin=theirs,
        stdout=theirs if stdout_to is None else stdout_to,
        stderr=theirs,
        env={**os.environ, 'TERM': 'xterm', **variables},
    )
    os.close(theirs)
    sent = b''
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError as error:  # how Linux says that nobody writes
            assert error.errno == errno.EIO
            break
        if not part:
            break
        sent += part
    os.close(ours)
    return process.wait(), sent.decode()


@pytest.fixture(scope='module')
def terminal():
    status, sent = on_terminal(JOB, COLUMNS='100')
    assert status == 0
    return sent


def test_bar__is_drawn_with_the_time_left(terminal):
    text = CONTROL.sub('', terminal)
    drawn = re.findall(
        r'all \[bold\]parts\[/bold\] [━╸╺]+ \d/4 +\d:\d\d:\d\d left', text
    )
    assert drawn
    assert re.search(r'part +[━╸╺]+ \d/3 .*left step \d', text)


def test_bar__leaves_lines_whole(terminal):
    lines = CONTROL.sub('', terminal.replace('\r', '\n')).split('\n')
    for number in range(4):
        whole = f'- INFO - logged {number} /a/path/{"long" * 40}'
        assert sum(line.endswith(whole) for line in lines) == 1
        assert f'printed {number}' in lines
    assert [line for line in lines if line][-1].endswith('INFO - the end')


def test_bar__leaves_the_cursor_as_it_was(terminal):
    assert terminal.count('\x1b[?25l') == terminal.count('\x1b[?25h') == 1
    # Whatever is erased at the end, nothing is drawn after it.
    assert 'left' not in terminal.rpartition('\x1b[?25h')[2]


def test_bar__a_pipe_gets_lines_only():
    done = subprocess.run(
        [sys.executable, '-c', JOB],
        capture_output=True,
        text=True,
        check=True,
        # rich takes any output for a terminal when this is set.
        env={**os.environ, 'FORCE_COLOR': '1', 'TERM': 'xterm'},
    )
    assert done.stderr == ''
    words = CONTROL.sub('', done.stdout)  # mmengine colours INFO
    assert 'left' not in words and '━' not in words
    assert len(done.stdout.splitlines()) == 9


def test_bar__a_file_gets_what_is_printed(tmp_path):
    path = tmp_path / 'out.txt'
    with open(path, 'w') as file:
        status, sent = on_terminal(JOB, stdout_to=file)
    assert status == 0
    assert 'left' in sent and 'printed' not in sent
    assert path.read_text().count('printed') == 4
    assert '━' not in path.read_text()


@pytest.mark.parametrize(
    'prologue',
    [
        'import mmisl.progress; mmisl.progress.is_main_process = lambda: 0',
        'import os; os.environ["TERM"] = "dumb"',
    ],
)
def test_bar__not_on_other_ranks_and_dumb_terminals(prologue):
    status, sent = on_terminal(prologue + JOB)
    assert status == 0
    assert 'left' not in sent and '\x1b[?25l' not in sent
    assert sent.count('printed') == 4


def test_bar__a_fork_writes_past_the_bars_of_its_parent():
    status, sent = on_terminal(FORK)
    assert status == 0
    assert 'from a fork: TextIOWrapper' in sent
    assert 'from its parent: FileProxy' in sent


@pytest.fixture
def display(monkeypatch):
    """Bars as on a terminal, drawn nowhere."""
    monkeypatch.setattr(progress, 'is_shown', lambda: True)
    yield
    assert progress._display is None


def bars_drawn():
    return (
        [] if progress._display is None else progress._display.progress.tasks
    )


def test_bar__is_gone_after_an_error(display):
    with pytest.raises(RuntimeError):
        for _ in progress.track([1, 2], 'job'):
            assert [bar.description for bar in bars_drawn()] == ['job']
            raise RuntimeError
    bar = progress.Bar('of an object', 3)
    assert len(bars_drawn()) == 1
    del bar
    assert not bars_drawn()


def test_bar__counts_every_step(display):
    with (
        mock.patch.object(progress, '_SECONDS_PER_POINT', 1e9),
        progress.Bar('job', 5, completed=2) as bar,
    ):
        (drawn,) = bars_drawn()
        assert drawn.completed == 2
        bar.advance(2)
        bar.advance()
        # Steps between two points in time are not lost: the last one is
        # always told.
        assert drawn.completed == drawn.total == 5
        bar.close()
        bar.advance()
        bar.close()


def test_open_file__counts_bytes(display, tmp_path):
    path = tmp_path / 'archive'
    path.write_bytes(bytes(range(200)))
    with progress.open_file(path, 'checksum') as file:
        (drawn,) = bars_drawn()
        assert file.read(150) == bytes(range(150))
        assert (drawn.completed, drawn.total) == (150, 200)
        assert file.seek(10) == 10
        assert file.read() == bytes(range(10, 200))
    with pytest.raises(ValueError, match='closed file'):
        file.read()
    assert not bars_drawn()
