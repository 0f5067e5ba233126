"""Many real processes on one store: each job goes to exactly one, nobody waits for ever, the oldest goes first."""

import multiprocessing
import time
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from jobrunner.domain.job import Details, Outcome, State
from jobrunner.domain.moment import Moment
from jobrunner.domain.retry import Decision
from jobrunner.linux.processes import Process
from jobrunner.store.database import Database
from jobrunner.store.migrations import migrate
from jobrunner.store.store import Store

SPAWN = multiprocessing.get_context("spawn")

#: When a job was claimed (time.monotonic within the transaction), and its id.
Claim = tuple[float, int]


def present() -> Moment:
    return Moment(time.time(), time.time())


def _open(path: Path) -> Store:
    store = Store(Database(path), max_wait=60)
    store.open()
    return store


def _queue(path: Path, count: int) -> None:
    store = _open(path)
    migrate(store.database)
    with store.write():
        assert store.queue.enqueue((f"p{number:05}" for number in range(count)), time.time()) == count
    store.close()


def _work(path: Path, number: int, start: Barrier, answer: Connection, put_off: bool) -> None:
    """A worker with nothing to do on its jobs: claim, then complete and claim the next in one transaction.

    With `put_off` it gives back each job once, at its first attempt.
    """
    claims: list[Claim] = []
    try:
        store = _open(path)
        with store.write():
            worker = store.workers.register(f"token-{number}", "supervisor", Process.own(), time.time())
        start.wait()
        job = None
        while True:
            with store.write():
                if job and put_off and job.attempt == 1:
                    decision = Decision(1, 0, 0, 0, reason="once more")
                    store.queue.requeue(job, Outcome.FAILED, decision, present())
                elif job:
                    store.queue.complete(job, Details(), time.time())
                job = store.queue.claim(worker, present())
                if job:
                    claims.append((time.monotonic(), job.id))
            if job is None and not store.jobs.any_pending():
                break
        store.close()
        answer.send(claims)
    except BaseException as error:
        answer.send(f"{type(error).__name__}: {error}")
        raise


def _run(path: Path, workers: int, *, put_off: bool = False) -> list[list[Claim]]:
    """Run so many processes until nothing is left, and return what each claimed."""
    start = SPAWN.Barrier(workers)
    answers, processes = [], []
    for number in range(workers):
        ours, theirs = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=_work, args=(path, number, start, theirs, put_off))
        process.start()
        theirs.close()
        answers.append(ours)
        processes.append(process)
    try:
        claims: list[list[Claim] | str] = [answer.recv() if answer.poll(90) else "no answer" for answer in answers]
    finally:
        for process in processes:
            process.kill()
            process.join()
    assert [claim for claim in claims if isinstance(claim, str)] == []
    return [claim for claim in claims if not isinstance(claim, str)]


def _attempts(path: Path) -> list[tuple[int, int, str]]:
    database = Database(path)
    database.open()
    rows = database.rows("SELECT job_id, number, outcome FROM attempts ORDER BY job_id, number")
    database.close()
    return [(row["job_id"], row["number"], row["outcome"]) for row in rows]


def test_eight_processes_claim_each_of_2000_jobs_exactly_once_and_the_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    _queue(path, 2000)
    claims = sorted(claim for of_one in _run(path, 8) for claim in of_one)
    assert [job_id for _, job_id in claims] == list(range(1, 2001))
    assert _attempts(path) == [(job_id, 1, "done") for job_id in range(1, 2001)]
    store = _open(path)
    assert store.jobs.counts(present()) == {"queued": 0, "waiting": 0, "running": 0, "done": 2000, "failed": 0}
    assert store.jobs.held_by(1) == []
    store.close()


def test_three_workers_get_fair_shares(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    _queue(path, 900)
    shares = [len(claims) for claims in _run(path, 3)]
    assert sum(shares) == 900
    assert min(shares) / max(shares) > 0.5, shares


def test_jobs_that_are_given_back_keep_their_place_and_are_claimed_once_more(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    _queue(path, 200)
    claims = sorted(claim for of_one in _run(path, 4, put_off=True) for claim in of_one)
    order = [job_id for _, job_id in claims]
    assert sorted(order) == sorted([*range(1, 201)] * 2)
    first_seen = list(dict.fromkeys(order))
    assert all(earlier < later for earlier, later in pairwise(first_seen))
    assert _attempts(path) == [
        (job_id, number, outcome) for job_id in range(1, 201) for number, outcome in ((1, "failed"), (2, "done"))
    ]


def test_scanners_that_find_the_same_packages_at_once_queue_each_once(tmp_path: Path) -> None:
    scanners = 6
    path = tmp_path / "jobs.db"
    _queue(path, 0)
    start = SPAWN.Barrier(scanners)
    processes = [SPAWN.Process(target=_enqueue, args=(path, start)) for _ in range(scanners)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * scanners
    store = _open(path)
    assert store.jobs.counts(present())["queued"] == 300
    known = store.jobs.known(f"p{number:05}" for number in range(300))
    assert sorted(known, key=lambda name: known[name].id) == [f"p{number:05}" for number in range(300)]
    assert {job.state for job in known.values()} == {State.QUEUED}
    store.close()


def _enqueue(path: Path, start: Barrier) -> None:
    store = _open(path)
    start.wait()
    for first in range(0, 300, 10):
        with store.write():
            store.queue.enqueue((f"p{number:05}" for number in range(first, first + 10)), time.time())
    store.close()
