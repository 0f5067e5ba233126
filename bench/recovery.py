"""Seconds from `kill -9` of a worker in mid-job until the job runs again: jobrunner beside others at their defaults.

Each side has three workers and one job, which lasts longer than we watch. Killed is the process that runs the job and,
where each worker is a program of its own, that program; of jobrunner it is the worker, two processes above the handler.
A program that ends is started again at once, as systemd would. jobrunner takes several rounds by itself, then all
others are watched at the same time, once.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import marks
from drain import fill, place, session_of, start, started, variables
from processes import parent
from report import table, wanted
from servers import NotMeasuredError, wait_until
from sides import CELERY, DRAMATIQ, HUEY, PROCRASTINATE, RQ, WHOLE, Side

PEERS = [HUEY, RQ, CELERY, DRAMATIQ, PROCRASTINATE]
WORKERS = 3
LOOK_SECONDS = 0.1


def until_it_runs_again(side: Side, base: Path, watched: float) -> float | None:
    """Return the seconds, None where it did not run again while it was watched. Raises NotMeasuredError."""
    with place(base) as (folder, marked), side.serve(folder) as url:
        environment = variables(folder, marked, url, seconds=2 * watched)
        fill(side, folder, 1, environment)
        commands = side.commands(folder, url, WORKERS)
        with started(commands, folder, environment) as programs:
            wait_until(lambda: marks.count(marked) == 1, f"{side.name} did not start its job")
            time.sleep(1)
            [first] = marks.read(marked)
            killed_at = time.monotonic()
            for pid in victims(side, first.pid):
                os.kill(pid, signal.SIGKILL)
            while marks.count(marked) == 1 and time.monotonic() - killed_at < watched:
                time.sleep(LOOK_SECONDS)
                restart(programs, commands, folder, environment)
            found = marks.read(marked)
    return found[1].started_at - killed_at if len(found) > 1 else None


def victims(side: Side, job: int) -> set[int]:
    """Return the processes to kill, given the one that runs the job."""
    if side is WHOLE:
        return {parent(parent(job))}
    if side.is_one_program:
        return {job}
    program = session_of(job)
    assert program is not None
    return {job, program}


def restart(
    programs: list[subprocess.Popen[bytes]], commands: list[list[str]], folder: Path, environment: dict[str, str]
) -> None:
    for number, program in enumerate(programs):
        if program.poll() is not None:
            programs[number] = start(commands[number], folder, environment)


def in_words(side: Side, base: Path, watched: float) -> str:
    try:
        seconds = until_it_runs_again(side, base, watched)
    except NotMeasuredError as error:
        return f"left out: {error}"
    return f"not within {watched:g} s" if seconds is None else f"{seconds:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of jobrunner")
    parser.add_argument("--seconds", type=float, default=60, help="how long each is watched")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-"))
    try:
        ours = [until_it_runs_again(WHOLE, base, options.seconds) or float("inf") for _ in range(options.rounds)]
        with ThreadPoolExecutor() as pool:
            theirs = list(pool.map(partial(in_words, base=base, watched=options.seconds), PEERS))
    finally:
        shutil.rmtree(base)
    median = statistics.median(ours)
    wanted("a job runs again after kill -9 of its worker", f"{median:.2f} s", "under 1 s", reached=median < 1)
    rows = [[WHOLE.name, f"{median:.2f} s", f"{min(ours):.2f} to {max(ours):.2f} s in {options.rounds} rounds"]]
    rows += [[side.name, words, side.killed_job] for side, words in zip(PEERS, theirs, strict=True)]
    table(f"until a killed job runs again, {WORKERS} workers", ["", "seconds", "the killed job"], rows)


if __name__ == "__main__":
    main()
