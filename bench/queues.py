"""No-op jobs through jobrunner's store and loop, beside the ceiling and beside other queues.

The ceiling is the same transactions on raw apsw in a bare loop. All sides do the same number of jobs, queued before the
workers start; the rate is that from the first job's start to the last one's. First jobrunner and the ceiling in
alternating rounds, then all peers in shuffled ones; those that take long only in the first of these.
"""

import argparse
import random
import shutil
import sqlite3
import statistics
import tempfile
from pathlib import Path

import apsw
from drain import Drain, drain
from report import table, wanted
from servers import NotMeasuredError
from sides import CEILING, OURS, PEERS, Side

WORKERS = (1, 3, 8)
#: A peer that needs so many seconds for its jobs takes part in so many rounds only.
LONG, FEW = 5.0, 3


def against_the_ceiling(base: Path, jobs: int, rounds: int) -> None:
    rows = []
    for workers in WORKERS:
        found: dict[str, list[Drain]] = {OURS.name: [], CEILING.name: []}
        for number in range(rounds):
            for side in (OURS, CEILING) if number % 2 == 0 else (CEILING, OURS):
                found[side.name].append(drain(side, jobs, workers, base, 120))
        ours, ceiling = found[OURS.name], found[CEILING.name]
        ratio = statistics.median(own.rate / top.rate for own, top in zip(ours, ceiling, strict=True))
        share, wait = statistics.median(one.share for one in ours), max(one.wait for one in ours)
        rates = [f"{statistics.median(one.rate for one in side):,.0f}" for side in (ours, ceiling)]
        top_wait = max(one.wait for one in ceiling)
        rows.append(
            [str(workers), *rates, f"{ratio:.2f}", f"{share:.2f}", f"{wait * 1000:.0f}", f"{top_wait * 1000:.0f}"]
        )
        wanted(f"ours over the ceiling, {workers} workers", f"{ratio:.2f}", "at least 0.70", reached=ratio >= 0.7)
        if workers == 3:
            wanted("smallest over largest share of 3 workers", f"{share:.2f}", "at least 0.80", reached=share >= 0.8)
        wanted(f"longest claim, {workers} workers", f"{wait * 1000:.0f} ms", "at most 100 ms", reached=wait <= 0.1)
    columns = ["workers", "ours/s", "ceiling/s", "ratio", "share", "longest claim ms", "the ceiling's"]
    table(f"{jobs:,} no-op jobs, medians of {rounds} rounds; both WAL, synchronous=FULL", columns, rows)


def against_the_peers(base: Path, jobs: int, rounds: int) -> None:
    sides = [OURS, *PEERS]
    found: dict[tuple[Side, int], list[Drain]] = {}
    missing: dict[str, str] = {}
    slow: set[str] = set()
    draw = random.Random(1)
    for number in range(rounds):
        for workers in WORKERS:
            for side in draw.sample(sides, len(sides)):
                if side.name in missing or (number >= FEW and side.name in slow):
                    continue
                try:
                    one = drain(side, jobs, workers, base, 300)
                except NotMeasuredError as error:
                    missing[side.name] = str(error)
                    continue
                found.setdefault((side, workers), []).append(one)
                if jobs / one.rate > LONG:
                    slow.add(side.name)
    rows = []
    for side in sides:
        if side.name in missing:
            print(f"{side.name} is left out: {missing[side.name]}")
            continue
        rates = {workers: statistics.median(one.rate for one in found[side, workers]) for workers in WORKERS}
        ratios = {
            workers: statistics.median(
                own.rate / peer.rate for own, peer in zip(found[OURS, workers], found[side, workers], strict=False)
            )
            for workers in WORKERS
        }
        twice = max(one.repeated for workers in WORKERS for one in found[side, workers])
        words = f"{side.durability}; killed job: {side.killed_job}" + (
            f"; ran up to {twice} jobs twice" if twice else ""
        )
        rows.append([side.name, *(f"{rates[n]:,.0f}" for n in WORKERS), *(f"{ratios[n]:.2f}" for n in WORKERS), words])
        if side.keeps and side is not OURS:
            figures = " / ".join(f"{ratios[workers]:.2f}" for workers in WORKERS)
            ahead = all(ratio > 1 for ratio in ratios.values())
            wanted(f"ours over {side.name} ({side.durability})", figures, "over 1 at 1 / 3 / 8 workers", reached=ahead)
    columns = ["", *(f"{workers}" for workers in WORKERS), *(f"ours over it, {workers}" for workers in WORKERS), ""]
    title = f"{jobs:,} no-op jobs, jobs/s with 1, 3 and 8 workers, medians of {rounds} rounds"
    table(f"{title}, or {FEW} of what takes over {LONG:g} s", columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=3000, help="beside the ceiling")
    parser.add_argument("--rounds", type=int, default=25, help="beside the ceiling")
    parser.add_argument("--peer-jobs", type=int, default=2000)
    parser.add_argument("--peer-rounds", type=int, default=15, help="0 leaves the peers out")
    parser.add_argument("--dir", type=Path, help="a folder on the filesystem to measure (else: the temporary folder)")
    options = parser.parse_args()
    print(f"SQLite {apsw.sqlite_lib_version()} (apsw) here, {sqlite3.sqlite_version} (Python's) in the peers")
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.dir))
    try:
        against_the_ceiling(base, options.jobs, options.rounds)
        if options.peer_rounds:
            against_the_peers(base, options.peer_jobs, options.peer_rounds)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
