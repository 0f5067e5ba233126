"""What the jobs that are measured do: each leaves its number, when it started and in which process.

The marks are 20 bytes each, appended to one file; all sides run this same function, so what
it costs is in every figure. The environment says where (BENCH_MARKS) and how long a job then sleeps (BENCH_SECONDS).
"""

import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

_MARK = struct.Struct("=dqi")


class Mark(NamedTuple):
    started_at: float  # on the monotonic clock, which all processes share
    number: int
    pid: int


def run(number: int) -> None:
    """Run the job: mark it, then sleep."""
    file = os.open(os.environ["BENCH_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(file, _MARK.pack(time.monotonic(), number, os.getpid()))
    os.close(file)
    if seconds := float(os.environ.get("BENCH_SECONDS", "0")):  # even sleeping for nothing takes 50 microseconds
        time.sleep(seconds)


def count(path: Path) -> int:
    """Return how many jobs have started, those that ran twice twice."""
    return path.stat().st_size // _MARK.size if path.exists() else 0


def read(path: Path) -> list[Mark]:
    """Return the marks in the order of their times."""
    return sorted(Mark(*fields) for fields in _MARK.iter_unpack(path.read_bytes())) if path.exists() else []


def start_together(folder: Path, workers: int) -> None:
    """Wait until this many workers have come so far."""
    (folder / f"ready-{os.getpid()}").touch()
    while len(list(folder.glob("ready-*"))) < workers:
        time.sleep(0.002)
