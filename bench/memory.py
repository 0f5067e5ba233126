"""The memory of `jobrunner run -n 3`, idle and right after work, and whether a worker grows over 100,000 jobs.

PSS: a page that several processes share counts in each by its share, so the sum is what the machine has to have. The
handler is a command, so that each worker has its guard. Growth is that of one worker's real loop and store, with an
attempt that does nothing.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import marks
from drain import fill, place, started, variables
from packages import make_packages
from processes import children, descendants, pss
from report import table, wanted
from servers import wait_until
from sides import OURS

WORKERS = 3
SETTLED_SECONDS = 2.0  # after which what has just started is idle
SPARE = 1000  # jobs behind the last one measured, so that its worker still lives


def of_the_whole(base: Path, packages: int) -> None:
    home = base / "home"
    (home / "inbox").mkdir(parents=True)
    (home / "jobrunner.toml").write_text('[process]\ncommand = ["true"]\n')
    make_packages(base / "packages", packages)
    command = [sys.executable, "-m", "jobrunner", "--home", str(home), "run", "-n", str(WORKERS)]
    rows = []
    with started([command], home, dict(os.environ)) as [supervisor]:
        wait_until(lambda: len(workers(supervisor.pid)) == WORKERS, "the workers did not start")
        time.sleep(SETTLED_SECONDS)
        rows.append(row_of(supervisor.pid, "idle"))
        for package in (base / "packages").iterdir():
            package.rename(home / "inbox" / package.name)
        wait_until(lambda: len(os.listdir(home / "archive")) == packages, "the packages were not archived")
        rows.append(row_of(supervisor.pid, "right after work"))
    table("PSS in MB", ["", "largest worker", "largest guard", "supervisor", "scanner", "whole", ""], rows)


def row_of(supervisor: int, state: str) -> list[str]:
    found = workers(supervisor)
    own = max(map(pss, found))
    guard = max(pss(child) for worker in found for child in children(worker))
    [scanner] = set(children(supervisor)) - set(found)
    whole = pss(supervisor) + sum(map(pss, descendants(supervisor)))
    wanted(f"a worker's own memory, {state}", f"{own:.1f} MB", "at most 30 MB", reached=own <= 30)
    wanted(f"the whole of run -n {WORKERS}, {state}", f"{whole:.1f} MB", "at most 100 MB", reached=whole <= 100)
    return [state, *(f"{size:.1f}" for size in (own, guard, pss(supervisor), pss(scanner), whole)), ""]


def workers(supervisor: int) -> list[int]:
    """Return the children that have a guard."""
    return [pid for pid in children(supervisor) if children(pid)]


def growth(base: Path, jobs: int) -> None:
    with place(base) as (folder, marked):
        environment = variables(folder, marked, None)
        fill(OURS, folder, jobs + SPARE, environment)
        sizes = {}
        with started(OURS.commands(folder, None, 1), folder, environment) as [worker]:
            for count in (jobs // 10, jobs):
                wait_until(lambda: marks.count(marked) >= count, f"{count} jobs were not done", 600)  # noqa: B023
                sizes[count] = pss(worker.pid)
    (early, before), (late, after) = sizes.items()
    grown = after - before
    what = f"growth from {early:,} to {late:,} jobs"
    wanted(what, f"{grown:.2f} MB", "at most 1 MB", reached=grown <= 1)
    print(f"a worker after {early:,} jobs: {before:.1f} MB, after {late:,}: {after:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=300, help="small ones, the work after which memory is measured")
    parser.add_argument("--jobs", type=int, default=100_000)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-"))
    try:
        of_the_whole(base, options.packages)
        growth(base, options.jobs)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
