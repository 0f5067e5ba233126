"""What the names of our processes in ps cost small packages, by the processor time of one worker.

A worker goes through a queue of small packages without a handler: a title is as large a part of them as it can be. By
turns of some packages, in the order ABBA, it shows their names and does not: in one process and one minute, so whatever
else the machine does meets both alike. Each turn is compared with the one beside it; they are short, as a flush of many
packages makes one of them long. Calls are clocked, too: in a worker, whose caches hold other things by then, a call
takes several times what it takes in a loop.
"""

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from packages import make_packages
from report import wanted

from jobrunner.cli.log_options import Asked
from jobrunner.cli.work import supervise
from jobrunner.process.title import IDLE, Title


def is_shown(turn: int) -> bool:
    """Whether titles are shown in this turn."""
    return turn % 4 in {0, 3}


@contextmanager
def by_turns(packages: int, notes: Path) -> Iterator[None]:
    """Have forks of this process show titles in half of the turns of so many packages.

    At the beginning of each turn they note their processor time, and what calls have taken until then, in ns.
    """
    show = Title.show
    number = took = 0

    def in_turn(self: Title, what: str | None = None) -> None:
        nonlocal number, took
        if what in {None, IDLE}:
            show(self, what)
            return
        turn, place = divmod(number, packages)
        if place == 0:
            with notes.open("a") as file:
                file.write(f"{time.process_time_ns()} {took}\n")
        number += 1
        start = time.perf_counter_ns()
        if is_shown(turn):
            show(self, what)
        took += time.perf_counter_ns() - start

    Title.show = in_turn  # type: ignore[method-assign]
    try:
        yield
    finally:
        Title.show = show  # type: ignore[method-assign]


@contextmanager
def silence() -> Iterator[None]:
    """Print no events."""
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nothing)


def measure(base: Path, turns: int, packages: int, files: int, size: int) -> tuple[list[float], list[float]]:
    """Return the time with titles over that without, of each pair of turns, and each shown turn's share of calls."""
    home, notes = base / "home", base / "notes"
    make_packages(home / "inbox", turns * packages + 1, files=files, size=size)
    (home / "jobrunner.toml").write_text("")
    subprocess.run([sys.executable, "-m", "jobrunner", "--home", str(home), "scan"], check=True, capture_output=True)
    with silence(), by_turns(packages, notes):
        supervise(home, 1, Asked(), drain=True, scan=False)
    begun = [tuple(map(int, line.split())) for line in notes.read_text().splitlines()]
    times = [end - start for (start, _), (end, _) in pairwise(begun)]
    calls = [end - start for (_, start), (_, end) in pairwise(begun)]
    pairs = [(turn, turn + 1) if is_shown(turn) else (turn + 1, turn) for turn in range(0, turns - 1, 2)]
    shares = [calls[turn] / times[turn] for turn in range(turns) if is_shown(turn)]
    return [times[shown] / times[other] for shown, other in pairs], shares


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return between which values the median lies, in 95 of 100 cases."""
    ordered, middle = sorted(values), len(values) / 2
    reach = 1.96 * math.sqrt(len(values)) / 2
    return ordered[max(0, int(middle - reach))], ordered[min(len(values) - 1, math.ceil(middle + reach))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument("--packages", type=int, default=10, help="of a turn")
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--size", type=int, default=8000)
    parser.add_argument("--dir", type=Path, default="/dev/shm", help="where the packages lie (%(default)s)")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.dir))
    try:
        ratios, shares = measure(base, options.turns, options.packages, options.files, options.size)
    finally:
        shutil.rmtree(base)
    low, high = interval(ratios)
    median, share = statistics.median(ratios), statistics.median(shares)
    wanted("calls of titles in a worker's time", f"{share:.2%}", "at most 1 %", reached=share <= 0.01)
    figure = f"{median:.3f} ({low:.3f} to {high:.3f} in 95 of 100 cases)"
    wanted("a worker's time with titles over that without", figure, "at most 1.01", reached=median <= 1.01)
    what = f"{options.packages} packages of {options.files} x {options.size:,} bytes"
    print(f"\nprocessor time of {what}, {len(ratios)} pairs of turns")


if __name__ == "__main__":
    main()
