"""What `jobrunner list` costs with each of its filters and orders, beside 1,000 and beside 1,000,000 done jobs.

Each filter is asked for its worst case: nothing fits, or one package does, and that is the oldest. A package is done
after one attempt, but for the oldest, which had two; one has failed, before all others. All is the whole program on a
terminal, its start included: so the packages that have no room there are counted. A pattern that begins with a
wildcard, and an order that no index has, cost a scan of all names, and are only said. Then all packages are listed into
a pipe, with the memory that this takes at most.
"""

import argparse
import os
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from report import table, wanted
from scale import make_home

SIZES = (1_000, 1_000_000)

#: What is asked for, by what is said of it. Each is found on an index.
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
}
#: What takes a look at every name.
SCANNED: dict[str, list[str]] = {
    "name, end: none": ["--name", "*unheard-of"],
    "name, end: the oldest": ["--name", "*ldest"],
    "name, end, and time: none": ["--name", "*unheard-of", "--since", "900d"],
    "name, beginning: all": ["--name", "done-*"],
    "by attempts": ["--sort", "attempts"],
}

_OLDEST = """
UPDATE jobs SET name = CAST('oldest' AS BLOB), attempt = 2, finished_at = finished_at - 200 * 86400 WHERE id = 1;
INSERT INTO jobs (name, state, position, attempt, verdict, error, created_at, finished_at)
SELECT CAST('failed' AS BLOB), 'failed', 1, 1, 'failed', 'ValueError: cannot calibrate sensor 7', 0, finished_at - 1
FROM jobs WHERE id = 1;
"""


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
        except OSError:  # how a terminal says that nobody writes to it any more
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


def show(title: str, sizes: list[int], costs: dict[str, list[float]]) -> None:
    rows = [
        [what, *(f"{second * 1000:,.0f}" for second in seconds), f"{seconds[-1] / seconds[0]:.2f} times"]
        for what, seconds in costs.items()
    ]
    table(title, ["ms", *(f"{size:,} jobs" for size in sizes), ""], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of done jobs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="a folder on the filesystem to measure (else: the temporary folder)")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.dir))
    try:
        homes = make_homes(base, options.sizes)
        found = measure(homes, _listing(FOUND), options.rounds)
        scanned = measure(homes, _listing(SCANNED), options.rounds)
        whole = {word: [into_a_pipe(home, ["list", word]) for home in homes] for word in ("--json", "--names", "-0")}
    finally:
        shutil.rmtree(base)
    slowest = max(found, key=lambda what: found[what][-1])
    steepest = max(found, key=lambda what: growth(found[what]))
    seconds, times = found[slowest][-1], growth(found[steepest])
    wanted(f"list, the slowest on an index ({slowest})", f"{seconds:.2f} s", "under 0.3 s", reached=seconds < 0.3)
    wanted(f"list, the steepest on an index ({steepest})", f"{times:.2f} times", "at most 1.50", reached=times <= 1.5)
    most = max(memory for of_size in whole.values() for _, memory in of_size) / 1e6
    wanted("memory to list all into a pipe", f"{most:.0f} MB", "under 100 MB", reached=most < 100)
    show(f"on an index, medians of {options.rounds} rounds; the whole program", options.sizes, found)
    show("a scan of all names; the whole program", options.sizes, scanned)
    rows = [
        [what, *(f"{took:.1f} s, {most / 1e6:.0f} MB" for took, most in costs), ""] for what, costs in whole.items()
    ]
    table("all packages into a pipe", ["", *(f"{size:,} jobs" for size in options.sizes), ""], rows)


def _listing(asked: dict[str, list[str]]) -> dict[str, list[str]]:
    return {what: ["list", *words] for what, words in asked.items()}


def growth(seconds: list[float]) -> float:
    return seconds[-1] / seconds[0]


if __name__ == "__main__":
    main()
