"""What a claim, `jobrunner status`, a rescan and a first scan cost with 1,000 to 1,000,000 done jobs in the database.

The done jobs are written with SQL, spread over the last 30 days. The inbox holds 100,000 packages (folders with an
empty zip), new ones for the first scan and queued ones from then on. Claims, each with the completion of the job
before, take turns between the databases; everything else is the median of its rounds. Ten patterns of names are
ignored in the inbox. `status` is the whole program, its start included, and then the queries and the survey of the
inbox alone.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from plot import drawing
from report import table, wanted

from jobrunner.domain.envelope import Emit
from jobrunner.domain.job import Details
from jobrunner.domain.role import Role
from jobrunner.linux.processes import Process
from jobrunner.wiring.home import Home, load_settings, open_home

SIZES = (1_000, 100_000, 1_000_000)
DAYS = 30 * 86400

#: What is measured, by its name in the plots.
Costs = dict[str, list[float]]

_FILL_JOBS = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO jobs (name, likeness, state, position, attempt, created_at, finished_at)
SELECT
    CAST(printf('done-%07d', n) AS BLOB), CAST(printf('done-%07d', n) AS BLOB), 'done', n, 1, :now - 60,
    :now - :span * (1 - n * 1.0 / :count)
FROM numbers
"""
_EMPTY_ZIP = b"PK\5\6" + bytes(18)
_IGNORED = ["*.log", "*.tmp", "~*", "old", "test-*", "*.bak", "*.swp", "backup", "*[0-9].part", "trash-?"]
_FILL_ATTEMPTS = """
INSERT INTO attempts (job_id, number, worker_id, started_at, ended_at, outcome, extract_seconds, archive_seconds)
SELECT id, 1, :worker_id, finished_at - 1, finished_at, 'done', 0.5, 0.5 FROM jobs
"""


def make_home(folder: Path, inbox: Path, done: int) -> Home:
    """Return an open home with this many done jobs and somebody else's inbox."""
    folder.mkdir()
    toml = f"[folders]\ninbox = {json.dumps(str(inbox))}\n[intake]\nignore = {json.dumps(_IGNORED)}\n"
    (folder / "jobrunner.toml").write_text(toml)
    home = open_home(load_settings(folder), Emit(Role.COMMAND))
    now = time.time()
    with home.store.write():
        worker_id = home.store.workers.register("bench", "bench", Process.own(), now)
        home.store.database.execute(_FILL_JOBS, {"count": done, "now": now, "span": DAYS})
        home.store.database.execute(_FILL_ATTEMPTS, {"worker_id": worker_id})
        home.store.workers.end(worker_id, now)
    return home


def fill_inbox(inbox: Path, count: int) -> None:
    inbox.mkdir()
    for number in range(count):
        deliver(inbox, f"package-{number:06}")


def deliver(inbox: Path, name: str) -> None:
    """Deliver a package with an empty zip, under its name once it is whole."""
    arriving = inbox / f".{name}"
    arriving.mkdir()
    (arriving / f"{name}.zip").write_bytes(_EMPTY_ZIP)
    arriving.rename(inbox / name)


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def median(run: Callable[[], object], rounds: int) -> float:
    return statistics.median(timed(run) for _ in range(rounds))


def show_status(home: Home) -> None:
    command = [sys.executable, "-m", "jobrunner", "--home", str(home.settings.home), "status"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def query(home: Home) -> None:
    """Ask the database what `status` asks it."""
    now, jobs = home.store.now(), home.store.jobs
    jobs.counts(now)
    jobs.oldest()
    jobs.done_within(60, now)
    jobs.done_within(3600, now)
    jobs.running(now)
    jobs.waiting(1000)
    jobs.failed(5000)
    jobs.lookalikes(now.wall - 86400, 1000)


def claims(homes: list[Home], count: int, rounds: int) -> list[list[float]]:
    """Return the seconds of claims in each home, which take turns."""
    workers = []
    for home in homes:
        with home.store.write():
            worker_id = home.store.workers.register("claims", "bench", Process.own(), time.time())
            workers.append((home, worker_id, home.store.queue.claim(worker_id, home.store.now())))
    costs: list[list[float]] = [[] for _ in homes]
    for number in range(rounds + 1):
        for place, (home, worker_id, job) in enumerate(workers):
            for _ in range(count):
                assert job is not None
                start = time.perf_counter()
                with home.store.write():
                    now = home.store.now()
                    home.store.queue.complete(job, Details(), now.wall)
                    job = home.store.queue.claim(worker_id, now)  # noqa: PLW2901
                if number:  # the first round warms up
                    costs[place].append(time.perf_counter() - start)
            workers[place] = home, worker_id, job
    return costs


def measure(base: Path, sizes: list[int], packages: int, rounds: int) -> Costs:
    """Return the cost of each thing with each number of done jobs, in seconds."""
    inbox = base / "inbox"
    fill_inbox(inbox, packages)
    homes = [make_home(base / f"{size}", inbox, size) for size in sizes]
    os.sync()
    costs: Costs = {}
    costs[f"scan of {packages:,} new packages"] = [timed(home.intake.scan) for home in homes]
    costs[f"rescan of {packages:,} queued packages"] = [median(home.intake.scan, rounds) for home in homes]
    costs["status, whole program"] = [median(lambda: show_status(home), rounds) for home in homes]  # noqa: B023
    costs["status, its queries"] = [median(lambda: query(home), rounds) for home in homes]  # noqa: B023
    costs["status, its survey of the inbox"] = [median(home.intake.survey, rounds) for home in homes]
    costs["claim and completion"] = [statistics.median(found) for found in claims(homes, 100, rounds * 4)]
    for home in homes:
        home.store.close()
    return costs


def judge(costs: Costs) -> None:
    scan, rescan, status, _, _, claim = costs.values()
    growth = max(claim) / claim[0]
    wanted("cost of a claim, largest over smallest database", f"{growth:.2f}", "at most 1.20", reached=growth <= 1.2)
    wanted("status, start to end", f"{max(status):.2f} s", "under 0.3 s", reached=max(status) < 0.3)
    wanted("rescan of the known packages", f"{max(rescan):.2f} s", "under 1 s", reached=max(rescan) < 1)
    wanted("scan of the new packages", f"{max(scan):.2f} s", "under 5 s", reached=max(scan) < 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of done jobs")
    parser.add_argument("--packages", type=int, default=100_000, help="in the inbox")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plot", type=Path, help="where to draw the costs against the sizes, as SVG")
    parser.add_argument("--dir", type=Path, help="a folder on the filesystem to measure (else: the temporary folder)")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.dir))
    try:
        costs = measure(base, options.sizes, options.packages, options.rounds)
    finally:
        shutil.rmtree(base)
    judge(costs)
    rows = [[name, *(f"{second * 1000:,.2f}" for second in seconds), ""] for name, seconds in costs.items()]
    columns = ["ms", *(f"{size:,} done" for size in options.sizes), ""]
    table(f"medians of {options.rounds} rounds; synchronous=FULL", columns, rows)
    if options.plot:
        options.plot.write_text(drawing(options.sizes, costs))


if __name__ == "__main__":
    main()
