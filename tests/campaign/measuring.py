"""What a running jobrunner takes: memory and descriptors of each kind of process, and what lies on the disk."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.campaign.processes import children, is_guard
from tests.support import TestHome

#: By how many bytes the largest process of its kind may have grown. SQLite's cache takes up to 2 MB, which fill with
#: the database; the rest is what Python's heap varies by.
_GROWN = 3_000_000
#: By how many the database may grow: for each further package, as its name is known for ever, for each further one that
#: has failed, as its attempts are kept, and besides.
_OF_A_NAME, _OF_A_FAILURE, _OF_ALL = 700, 4_000, 200_000
#: The write-ahead log starts again at 4 MiB, but for what one transaction, or a reader, adds to that.
_LARGEST_WAL = 8 << 20
#: Bytes of logs for each package that has failed, in all its attempts: they are kept.
_LOGGED = 10_000
#: How many there are of each kind in `run -n 3`.
_NUMBERS = {"supervisor": 1, "scanner": 1, "worker": 3, "guard": 3}


class Process(NamedTuple):
    """Bytes of memory that are its own, or shared with what has forked it, and the number of its open files."""

    memory: int
    files: int


class Row(NamedTuple):
    """A line of the table: what was measured first and last, and what it may be at most, None for any."""

    what: str
    first: int
    last: int
    most: int | None

    @property
    def is_too_much(self) -> bool:
        return self.most is not None and self.last > self.most

    def __str__(self) -> str:
        most = "any" if self.most is None else f"{self.most:,}"
        return f"{self.what:28}{self.first:14,}{self.last:14,}{most:>14}{'  GREW' if self.is_too_much else ''}"


class Measured(NamedTuple):
    """What there is at one time: processes by kind, bytes by what takes them."""

    packages: int
    failed: int
    processes: dict[str, list[Process]]
    disk: dict[str, int]
    work: list[str]

    @classmethod
    def of(cls, home: TestHome, supervisor: int, packages: int, said: list[Path]) -> "Measured":
        """Measure a home on which a supervisor works, and that has nothing to do. `said`: where its lines go."""
        found: dict[str, list[Process]] = {}
        for kind, pid in _kinds(supervisor):
            with suppress(OSError):  # a callable's process that has just ended
                found.setdefault(kind, []).append(_measured(pid))
        database = home.path / "jobrunner.db"
        sizes = {
            "database": database.stat().st_size,
            "its log (WAL)": database.with_name("jobrunner.db-wal").stat().st_size,
            "logs of attempts": sum(path.stat().st_size for path in home.logs.rglob("*") if path.is_file()),
            "lines of run": sum(path.stat().st_size for path in said if path.exists()),
        }
        return cls(packages, home.counts()["failed"], found, sizes, sorted(os.listdir(home.work)))


def rows(first: Measured, last: Measured, *, own: int, said: int) -> Iterator[Row]:
    """Yield what was measured first and last. `own`: what a callable may take itself; `said`: the most of the lines."""
    yield Row("packages", first.packages, last.packages, None)
    yield Row("packages in failed/", first.failed, last.failed, None)
    for kind, number in _NUMBERS.items():
        before, after = (len(each.processes.get(kind, [])) for each in (first, last))
        yield Row(f"{kind}: how many", before, after, number)
    for kind in [*_NUMBERS, "callable"]:
        if not (first.processes.get(kind) and last.processes.get(kind)):
            continue  # after a failure, the next package starts another callable
        memory, more_memory = (max(each.memory for each in some.processes[kind]) for some in (first, last))
        files, more_files = (max(each.files for each in some.processes[kind]) for some in (first, last))
        yield Row(f"{kind}: memory", memory, more_memory, memory + _GROWN + (own if kind == "callable" else 0))
        yield Row(f"{kind}: open files", files, more_files, files)
    packages, failed = last.packages - first.packages, last.failed - first.failed
    most = {
        "database": first.disk["database"] + _OF_A_NAME * packages + _OF_A_FAILURE * failed + _OF_ALL,
        "its log (WAL)": _LARGEST_WAL,
        "logs of attempts": _LOGGED * last.failed,
        "lines of run": said,
    }
    for what, size in last.disk.items():
        yield Row(what, first.disk[what], size, most[what])
    yield Row("entries of work/", len(first.work), len(last.work), len(first.work))


def _kinds(supervisor: int) -> Iterator[tuple[str, int]]:
    yield "supervisor", supervisor
    for child in children(supervisor):
        guards = [pid for pid in children(child) if is_guard(pid)]
        yield "worker" if guards else "scanner", child
        for guard in guards:
            yield "guard", guard
            yield from (("callable", host) for host in children(guard))


def _measured(pid: int) -> Process:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    memory = sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
    return Process(memory * 1024, len(os.listdir(f"/proc/{pid}/fd")))
