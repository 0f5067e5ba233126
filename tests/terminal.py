"""A terminal of a test's own, with one program on it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Sequence

from tests.support import PATIENCE, clean_environment, wait_until


class Terminal:
    """A program on a terminal of 24 lines and 80 columns, which Ctrl-C reaches; ended when the block ends."""

    def __init__(self, words: Sequence[str]) -> None:
        self._ours, theirs = pty.openpty()
        self.printed = ""
        self.resize(lines=24, columns=80)
        environment = {name: value for name, value in clean_environment().items() if name not in {"COLUMNS", "LINES"}}
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment | {"TERM": "xterm-256color"},
        )
        os.close(theirs)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    def resize(self, *, lines: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def is_stopped(self) -> bool:
        with open(f"/proc/{self._process.pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def shown(self) -> str:
        """Return what was drawn last: from where the cursor went home."""
        self._read()
        return self.printed.rpartition("\x1b[H")[2]

    def wait(self) -> int:
        """Return the exit status of the program, once all that it has printed is read."""
        wait_until(self._has_ended, PATIENCE)
        self._read()
        return self._process.wait()

    def _has_ended(self) -> bool:
        self._read()  # or it would wait for that
        return self._process.poll() is not None

    def _read(self) -> None:
        while select.select([self._ours], [], [], 0)[0]:
            try:
                piece = os.read(self._ours, 1 << 16)
            except OSError:  # how a terminal says that nobody writes to it any more
                return
            self.printed += piece.decode("utf-8", "replace")
