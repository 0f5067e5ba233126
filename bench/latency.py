"""From a package's rename to its handler's first line, beside a floor: a bare loop that does no more than that.

The floor is one process that waits for inotify, commits that the package is queued and that it is claimed (WAL,
synchronous=FULL), renames the folder, extracts the zip and calls a function; with `--floor-commits 1` both are one
commit. jobrunner is `run -n 3` with a callable, and with a command that is a Python of its own, whose start is measured
apart. Packages of one small file come one by one, to all sides in turns, so that each is idle before it. Then 1,000
packages are renamed within a second. At last all is left alone: how often does it wake up?
"""

import argparse
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from packages import make_packages
from report import table, wanted

from jobrunner.linux import inotify
from jobrunner.linux.waiting import ready

_PATIENCE = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
#: A handler's first line: the time, by the clock that all processes share.
_HANDLER = """
import os, sys, time
def process(package):
    now = time.monotonic()
    with open(os.path.join({marks!r}, "." + package.name), "w") as file:
        file.write(repr(now))
    os.rename(file.name, os.path.join({marks!r}, package.name))
"""
_COMMAND = """
import time
now = time.monotonic()
import os
name = os.environ["JOBRUNNER_PACKAGE"]
with open(os.path.join({marks!r}, "." + name), "w") as file:
    file.write(repr(now))
os.rename(file.name, os.path.join({marks!r}, name))
"""


class Side:
    """One that processes what comes into its inbox, until the end of `running`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.inbox, self.marks = folder / "inbox", folder / "marks"
        self.milliseconds: list[float] = []
        for path in (self.inbox, self.marks):
            path.mkdir(parents=True)

    def deliver(self, package: Path) -> None:
        """Rename a package into the inbox, and note how long it took until its handler began."""
        came = time.monotonic()
        package.rename(self.inbox / package.name)
        mark = self.marks / package.name
        while not mark.exists():
            if time.monotonic() - came > _PATIENCE:
                raise SystemExit(f"{self.name} did not take {package.name}")
            time.sleep(0.001)
        self.milliseconds.append((float(mark.read_text()) - came) * 1000)

    @contextmanager
    def running(self, *command: str) -> Iterator[int]:
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=self.folder) as process:
            try:
                yield process.pid
            finally:
                process.terminate()


def floor(folder: Path, commits: int) -> None:
    """Be the bare loop."""
    inbox, work, marks = folder / "inbox", folder / "work", folder / "marks"
    work.mkdir(exist_ok=True)
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = wal")
    database.execute("PRAGMA synchronous = full")
    database.execute("CREATE TABLE jobs (name TEXT PRIMARY KEY, state TEXT)")
    scope: dict[str, object] = {}
    exec(_HANDLER.format(marks=str(marks)), scope)
    queue = inotify.Inotify()
    queue.watch(str(inbox), inotify.MOVED_TO)
    while True:
        ready((queue.fileno(),), 3600)
        for change in queue.take():
            database.execute("INSERT INTO jobs VALUES (?, 'queued')", (change.name,))
            if commits > 1:
                database.execute("UPDATE jobs SET state = 'running' WHERE name = ?", (change.name,))
            package = work / change.name
            (inbox / change.name).rename(package)
            with zipfile.ZipFile(package / f"{change.name}.zip") as archive:
                archive.extractall(package / "data")
            scope["process"](package)  # type: ignore[operator]


def jobrunner(side: Side, python: str, handler: str) -> list[str]:
    """Make a home of a side's folder, and return what runs it."""
    (side.folder / "handler.py").write_text(_HANDLER.format(marks=str(side.marks)))
    (side.folder / "command.py").write_text(_COMMAND.format(marks=str(side.marks)))
    (side.folder / "jobrunner.toml").write_text(f"[process]\n{handler}\n" if handler else "")
    return [python, "-m", "jobrunner", "--home", str(side.folder), "run", "-n", "3"]


def start_of_a_command(folder: Path, name: str) -> float:
    """Return the milliseconds from the start of the command to its first line."""
    environment = os.environ | {"JOBRUNNER_PACKAGE": name}
    began = time.monotonic()
    subprocess.run([sys.executable, "-S", str(folder / "command.py")], check=True, env=environment)
    return (float((folder / "marks" / name).read_text()) - began) * 1000


def one_by_one(sides: list[Side], base: Path, count: int) -> float:
    """Deliver packages to all sides in turns, and return the milliseconds that a command's start takes beside them."""
    packages = base / "packages"
    make_packages(packages, count * len(sides), files=1, size=1000)
    lying = iter(sorted(packages.iterdir()))
    pauses, starts = random.Random(1), []
    for number in range(count):
        time.sleep(pauses.uniform(0.02, 0.2))
        starts.append(start_of_a_command(sides[2].folder, f"start-{number}"))
        for side in sides if number % 2 == 0 else reversed(sides):
            time.sleep(pauses.uniform(0.02, 0.2))  # not in step with anybody's clock
            side.deliver(next(lying))
    for side in sides:
        del side.milliseconds[:2]  # each host starts with its first package
    return statistics.median(starts)


def burst(side: Side, base: Path, count: int) -> tuple[float, int]:
    """Rename so many packages within a second; return how long after its rename the last was queued, and the count."""
    packages = base / "burst"
    make_packages(packages, count, files=1, size=1000)
    for package in sorted(packages.iterdir()):
        named = package.rename(packages / f"burst-{package.name}")
        (named / f"{package.name}.zip").rename(named / f"{named.name}.zip")
    began = time.monotonic()
    for number, package in enumerate(sorted(packages.iterdir())):
        time.sleep(max(began + number / count - time.monotonic(), 0))
        package.rename(side.inbox / package.name)
    ended = time.monotonic()
    database = sqlite3.connect(f"file:{side.folder / 'jobrunner.db'}?mode=ro", uri=True)
    query = "SELECT count(*) FROM jobs WHERE CAST(name AS TEXT) GLOB 'burst-*'"
    while (queued := database.execute(query).fetchone()[0]) < count and time.monotonic() - ended < _PATIENCE:
        time.sleep(0.002)
    return time.monotonic() - ended, queued


def below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in below(int(child)))]


def processor_seconds(pids: list[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS


def switches(pids: list[int]) -> int:
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return sum(int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0]) for text in texts)


def idle(pid: int, seconds: float) -> tuple[float, float, str]:
    """Return how often a side's processes wake up in a second, which part of a processor they use, and their calls."""
    pids = below(pid)
    before, used = switches(pids), processor_seconds(pids)
    time.sleep(seconds)
    wakes, used = (switches(pids) - before) / seconds, (processor_seconds(pids) - used) / seconds
    return wakes, used, calls(pids, seconds)


def calls(pids: list[int], seconds: float) -> str:
    """Return how many system calls strace sees in a second, if it is there."""
    if not (strace := shutil.which("strace")):
        return "strace is not installed"
    command = [strace, "-f", "-qq", "-e", "signal=none", *(word for pid in pids for word in ("-p", str(pid)))]
    with tempfile.NamedTemporaryFile("r") as file:
        with subprocess.Popen([*command, "-o", file.name]) as tracing:
            time.sleep(seconds)
            tracing.terminate()
        lines = [line for line in file if "<unfinished" not in line]
    return f"{len(lines) / seconds:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=60, help="of each side, one by one")
    parser.add_argument("--burst", type=int, default=1000, help="packages in one second")
    parser.add_argument("--idle", type=float, default=30, help="seconds in which nothing happens")
    parser.add_argument("--beside", metavar="PYTHON", help="the interpreter of another jobrunner")
    parser.add_argument("--folder", type=Path, help="where to work")
    parser.add_argument("--floor-commits", type=int, choices=(1, 2), default=2)
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        floor(options.floor, options.floor_commits)
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.folder))
    try:
        measure(base, options)
    finally:
        shutil.rmtree(base)


def measure(base: Path, options: argparse.Namespace) -> None:
    pythons = {"jobrunner": sys.executable} | ({"the other jobrunner": options.beside} if options.beside else {})
    command = f'command = ["{sys.executable}", "-S", "command.py"]'
    bare = Side("floor", base / "floor")
    with ExitStack() as running:
        running.enter_context(
            bare.running(
                sys.executable,
                str(Path(__file__).resolve()),
                "--floor",
                str(bare.folder),
                "--floor-commits",
                str(options.floor_commits),
            )
        )
        sides, pids = [bare], {}
        for name, python in pythons.items():
            for handler in ('callable = "handler:process"', command):
                side = Side(f"{name}, {handler.split(' ')[0]}", base / f"{len(sides)}")
                pids[side.name] = running.enter_context(side.running(*jobrunner(side, python, handler)))
                sides.append(side)
        time.sleep(3)
        start = one_by_one(sides, base, options.packages)
        medians = {side.name: statistics.median(side.milliseconds) for side in sides}
        rows = [
            [
                side.name,
                f"{medians[side.name]:.1f}",
                f"{max(side.milliseconds):.1f}",
                f"{medians[side.name] / medians['floor']:.2f}",
                "",
            ]
            for side in sides
        ]
        table(
            "from the rename to the handler's first line, milliseconds",
            ["", "median", "longest", "over the floor", ""],
            rows,
        )
        print(f"the start of the command alone: {start:.1f} ms\n")
        called, started = medians["jobrunner, callable"], medians["jobrunner, command"]
        most = 2 * medians["floor"]
        wanted(
            "rename to a callable's first line",
            f"{called:.1f} ms",
            f"at most twice the floor, {most:.1f} ms",
            reached=called <= most,
        )
        wanted("the same, in itself", f"{called:.1f} ms", "at most 20 ms", reached=called <= 20)
        most = medians["floor"] + start
        wanted(
            "rename to a command's first line",
            f"{started:.1f} ms",
            f"at most the floor and its start, {most:.1f} ms",
            reached=started <= most,
        )
        for name in pythons:
            side = next(side for side in sides if side.name == f"{name}, callable")
            late, queued = burst(side, base, options.burst)
            wanted(
                f"{name}, of {options.burst:,} packages in a second, the last queued",
                f"{late:.2f} s after its rename, {queued:,} queued",
                "under 1 s, none missed",
                reached=late < 1 and queued == options.burst,
            )
            shutil.rmtree(base / "burst")
        wait_until_done(sides[1:], options.burst)
        for name in pythons:
            wakes, used, traced = idle(pids[f"{name}, callable"], options.idle)
            wanted(
                f"{name}, wake-ups a second while idle",
                f"{wakes:.2f} ({traced} system calls)",
                "under 1",
                reached=wakes < 1,
            )
            wanted(f"{name}, processor while idle", f"{used:.3%}", "under 0.1 %", reached=used < 0.001)


def wait_until_done(sides: list[Side], count: int) -> None:
    """Wait until nothing lies in the inboxes, and the last has gone through."""
    deadline = time.monotonic() + _PATIENCE + count / 10
    while any(any(side.inbox.iterdir()) for side in sides) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(5)


if __name__ == "__main__":
    main()
