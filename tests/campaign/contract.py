"""What the contract promises, verified on a home: the campaigns ask here what they have found broken.

Each check returns the violations in words; none is good.
"""

import hashlib
import json
import os
import secrets
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from jobrunner.files.delivery import Source
from jobrunner.linux import at
from tests.scripts import Note, journal
from tests.support import TestHome, processes_of

HANDLER = Path(__file__).with_name("handler.py")
#: Plans of which the package is to end in failed/; all others are to be done. "broken zip": no handler ever runs.
#: "waits": it never ends, and is to be cancelled. "no handler": none is configured. "rejects later": but at first it is
#: done.
FAILING = frozenset({"rejects", "rejects later", "fails", "broken zip", "waits", "later, then waits"})

#: Where notices go in the folder of the evidence, if they go anywhere.
TOLD = "told"

Tree = dict[str, bytes]
Row = dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    """A package as its sender made it: all files with the zip, and the zip's members. The plan is the handler's.

    `job` is the name of its job, and of its folder in the archive.
    """

    name: str
    plan: str
    files: Tree
    members: Tree
    job: str


def prepare(home: TestHome, evidence: Path, more: str = "", *, max_attempts: int = 3) -> None:
    """Configure the campaigns' handler, which writes its journal into the folder `evidence`. `more` is TOML source."""
    evidence.mkdir(exist_ok=True)
    words = f'"{sys.executable}", "-I", "-S", "{HANDLER}", "{evidence}"'
    home.configure(
        f'[intake]\nbroken_after = "0s"\n[process]\ncommand = [{words}]\n'
        f'[retry]\nbackoff = "0.05s"\nmax_backoff = "0.5s"\nmax_attempts = {max_attempts}\n{more}'
    )


def deliver(
    home: TestHome,
    name: str,
    plan: str = "is quick",
    *,
    files: int = 3,
    size: int = 2000,
    mode: int = 0o644,
    zip_name: str = "",
    job: str = "",
) -> Delivery:
    """Put a package into the inbox, of so many members of so many bytes, which never were there before.

    `mode` is the zip's: where others may write to it, jobrunner makes a copy. `zip_name`: if it is not called NAME.zip.
    `job`: if its job is not called as it is.
    """
    folder = home.inbox.parent
    sender = (folder if folder != home.path else home.path.parent) / "sender"  # on the inbox's filesystem
    sender.mkdir(exist_ok=True)
    members = {f"folder/{number}.bin": secrets.token_bytes(size) for number in range(files)}
    members["plan.txt"] = plan.encode("ascii")
    package = home.package(
        name, members, {"folder/note.txt": b"of the sender", "id": secrets.token_bytes(8)}, folder=sender
    )
    if plan == "broken zip":
        zip_path = package / f"{name}.zip"
        zip_path.write_bytes(zip_path.read_bytes()[:-30])
    (package / f"{name}.zip").chmod(mode)
    (package / f"{name}.zip").rename(package / (zip_name or f"{name}.zip"))
    delivery = Delivery(name, plan, tree_of(package), members, job or name)
    package.rename(home.inbox / name)
    return delivery


def whole(home: TestHome, deliveries: Iterable[Delivery]) -> list[str]:
    """What must hold at any instant, also after a kill, while nobody works: each package is whole in some place."""
    return [f"{delivery.job} is nowhere" for delivery in deliveries if not places(home, delivery)]


def at_rest(
    home: TestHome,
    deliveries: Iterable[Delivery],
    evidence: Path,
    recorded: Mapping[str, float] | None = None,
    kept: Collection[str] = (),
) -> list[str]:
    """What must hold when all is drained and nobody works.

    `recorded` says of packages at what time.monotonic() their handler's success was seen to be recorded. `kept` are
    jobs that had been done before.
    """
    deliveries = list(deliveries)
    found = _rests(home)
    jobs = {os.fsdecode(job["name"]): job for job in rows(home, "SELECT * FROM jobs")}
    found += [
        f"there is a job {name} that nobody delivered"
        for name in jobs.keys() - {each.job for each in deliveries} - set(kept)
    ]
    notes = journal(evidence)
    attempts = rows(home, "SELECT * FROM attempts")
    found += _totals(home)
    if (evidence / TOLD).exists():
        found += _untold(home, deliveries, (evidence / TOLD).read_text())
    for delivery in deliveries:
        job = jobs.get(delivery.job)
        if job is None:
            found.append(f"{delivery.job} has no job")
            continue
        mine = [note for note in notes if note.package == delivery.name]
        theirs = [attempt for attempt in attempts if attempt["job_id"] == job["id"]]
        outcomes = [attempt["outcome"] for attempt in theirs]
        problems = _logs(home, delivery.job, job, theirs)
        problems += _ending(home, delivery, job, outcomes, mine)
        problems += _handlers(delivery, mine, (recorded or {}).get(delivery.name))
        found += [f"{delivery.job} ({delivery.plan}, {job['state']}): {problem}" for problem in problems]
    known = {os.fsdecode(job["failed_name"]) for job in jobs.values() if job["failed_name"] is not None}
    found += [f"failed/{name} belongs to no job" for name in set(os.listdir(home.failed)) - known]
    found += [f"archive/{name} belongs to no job" for name in set(os.listdir(home.archive)) - jobs.keys()]
    return found


def places(home: TestHome, delivery: Delivery) -> list[Path]:
    """Return where the package lies whole, with each of its sender's files."""
    name, job = delivery.name, delivery.job
    some = [home.inbox / name, *home.inbox.glob(".jobrunner-taken-*"), home.archive / job, home.failed / job]
    some += [*home.failed.glob(f"{job}~*"), *([home.archive / name] if job != name else [])]
    parts = ("package", "copied", "delivered", "original-*")
    some += [path for part in parts for path in home.work.glob(f"*-*/{part}")]
    found = [place for place in some if place.is_dir() and delivery.files.items() <= tree_of(place).items()]
    for flushed in home.work.glob("*-*/flushed"):  # the sender's files go there from `package` one by one
        package = flushed.with_name("package")
        if package not in found and delivery.files.items() <= (tree_of(flushed) | tree_of(package)).items():
            found.append(flushed)
    return found


def renew_sources(home: TestHome) -> None:
    """Have the records of what was copied name the folders that stand for those in a home that was laid out again."""
    for record in home.work.glob("*-*/source"):
        hidden_name = record.read_text().split()[-1] if record.read_text() else ""
        delivered = [*home.inbox.glob(hidden_name or "nothing"), *home.inbox.glob("[!.]*")]
        if hidden_name and delivered:
            descriptor = os.open(delivered[0], os.O_RDONLY)
            record.write_text(str(Source(at.identity(descriptor), hidden_name)))
            os.close(descriptor)


def tree_of(folder: Path) -> Tree:
    """Return the files below a folder, by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(home: TestHome, sql: str) -> list[Row]:
    """Return what a query finds in the home's database."""
    with closing(apsw.Connection(str(home.path / "jobrunner.db"), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        connection.set_busy_timeout(10_000)  # who closes it last has it alone for a moment
        connection.row_trace = lambda cursor, values: dict(
            zip([name for name, _ in cursor.getdescription()], values, strict=True)
        )
        return list(connection.execute(sql))


def _rests(home: TestHome) -> list[str]:
    """What is left of work, in folders, database and processes."""
    found = [f"work/{name} is left" for name in os.listdir(home.work) if name not in {".workers", ".home", ".kept"}]
    found += [f"work/.workers/{name} is left" for name in os.listdir(home.work / ".workers")]
    found += [f"inbox/{name} is left" for name in os.listdir(home.inbox)]
    found += [f"process {pid} is left" for pid in processes_of(home)]
    for worker in rows(home, "SELECT * FROM workers WHERE ended_at IS NULL"):
        found.append(f"worker {worker['pid']} has no end in the database")
    for attempt in rows(home, "SELECT * FROM attempts WHERE ended_at IS NULL"):
        found.append(f"attempt {attempt['number']} at job {attempt['job_id']} has no end in the database")
    damages = [row["integrity_check"] for row in rows(home, "PRAGMA integrity_check")]
    found += [f"the database is damaged: {damage}" for damage in damages if damage != "ok"]
    return found


def _untold(home: TestHome, deliveries: Iterable[Delivery], told: str) -> list[str]:
    """Failures that nobody has been told of, or is going to be told of."""
    to_tell = {os.fsdecode(row["name"]) for row in rows(home, "SELECT name FROM unnoticed_failures")}
    told += "".join(row["document"] for row in rows(home, "SELECT document FROM notices WHERE given_up_at IS NULL"))
    failed = (each.job for each in deliveries if each.plan in FAILING)
    return [f"nobody is told of {name}" for name in failed if name not in to_tell and f'"{name}"' not in told]


def _totals(home: TestHome) -> list[str]:
    """Whether the totals count each attempt that has ended once, and those that were pruned, too."""
    counted = "SELECT outcome, sum(attempts) AS attempts, sum(jobs) AS jobs FROM outcome_totals GROUP BY outcome"
    ended = """
        SELECT outcome, count(*) AS attempts, sum(is_final OR outcome = 'done') AS jobs FROM attempts
        WHERE ended_at IS NOT NULL GROUP BY outcome
    """
    totals, recorded = (
        {row["outcome"]: Counter(attempts=row["attempts"], jobs=row["jobs"]) for row in rows(home, sql)}
        for sql in (counted, ended)
    )
    (pruned,) = rows(home, "SELECT total(attempt) AS attempts FROM jobs WHERE attempts_pruned_at IS NOT NULL")
    sums = [sum(counts["attempts"] for counts in some.values()) for some in (totals, recorded)]
    agree = (
        totals == recorded
        if not pruned["attempts"]
        else all(counts <= totals.get(outcome, Counter()) for outcome, counts in recorded.items())
    )
    return (
        []
        if agree and sums[0] == sums[1] + pruned["attempts"]
        else [f"the totals are {totals}, the attempts {recorded}, of which {pruned['attempts']} were pruned"]
    )


def _logs(home: TestHome, name: str, job: Row, attempts: list[Row]) -> list[str]:
    """Whether the logs are there, unless they were pruned."""
    wanted = {f"{each['number']}.log" for each in attempts if each["handle_seconds"] is not None}
    folder = home.logs / name
    if job["logs_pruned_at"]:
        return ["its logs were pruned, and are there"] if folder.exists() else []
    return [f"its log {log} is gone" for log in wanted if not (folder / log).exists()]


def _ending(home: TestHome, delivery: Delivery, job: Row, outcomes: list[str], notes: list[Note]) -> list[str]:
    """How one package ended, in its row and in the folders."""
    # what the package was copied from is swept with the rest of work, and `_rests` tells of it
    source = home.archive / delivery.name if delivery.job != delivery.name else None
    lies = [place for place in places(home, delivery) if place != source and not place.name.startswith("original-")]
    if job["state"] == "done":
        wanted = home.archive / delivery.job
        found = ["it should have failed"] if delivery.plan in FAILING else []
        found += archived(wanted, delivery, notes)
    elif job["state"] == "failed":
        wanted = home.failed / os.fsdecode(job["failed_name"] or b"?")
        crashed = outcomes.count("crashed") >= 3
        found = [] if crashed or delivery.plan in FAILING else [f"it should be done: {job['error']}"]
        found += _failed(wanted, delivery, job)
    else:
        return ["it has not ended"]
    if lies != [wanted]:
        found.append(
            f"it lies in {[os.path.relpath(place, home.path) for place in lies]}, not just in {wanted.parent.name}"
        )
    return found


def archived(folder: Path, delivery: Delivery, notes: list[Note]) -> list[str]:
    tree = tree_of(folder)
    found = _receipt(tree.pop(".jobrunner.json", b"{}"), delivery)
    by = tree.get("by.txt", b"").decode("ascii", "replace")
    successes = {f"{note.package} {note.attempt} {note.pid}" for note in notes if note.word == "succeeded"}
    wanted = delivery.files | delivery.members
    if delivery.plan == "no handler":
        successes.add("")
    else:
        wanted |= {"by.txt": by.encode("ascii", "replace"), "result/out.txt": delivery.name.encode("ascii") * 1000}
    found += [
        f"its archive differs in {name}"
        for name in sorted(wanted.keys() | tree.keys())
        if wanted.get(name) != tree.get(name)
    ]
    if by not in successes:
        found.append(f"what is archived was written by {by!r}, which is no run that succeeded")
    return found


def _receipt(text: bytes, delivery: Delivery) -> list[str]:
    """What the receipt in the archive says."""
    zips = {name: content for name, content in delivery.files.items() if name.lower() == f"{delivery.name}.zip"}
    wanted = {
        "package": delivery.name,
        "name": delivery.job,
        "zip_sha256": hashlib.sha256(*zips.values()).hexdigest(),
        "sender_files": sorted(delivery.files),
    }
    try:
        said = json.loads(text)
    except ValueError:
        return [f"its receipt says {text!r}"]
    said["sender_files"] = sorted(said.get("sender_files", ()))
    return [f"its receipt says {said.get(key)!r} of {key}" for key in wanted if said.get(key) != wanted[key]]


def _failed(folder: Path, delivery: Delivery, job: Row) -> list[str]:
    tree = tree_of(folder)
    if delivery.job != delivery.name:
        tree.pop(".jobrunner.json", None)
    words = tree.pop(job["error_name"] or "?", b"").decode("utf-8", "replace")
    found = [] if tree == delivery.files else ["its folder in failed/ is not as it came"]
    if not words.strip() or "Traceback" in words or words.strip() != job["error"].strip():
        found.append(f"its error file says {words!r}, its row {job['error']!r}")
    return found


def _handlers(delivery: Delivery, notes: list[Note], recorded: float | None) -> list[str]:
    """What the handlers' own journal says."""
    starts = [note for note in notes if note.word == "start"]
    found = [f"attempt {note.attempt}: {note.word}" for note in notes if note.word in {"overlap", "stale"}]
    if starts and delivery.plan == "broken zip":
        found.append("a handler was started on a broken zip")
    if len({note.attempt for note in starts}) != len(starts):
        found.append("two handlers were started in one attempt")
    if recorded is not None:
        found += [f"handled already, and run again in attempt {note.attempt}" for note in starts if note.at > recorded]
    return found
