"""What it costs to ask how things stand, beside 1,000 and beside 1,000,000 done jobs, and with a huge inbox.

`status`, `show`, `explain`, `metrics`, `--help`, the Tab key, and `list` with each of its filters and orders. Each
filter is asked for its worst case: nothing fits, or one package does, and that is the oldest. A package is done after
one attempt, but for the oldest, which had two; one has failed, before all others. All is the whole program on a
terminal, its start included: so the packages that have no room there are counted. A pattern that begins with a
wildcard, and an order that no index has, cost a scan of all names, and are only said. `metrics` sums up a month of
hours; how long its text takes is also measured inside a process that has opened the database. Then all packages are
listed into a pipe, with the memory that this takes.

The huge inbox holds 1,000,000 folders that are no packages: empty ones, and then with a file that is no zip. `scan` and
`status` are measured from their start to their end. Then a scanner goes on, and once it knows the inbox, packages are
delivered one by one: how long until each is queued, and how much memory does it take? The folders lie in memory
(/dev/shm) and take up to 2 GB of it: on a disk, the kernel needs some microseconds more for each.

All of it takes about 15 minutes, most of which make jobs and folders; --sizes 1000 10000 --folders 10000 takes one.
"""

import argparse
import os
import pty
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from report import table, wanted
from scale import deliver, make_home, median
from servers import wait_until

from jobrunner.cli.main import COMMANDS
from jobrunner.documents.metrics import metrics_text
from jobrunner.domain.envelope import Emit
from jobrunner.domain.role import Role
from jobrunner.wiring.home import Home, load_settings, open_home
from jobrunner.wiring.measuring import measuring

SIZES = (1_000, 1_000_000)

#: What is asked, by what is said of it, besides what `list` is asked for.
ASKED: dict[str, list[str]] = {
    "status": ["status"],
    "status --json": ["status", "--json"],
    "show": ["show", "oldest"],
    "explain: done, the oldest": ["explain", "oldest"],
    "explain: failed": ["explain", "failed"],
    "explain: unknown": ["explain", "unheard-of"],
    "explain: unknown, with many like it": ["explain", "done-17x"],
    "metrics": ["metrics"],
    **{" ".join([*words, "--help"]): [*words, "--help"] for words in ([], *([name] for name in COMMANDS))},
}
#: What is asked by the Tab key, in bash.
TYPED: dict[str, list[str]] = {
    what: ["completion", "bash", "--answer", "--", f"jobrunner {line}", line.split()[-1]]
    for what, line in {
        "a command": "stat",
        "any of all names": "show done-",
        "any of ten names": "show done-000017",
        "one that failed": "retry f",
        "none that failed": "retry done-",
        "done": "rerun done-",
    }.items()
}
#: What is asked once all jobs are queued, and one more.
QUEUED = {"explain: queued, behind all others": ["explain", "last"]}
#: What `list` is asked for.
FOUND: dict[str, list[str]] = {
    "nothing asked for": [],
    "state: done": ["--state", "done"],
    "state: none": ["--state", "running"],
    "state: the oldest": ["--state", "failed"],
    "name: none": ["--name", "unheard-of"],
    "name: the oldest": ["--name", "oldest"],
    "name, beginning: none": ["--name", "unheard-*"],
    "name, beginning: the oldest": ["--name", "old*"],
    "error: none": ["--error", "*unheard of*"],
    "error: the oldest": ["--error", "*sensor 7*"],
    "since: none": ["--since", "1m"],
    "until: none": ["--until", "900d"],
    "until: the oldest": ["--until", "100d"],
    "attempts: none": ["--attempts", "3"],
    "attempts: the oldest": ["--attempts", "2"],
    "attempts: all": ["--attempts", "1"],
    "the oldest first": ["--sort", "-time"],
    "by name": ["--sort", "name"],
    "by creation": ["--sort", "created"],
    "by attempts": ["--sort", "attempts"],
    "name, end: none": ["--name", "*unheard-of"],
    "name, end: the oldest": ["--name", "*ldest"],
    "name, end, and time: none": ["--name", "*unheard-of", "--since", "900d"],
    "name, end, by name: none": ["--name", "*unheard-of", "--sort", "name"],
    "name, beginning: all": ["--name", "done-*"],
    "name, beginning, and end: none": ["--name", "done-*unheard-of"],
}

_OLDEST = """
UPDATE jobs SET name = CAST('oldest' AS BLOB), attempt = 2, finished_at = finished_at - 200 * 86400 WHERE id = 1;
INSERT INTO jobs (name, state, position, attempt, verdict, error, created_at, finished_at)
SELECT CAST('failed' AS BLOB), 'failed', 1, 1, 'failed', 'ValueError: cannot calibrate sensor 7', 0, finished_at - 1
FROM jobs WHERE id = 1;
"""
_HOURS = """
WITH RECURSIVE hours (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM hours WHERE n < 720)
INSERT INTO duration_totals (hour_at, step, at_most, count, seconds)
SELECT n * 3600, step.value, at_most.value, 3, 1.5
FROM hours, json_each('["extract", "handle", "archive", "whole"]') AS step, json_each('[0.01, 0.1, 1.0, 10.0, 100.0]')
    AS at_most;
WITH RECURSIVE hours (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM hours WHERE n < 720)
INSERT INTO outcome_totals (hour_at, outcome, attempts, jobs)
SELECT n * 3600, outcome.value, 3, 1 FROM hours, json_each('["done", "failed", "later", "crashed"]') AS outcome;
"""
_QUEUE_ALL = "UPDATE jobs SET state = 'queued', finished_at = NULL WHERE state = 'done'"

LATER_PACKAGES = 5


def command(home: Path, words: list[str]) -> list[str]:
    return [sys.executable, "-m", "jobrunner", "--home", str(home), *words]


def on_a_terminal(home: Path, words: list[str]) -> float:
    """Return the seconds of a command that prints on a terminal, and may end with 1."""
    ours, theirs = pty.openpty()
    start = time.perf_counter()
    with subprocess.Popen(command(home, words), stdout=theirs, stderr=theirs) as program:
        os.close(theirs)
        try:
            while os.read(ours, 1 << 16):
                pass
        except OSError:  # how a terminal says that its last writer has closed it
            pass
    os.close(ours)
    if program.returncode not in {0, 1}:
        raise SystemExit(f"jobrunner {' '.join(words)} failed")
    return time.perf_counter() - start


def into_a_pipe(home: Path, words: list[str]) -> tuple[float, int]:
    """Return the seconds of a command, and the most bytes of memory that it had."""
    start = time.perf_counter()
    with subprocess.Popen(command(home, words), stdout=subprocess.DEVNULL) as program:
        _, status, usage = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def make_homes(base: Path, sizes: list[int]) -> list[Path]:
    homes = []
    (base / "inbox").mkdir()
    for size in sizes:
        home = make_home(base / str(size), base / "inbox", size)
        with home.store.write():
            home.store.database.rows(_OLDEST)
            home.store.database.rows(_HOURS)
        home.store.close()
        homes.append(home.settings.home)
    os.sync()
    return homes


def measure(homes: list[Path], asked: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Return the median seconds of each command in each home; the homes take turns."""
    costs = {}
    for what, words in asked.items():
        seconds = [[on_a_terminal(home, words) for home in homes] for _ in range(rounds)]
        costs[what] = [statistics.median(of_home) for of_home in zip(*seconds, strict=True)]
    return costs


def text_of_metrics(path: Path, rounds: int) -> float:
    """Return the median seconds that the text of `metrics` takes inside its process."""
    with open_home(load_settings(path), Emit(Role.COMMAND), to_read=True) as home:
        return median(lambda: metrics_text(measuring(home).measure(), str(path), "1"), rounds)


def queue_all(path: Path) -> None:
    """Queue all jobs of a home, and one more."""
    with open_home(load_settings(path), Emit(Role.COMMAND)) as home, home.store.write():
        home.store.database.execute(_QUEUE_ALL)
        home.store.queue.enqueue(["last"], home.store.now().wall)


def ask(base: Path, sizes: list[int], rounds: int) -> None:
    """Measure what is asked beside so many done jobs."""
    homes = make_homes(base, sizes)
    asked = measure(homes, ASKED, rounds)
    found = measure(homes, {what: ["list", *words] for what, words in FOUND.items()}, rounds)
    typed = measure(homes, TYPED, rounds)
    texts = [text_of_metrics(home, rounds) for home in homes]
    whole = {flag: [into_a_pipe(home, ["list", flag]) for home in homes] for flag in ("--json", "--names", "-0")}
    for home in homes:
        queue_all(home)
    asked |= measure(homes, QUEUED, rounds)
    helps = {what: seconds for what, seconds in asked.items() if what.endswith("--help")}
    others = {what: seconds for what, seconds in asked.items() if what not in helps}
    judge("help", helps, 0.15)
    judge("status, show and explain", others, 0.3)
    judge("list", found, 0.3)
    judge("the Tab key", typed, 0.25)
    wanted("the text of metrics", f"{texts[-1] * 1000:.0f} ms", "under 50 ms", reached=texts[-1] < 0.05)
    most = max(memory for of_size in whole.values() for _, memory in of_size) / 1e6
    wanted("memory to list all into a pipe", f"{most:.0f} MB", "under 100 MB", reached=most < 100)
    show(f"medians of {rounds} rounds; the whole program", sizes, asked)
    show("list", sizes, found)
    show("the Tab key, in bash, without the shell's own part", sizes, typed)
    show("inside the process", sizes, {"the text of metrics": texts})
    rows = [
        [what, *(f"{took:.1f} s, {most / 1e6:.0f} MB" for took, most in costs), ""] for what, costs in whole.items()
    ]
    table("list, all packages into a pipe", ["", *(f"{size:,} done" for size in sizes), ""], rows)


def judge(what: str, costs: dict[str, list[float]], limit: float) -> None:
    slowest = max(costs, key=lambda of: costs[of][-1])
    steepest = max(costs, key=lambda of: growth(costs[of]))
    seconds, times = costs[slowest][-1], growth(costs[steepest])
    wanted(f"{what}, the slowest ({slowest})", f"{seconds:.2f} s", f"under {limit} s", reached=seconds < limit)
    wanted(f"{what}, the steepest ({steepest})", f"{times:.2f} times", "at most 1.50", reached=times <= 1.5)


def growth(seconds: list[float]) -> float:
    return seconds[-1] / seconds[0]


def show(title: str, sizes: list[int], costs: dict[str, list[float]]) -> None:
    rows = [
        [what, *(f"{second * 1000:,.0f}" for second in seconds), f"{growth(seconds):.2f} times"]
        for what, seconds in costs.items()
    ]
    table(title, ["ms", *(f"{size:,} done" for size in sizes), ""], rows)


def look_over(base: Path, folders: int) -> None:
    """Measure what an inbox costs that holds so many folders that are no packages."""
    (base / "inbox").mkdir()
    home = make_home(base / "home", base / "inbox", SIZES[0])
    rows = []
    for what in ("empty", "with a file"):
        fill(base / "inbox", folders, has_file=what == "with a file")
        scan, scan_memory = into_a_pipe(home.settings.home, ["scan"])
        status = on_a_terminal(home.settings.home, ["status"])
        waits, memory = watch(base / "inbox", home, what)
        of = f"{folders:,} folders, {what}"
        wanted(f"scan, {of}", f"{scan:.1f} s", "under 10 s", reached=scan < 10)
        wanted(f"status, {of}", f"{status:.2f} s", "under 1 s", reached=status < 1)
        most = max(scan_memory, memory) / 1e6
        wanted(f"a scanner's memory, {of}", f"{most:.0f} MB", "under 100 MB", reached=most < 100)
        rows.append([what, f"{scan:.1f}", f"{status:.2f}", f"{statistics.median(waits):.1f}", f"{max(waits):.1f}", ""])
    home.store.close()
    table(
        f"seconds with {folders:,} folders that are no packages in the inbox",
        ["", "scan", "status", "a later package is queued in", "at most", ""],
        rows,
    )


def fill(inbox: Path, count: int, *, has_file: bool) -> None:
    """Make so many folders, or give each of those that are there a file."""
    folder = os.open(inbox, os.O_RDONLY)
    for number in range(count):
        if has_file:
            os.close(os.open(f"folder-{number:07}/notes.txt", os.O_WRONLY | os.O_CREAT, dir_fd=folder))
        else:
            os.mkdir(f"folder-{number:07}", dir_fd=folder)
    os.close(folder)


def watch(inbox: Path, home: Home, what: str) -> tuple[list[float], int]:
    """Return how long each of some packages waits for a scanner that knows the inbox, and the bytes that it takes."""
    waits = []
    with subprocess.Popen(command(home.settings.home, ["scan", "--watch"]), stderr=subprocess.DEVNULL) as scanner:
        for number in range(2 + LATER_PACKAGES):
            name = f"package {number}, {what}"
            start = time.perf_counter()
            deliver(inbox, name)
            wait_until(lambda: home.store.jobs.find(name) is not None, f"{name} was not queued", 120)  # noqa: B023
            waits.append(time.perf_counter() - start)
        scanner.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(scanner.pid, 0)
        scanner.returncode = os.waitstatus_to_exitcode(status)
    return waits[2:], usage.ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of done jobs")
    parser.add_argument("--folders", type=int, default=1_000_000, help="that are no packages, in the inbox")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="a folder on the filesystem to measure (else: the temporary folder)")
    parser.add_argument("--inbox-dir", type=Path, default="/dev/shm", help="where the huge inbox lies (%(default)s)")
    options = parser.parse_args()
    with folder_in(options.dir) as base:
        ask(base, options.sizes, options.rounds)
    with folder_in(options.inbox_dir) as base:
        look_over(base, options.folders)


@contextmanager
def folder_in(directory: Path | None) -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=directory))
    try:
        yield base
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
