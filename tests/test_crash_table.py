"""The crash table of ARCHITECTURE.md, a test a row: killed there, the state is the row's, and a restart repairs it."""

import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from jobrunner.files.delivery import Source
from jobrunner.linux.proc import BOOT_ID
from tests.crash_driver import Kill, encoded
from tests.scripts import lives, outcomes, parent_of
from tests.support import TestHome, children_of, clean_environment, kill, processes_of, wait_until
from tests.unkillable import held_up, users_home

ROOT = Path(__file__).parent.parent
DRIVER = Path(__file__).with_name("crash_driver.py")
PATIENCE = 60.0
HANDLED = f"handled-{BOOT_ID}"
ORIGINAL = f"original-{BOOT_ID}"
DRAIN = ("work", "-n", "1", "--drain")

MEMBERS = {"a.txt": b"1\n", "b/c.txt": b"2\n", "b/e/f.txt": b"3\n", "z.bin": bytes(range(256)) * 600}
BESIDE = {"notes/sender.txt": b"as it came\n", "b/sender.txt": b"in a folder that the zip has, too\n"}

#: Says that it runs (and whether what an earlier run started still lives), then does as the plan says.
HANDLER = """
import json, os, signal, subprocess, sys
home, data = os.environ["JOBRUNNER_HOME"], sys.argv[1]
run = os.environ["JOBRUNNER_PACKAGE"] + " " + os.environ["JOBRUNNER_ATTEMPT"]

def lives(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return bool(file.read())
    except OSError:
        return False

def append(file, line):
    with open(os.path.join(home, file), "a") as file:
        file.write(line + "\\n")

with open(os.path.join(home, "started.txt"), "a+") as file:
    file.seek(0)
    beside = any(lives(pid) for pid in file.read().split())
append("ran.txt", run + (" beside an earlier one" if beside else ""))
with open(os.path.join(data, "by.txt"), "x") as file:
    file.write(run)
with open(os.path.join(home, "plan.json")) as file:
    planned = json.load(file).get(run, 0)
if planned == "wait":
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    append("started.txt", f"{os.getpid()} {child.pid}")
    while True:
        signal.pause()
if planned:
    sys.exit(planned)
os.mkdir(os.path.join(data, "result"))
for name, content in (("result/error.txt", "none"), ("error.txt", "0 errors"), ("b/out.txt", "beside the members")):
    with open(os.path.join(data, name), "x") as file:
        file.write(content)
"""
WRITTEN = {"result/error.txt": b"none", "error.txt": b"0 errors", "b/out.txt": b"beside the members"}

Tree = dict[str, bytes]


def tree_of(folder: Path) -> Tree:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def joined(flushed: Path) -> Tree:
    """The sender's files go to those of the zip one by one: what is in one of the two folders or in the other."""
    return tree_of(flushed) | tree_of(flushed.with_name("package"))


@dataclass
class Scene:
    """A home with a handler that keeps to a plan, its deliveries, and what is known of them."""

    home: TestHome
    delivered: dict[str, Tree] = field(default_factory=dict)

    def plan(self, **actions: str | int) -> None:
        """What the handler does, by package_attempt: "wait", or exit with a status. All others end well."""
        planned = {run.replace("_", " "): action for run, action in actions.items()}
        (self.home.path / "plan.json").write_text(repr(planned).replace("'", '"'), "utf-8")

    def deliver(self, name: str = "p", beside: Tree | None = None) -> Tree:
        beside = BESIDE if beside is None else beside
        package = self.home.package(name, MEMBERS, beside | {"new each time": secrets.token_bytes(20)})
        self.delivered[name] = tree_of(package)
        return self.delivered[name]

    def crash(self, *kills: Kill, words: tuple[str, ...] = DRAIN) -> int:
        """Run a command in which the kills take place; assert that they do, and return how it ended."""
        marks = Path(tempfile.mkdtemp(dir=self.home.path.parent))
        command = [sys.executable, str(DRIVER), encoded(kills), str(marks), "--home", str(self.home.path), *words]
        ended = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        expected = sorted(f"{number}-{time}" for number, each in enumerate(kills) for time in range(each.times))
        assert sorted(os.listdir(marks)) == expected, f"not killed where it should be: {ended.stderr}"
        wait_until(lambda: not processes_of(self.home))
        self.assert_nothing_is_lost()
        if not any(each.alone for each in kills):
            assert ended.returncode == -signal.SIGKILL, ended.stderr
        return ended.returncode

    def crash_beside(self, kill: Kill, words: tuple[str, ...]) -> None:
        """Run a command that is killed, while others live."""
        marks = Path(tempfile.mkdtemp(dir=self.home.path.parent))
        command = [sys.executable, str(DRIVER), encoded((kill,)), str(marks), "--home", str(self.home.path), *words]
        ended = subprocess.run(command, env=clean_environment(), capture_output=True, timeout=PATIENCE, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        self.assert_nothing_is_lost()

    def start_stopping(self, kill: Kill) -> subprocess.Popen[bytes]:
        """Start to drain, and return when a worker has stopped itself."""
        marks = Path(tempfile.mkdtemp(dir=self.home.path.parent))
        command = [sys.executable, str(DRIVER), encoded((kill,)), str(marks), "--home", str(self.home.path), *DRAIN]
        process = subprocess.Popen(command, env=clean_environment(), stderr=subprocess.DEVNULL)
        wait_until(lambda: os.listdir(marks))
        return process

    def restart(self, *words: str, code: int = 0) -> None:
        result = self.home.jobrunner(*(words or ("run", "-n", "1", "--drain")))
        assert result.returncode == code, result.stderr
        self.assert_nothing_is_lost()

    def start_waiting(self, runs: int, *words: str) -> subprocess.Popen[str]:
        """Start a command and return when the handler waits for the `runs`-th time."""
        process = self.home.start(*(words or DRAIN))
        self.wait_for_run(runs)
        return process

    def wait_for_run(self, runs: int) -> None:
        started = self.home.path / "started.txt"
        wait_until(lambda: started.exists() and len(started.read_text("ascii").splitlines()) >= runs)

    def kill_tree(self, supervisor: subprocess.Popen[str]) -> None:
        kill(supervisor.pid)
        supervisor.wait()
        wait_until(lambda: not processes_of(self.home))
        self.assert_nothing_is_lost()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        connection = apsw.Connection(str(self.home.path / "jobrunner.db"), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(10_000)  # who closes it last has it alone for a moment
        connection.row_trace = lambda cursor, values: dict(
            zip([name for name, _ in cursor.getdescription()], values, strict=True)
        )
        try:
            return list(connection.execute(sql))
        finally:
            connection.close()

    def change(self, sql: str) -> None:
        with closing(apsw.Connection(str(self.home.path / "jobrunner.db"))) as connection:
            connection.execute(sql)

    def job(self, name: str = "p") -> dict[str, Any]:
        found = [job for job in self.rows("SELECT * FROM jobs") if job["name"] == name.encode()]
        assert len(found) == 1
        return found[0]

    def outcomes(self, name: str = "p") -> list[str | None]:
        attempts = self.rows("SELECT * FROM attempts ORDER BY job_id, number")
        return [attempt["outcome"] for attempt in attempts if attempt["job_id"] == self.job(name)["id"]]

    def ran(self) -> list[str]:
        """Package and attempt of each run of the handler."""
        file = self.home.path / "ran.txt"
        return file.read_text("utf-8").splitlines() if file.exists() else []

    def workspaces(self) -> dict[str, list[str]]:
        """What each work folder holds."""
        found = [path for path in self.home.work.iterdir() if path.name not in {".home", ".workers"}]
        return {path.name: sorted(os.listdir(path)) for path in found}

    def copies(self, name: str) -> list[Path]:
        """Where a package is that has a whole zip and each of its sender's files."""
        places = [self.home.inbox / name, *self.home.inbox.glob(".jobrunner-taken-*"), self.home.archive / name]
        places += [place for part in ("package", "copied", "delivered") for place in self.home.work.glob(f"*/{part}")]
        places += [self.home.failed / name, *self.home.failed.glob(f"{name}~*")]
        whole = self.delivered[name].items()
        found = [place for place in places if place.is_dir() and whole <= tree_of(place).items()]
        joining = [place for place in self.home.work.glob("*/flushed") if whole <= joined(place).items()]
        return found + [place for place in joining if place.with_name("package") not in found]

    def assert_nothing_is_lost(self) -> None:
        for name in self.delivered:
            assert self.copies(name), f"{name} is nowhere"

    def assert_untouched(self, place: Path, name: str = "p") -> None:
        """It is there and nowhere else, as it was delivered."""
        assert self.copies(name) == [place]
        assert tree_of(place) == self.delivered[name]

    def processed(self, by: str) -> Tree:
        """What lies in the archive after the handler's run `by` (package and attempt)."""
        return self.delivered[by.split(maxsplit=1)[0]] | MEMBERS | WRITTEN | {"by.txt": by.encode()}

    def assert_archived(self, by: str, *, name: str = "p", left: tuple[str, ...] = ()) -> None:
        """The package is complete in the archive and nowhere else; nothing but `left` is in the inbox."""
        assert self.job(name)["state"] == "done"
        assert tree_of(self.home.archive / name) == self.processed(by)
        assert self.copies(name) == [self.home.archive / name]
        assert sorted(os.listdir(self.home.inbox)) == list(left)
        self.assert_at_rest()

    def assert_failed(self, *, name: str = "p", error: str) -> None:
        """The package is in failed/ as it came, with one error.txt, and nowhere else."""
        job = self.job(name)
        assert (job["state"], job["condemned"], job["failed_name"]) == ("failed", 0, name.encode())
        tree = tree_of(self.home.failed / name)
        ours = tree.pop(job["error_name"]).decode()
        assert error in ours
        assert ours == f"{job['error']}\n"
        assert tree == self.delivered[name]
        assert os.listdir(self.home.failed) == [name]
        assert self.copies(name) == [self.home.failed / name]
        assert os.listdir(self.home.inbox) == []
        self.assert_at_rest()

    def assert_at_rest(self) -> None:
        assert sorted(os.listdir(self.home.work)) == [".home", ".workers"]
        assert processes_of(self.home) == []
        assert self.rows("SELECT * FROM workers WHERE ended_at IS NULL") == []
        assert self.rows("SELECT * FROM attempts WHERE ended_at IS NULL") == []


@pytest.fixture
def scene(home: TestHome) -> Scene:
    home.handler(HANDLER, retry='backoff = "0.01s"')
    made = Scene(home)
    made.plan()
    return made


@dataclass(frozen=True)
class Step:
    """A row from the claim to `done`: where the kill is, what is there then, and in which attempts the handler runs."""

    kill: Kill
    at: str
    workspace: list[str] | None
    ran_before: int
    ran: tuple[str, ...]


MOVES = "jobrunner.files.moves"
ONCE = ("p 1",)
LATER = ("p 2",)
AGAIN = ("p 1", "p 2")

RENAME = "jobrunner.linux.at.rename_new"  # of one folder that is held open, and the name in it, to another
MERGING = Kill(RENAME, matching=r"^\d+ (\S.*) \d+ \1$")
CLAIMED = Step(Kill("commit of claim"), "inbox", None, 0, LATER)
HANDLED_STEP = Step(Kill("os.rename", matching="/handled-"), "work", [HANDLED, "package"], 1, ONCE)
STEPS = {
    "row-03-claim": CLAIMED,
    "row-04-mkdir": Step(Kill("os.mkdir", matching=r"work/1-1 "), "inbox", [], 0, LATER),
    "row-05-rename-to-package": Step(Kill(RENAME, matching=r"^\d+ p -100 \S+/package$"), "work", ["package"], 0, LATER),
    "row-06-part-of-the-extraction": Step(
        Kill("os.open", matching=r"/data-1/b/c\.txt"), "work", ["data-1", "package"], 0, LATER
    ),
    "row-08-handler-ended-well": Step(
        Kill("os.rename", "before", matching="/handled-"), "work", ["data-1", "package"], 1, AGAIN
    ),
    "row-09-rename-to-handled": HANDLED_STEP,
    "row-09-syncfs-before-the-rename": replace(HANDLED_STEP, kill=Kill(f"{MOVES}.Watch.flush")),
    "row-10-rename-to-flushed": Step(Kill("os.rename", matching="/flushed$"), "work", ["flushed", "package"], 1, ONCE),
    "row-11-part-of-the-merge": Step(replace(MERGING, call=2), "merging", ["flushed", "package"], 1, ONCE),
    "row-11-all-of-the-merge": Step(Kill("os.rename", matching="/emptied$"), "merged", ["emptied", "flushed"], 1, ONCE),
    "row-12-rename-to-archive": Step(
        Kill(f"{MOVES}.rename_new", matching="/archive/p$"), "archive", ["emptied"], 1, ONCE
    ),
    "row-13-fsync-of-archive": Step(
        Kill(f"{MOVES}.flush_directory", matching="/archive$"), "archive", ["emptied"], 1, ONCE
    ),
    "row-13-complete-not-committed": Step(Kill("commit of complete", "before"), "archive", ["emptied"], 1, ONCE),
}
FOREIGN = {
    "row-34-rename-to-delivered": Step(Kill("os.rename", matching="/delivered$"), "delivered", ["delivered"], 0, LATER),
    "row-35-part-of-the-copy": Step(
        Kill("jobrunner.linux.at.new_file", call=2), "delivered", ["copying", "delivered"], 0, LATER
    ),
    "row-36-rename-of-the-copy": Step(
        Kill("os.rename", matching="/package$"), "delivered", ["delivered", "package"], 0, LATER
    ),
    "row-37-rename-to-original": Step(
        Kill("os.rename", matching="/original-"), "work", [ORIGINAL, "package"], 0, LATER
    ),
    "row-09-of-a-copy": replace(HANDLED_STEP, workspace=[HANDLED, ORIGINAL, "package"]),
    "row-11-of-a-copy": Step(replace(MERGING, call=2), "merging", ["flushed", ORIGINAL, "package"], 1, ONCE),
    "row-12-of-a-copy": Step(
        Kill(f"{MOVES}.rename_new", matching="/archive/p$"), "archive", ["emptied", ORIGINAL], 1, ONCE
    ),
    "row-14-of-a-copy": Step(Kill("commit of complete", "before"), "archive", ["emptied", ORIGINAL], 1, ONCE),
}
each_step = pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in STEPS.items()])


@each_step
def test_killed_with_its_whole_tree_a_step_is_taken_up_where_the_table_says(scene: Scene, step: Step) -> None:
    scene.deliver()
    scene.crash(step.kill, words=("run", "-n", "1", "--drain"))
    job = scene.job()
    assert (job["state"], job["attempt"], job["condemned"]) == ("running", 1, 0)
    assert scene.workspaces() == ({} if step.workspace is None else {"1-1": step.workspace})
    assert len(scene.ran()) == step.ran_before
    assert_lies_at(scene, step.at)
    scene.restart()
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)
    assert scene.outcomes() == ["interrupted", "done"]
    assert scene.job()["crashes"] == 0


@each_step
def test_killed_alone_at_a_step_a_worker_is_succeeded_by_another(scene: Scene, step: Step) -> None:
    scene.deliver()
    assert scene.crash(replace(step.kill, alone=True), words=("run", "-n", "2", "--drain")) == 0
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)
    assert scene.outcomes() == ["crashed", "done"]


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in FOREIGN.items()])
@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
def test_a_package_that_others_may_change_is_copied_whatever_is_killed(scene: Scene, step: Step, alone: bool) -> None:
    scene.deliver()
    (scene.home.inbox / "p" / "p.zip").chmod(0o666)
    code = scene.crash(replace(step.kill, alone=alone), words=("run", "-n", "2" if alone else "1", "--drain"))
    if alone:
        assert code == 0
    else:
        assert scene.workspaces() == {"1-1": step.workspace}
        assert len(scene.ran()) == step.ran_before
        assert_lies_at(scene, step.at)
        scene.restart()
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)
    assert stat.S_IMODE((scene.home.archive / "p" / "p.zip").stat().st_mode) == 0o644


def test_row_38_a_copy_of_another_boot_is_not_trusted(scene: Scene) -> None:
    scene.deliver()
    (scene.home.inbox / "p" / "p.zip").chmod(0o666)
    scene.crash(FOREIGN["row-37-rename-to-original"].kill, words=("run", "-n", "1", "--drain"))
    work = scene.home.work / "1-1"
    (work / "package" / "p.zip").write_bytes(b"")  # what a power cut leaves of a file that was not flushed
    (work / ORIGINAL).rename(work / f"original-{uuid.uuid4()}")
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 2"]


def test_row_38_a_copy_that_has_got_to_failed_is_not_made_again(scene: Scene) -> None:
    scene.plan(p_1=65)
    scene.deliver()
    (scene.home.inbox / "p" / "p.zip").chmod(0o666)
    scene.crash(Kill(f"{MOVES}.rename_new", matching="/failed/p$"), words=("run", "-n", "1", "--drain"))
    work = scene.home.work / "1-1"
    (work / ORIGINAL).rename(work / f"original-{uuid.uuid4()}")
    assert scene.home.jobrunner("run", "-n", "1", "--drain").returncode == 1
    scene.restart()
    scene.assert_failed(error="rejected")


@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
def test_row_39_a_package_that_is_too_large_stays_in_the_inbox(scene: Scene, alone: bool) -> None:
    with (scene.home.path / "jobrunner.toml").open("a", encoding="utf-8") as toml:
        toml.write("[extract]\nmax_entries = 3\n")
    scene.deliver()
    cut = Kill(RENAME, matching=r"^\d+ package \d+ p$", alone=alone)
    code = scene.crash(cut, words=("run", "-n", "2" if alone else "1", "--drain"))
    if not alone:
        assert scene.workspaces() == {"1-1": []}
        code = scene.home.jobrunner("run", "-n", "1", "--drain").returncode
    assert code == 1
    scene.assert_untouched(scene.home.inbox / "p")
    scene.assert_at_rest()
    for _ in range(2):
        scene.restart()  # it is not a new delivery
        assert (scene.job()["state"], scene.job()["failed_name"]) == ("failed", None)
    assert scene.home.show("p")["package_path"] == str(scene.home.inbox / "p")
    [held] = scene.home.status()["incomplete"]
    assert "refused" in held["reason"]
    scene.home.handler(HANDLER, retry='backoff = "0.01s"')
    scene.restart("retry", "p")
    scene.restart()
    scene.assert_archived(by="p 3")


def assert_lies_at(scene: Scene, at: str) -> None:
    package = scene.home.work / "1-1" / "package"
    match at:
        case "inbox":
            scene.assert_untouched(scene.home.inbox / "p")
        case "work":
            scene.assert_untouched(package)
        case "delivered":
            assert tree_of(package.with_name("delivered")) == scene.delivered["p"]
        case "merging":
            flushed, rest = tree_of(package.with_name("flushed")), tree_of(package)
            assert rest
            assert rest.keys() < scene.delivered["p"].keys()
            assert flushed.keys().isdisjoint(rest)
            assert flushed | rest == scene.processed(by="p 1")
        case "merged":
            assert tree_of(package.with_name("flushed")) == scene.processed(by="p 1")
            assert tree_of(package.with_name("emptied")) == {}
        case "archive":
            assert scene.copies("p") == [scene.home.archive / "p"]
            assert tree_of(scene.home.archive / "p") == scene.processed(by="p 1")
            assert tree_of(package.with_name("emptied")) == {}


def test_row_01_a_package_that_was_only_seen_is_queued_by_the_next_scan(scene: Scene) -> None:
    scene.deliver()
    scene.crash(Kill("jobrunner.files.inbox.Inbox.look_at"), words=("scan",))
    assert scene.rows("SELECT * FROM jobs") == []
    scene.crash(Kill("commit of enqueue", "before"), words=("scan",))
    assert scene.rows("SELECT * FROM jobs") == []
    scene.assert_untouched(scene.home.inbox / "p")
    scene.restart("scan")
    assert scene.job()["state"] == "queued"
    scene.restart()
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]


def test_row_02_a_package_that_was_queued_needs_no_repair(scene: Scene) -> None:
    scene.deliver()
    scene.crash(Kill("commit of enqueue"), words=("scan",))
    assert (scene.job()["state"], scene.job()["attempt"]) == ("queued", 0)
    scene.assert_untouched(scene.home.inbox / "p")
    scene.restart("work", "-n", "1", "--drain")
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]


def test_row_07_a_handler_that_runs_dies_with_the_tree_and_runs_again(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    scene.restart("scan")
    scene.kill_tree(scene.start_waiting(1))
    assert (scene.job()["state"], scene.job()["attempt"]) == ("running", 1)
    assert scene.workspaces() == {"1-1": ["data-1", "package"]}
    scene.assert_untouched(scene.home.work / "1-1" / "package")
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]
    assert scene.outcomes() == ["interrupted", "done"]


def test_row_07_a_handler_that_runs_dies_with_its_worker_and_runs_again(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    scene.restart("scan")
    supervisor = scene.start_waiting(1)
    [worker] = children_of(supervisor.pid)
    kill(worker)
    assert supervisor.wait(PATIENCE) == 0
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]
    assert scene.outcomes() == ["crashed", "done"]


def test_row_07_with_a_dead_guard_too_what_a_handler_started_is_killed_first(
    scene: Scene,
) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    scene.restart("scan")
    supervisor = scene.start_waiting(1)
    [worker] = children_of(supervisor.pid)
    [guard] = children_of(worker)
    for pid in (supervisor.pid, worker):
        os.kill(pid, signal.SIGSTOP)  # neither may see the guard's end
    for pid in (guard, supervisor.pid, worker):
        kill(pid)
    supervisor.wait()
    sleeper = int((scene.home.path / "started.txt").read_text("ascii").split()[1])
    wait_until(lambda: processes_of(scene.home) == [sleeper])
    assert scene.job()["state"] == "running"
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]


def test_row_06_a_large_extraction_cut_short_after_its_progress_is_made_again(scene: Scene) -> None:
    large = MEMBERS | {f"large/{number}": bytes(5 << 20) for number in range(8)}
    scene.delivered["p"] = tree_of(scene.home.package("p", large))
    scene.crash(Kill("jobrunner.files.workspace.Workspace.report_progress"), words=("run", "-n", "1", "--drain"))
    assert scene.workspaces() == {"1-1": ["data-1", "package", "progress"]}
    scene.assert_untouched(scene.home.work / "1-1" / "package")
    supervisor = scene.home.start(*DRAIN)
    wait_until(lambda: len(scene.outcomes()) > 1 and scene.outcomes()[1] is not None)
    assert scene.outcomes() == ["interrupted", "done"]
    assert supervisor.wait(PATIENCE) == 0
    assert tree_of(scene.home.archive / "p") == scene.delivered["p"] | large | WRITTEN | {"by.txt": b"p 2"}
    scene.assert_at_rest()


def test_row_12_the_move_to_the_archive_is_flushed_by_the_next_before_its_record(scene: Scene) -> None:
    scene.deliver()
    scene.crash(STEPS["row-12-rename-to-archive"].kill, words=("run", "-n", "1", "--drain"))
    scene.crash(Kill(f"{MOVES}.flush_directory", matching="/archive$"))
    assert scene.job()["state"] == "running"
    scene.restart()
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]


BATCHES = {
    "row-09-one-of-two": Kill("os.rename", matching="/handled-", call=2),
    "row-09-all-before-the-syncfs": Kill(f"{MOVES}.Watch.flush", "before"),
    "row-10-one-of-three": Kill("os.rename", matching="/flushed$"),
    "row-11-part-of-the-second": replace(MERGING, call=2),
    "row-12-two-of-three": Kill(f"{MOVES}.rename_new", matching="/archive/.$", call=2),
    "row-13-all": Kill(f"{MOVES}.flush_directory", matching="/archive$"),
    "row-13-part-of-complete": Kill("commit of complete", "before", call=2),
}


@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
@pytest.mark.parametrize("kill", [pytest.param(kill, id=name) for name, kill in BATCHES.items()])
def test_packages_of_a_batch_for_the_archive_go_on_where_each_came_to(scene: Scene, kill: Kill, alone: bool) -> None:
    scene.home.configure("")
    for name in ("p", "q", "r"):
        scene.deliver(name)
    scene.home.jobrunner("scan")
    assert (scene.crash(replace(kill, alone=alone), words=("work", "-n", "1", "--drain")) == 0) is alone
    if not alone:
        batch = [job for job in scene.rows("SELECT * FROM jobs") if job["state"] == "running"]
        assert len(batch) == (2 if kill.call == 2 and "handled" in kill.matching else 3)
        extracted = {
            path.stat().st_ino for path in [*scene.home.work.rglob("z.bin"), *scene.home.archive.rglob("z.bin")]
        }
        assert len(extracted) == len(batch)
        scene.restart()
        archived = {path.stat().st_ino for path in scene.home.archive.rglob("z.bin")}
        assert extracted <= archived  # not extracted again
    for name in ("p", "q", "r"):
        assert scene.job(name)["crashes"] == 0
        assert tree_of(scene.home.archive / name) == scene.delivered[name] | MEMBERS
        assert scene.outcomes(name) in (["done"], ["crashed" if alone else "interrupted", "done"])
    scene.assert_at_rest()


@pytest.mark.parametrize("row", [row for row in BATCHES if row != "row-09-one-of-two"])
def test_row_33_packages_of_a_batch_go_on_where_a_power_cut_undid_their_claim(scene: Scene, row: str) -> None:
    scene.home.configure("")
    for name in ("p", "q", "r"):
        scene.deliver(name)
    scene.home.jobrunner("scan")
    scene.crash(BATCHES[row], words=("work", "-n", "1", "--drain"))
    scene.change("DELETE FROM attempts WHERE job_id > 1")  # the first claim was durable
    scene.change("UPDATE jobs SET state = 'queued', attempt = 0, worker_id = NULL WHERE id > 1")
    scene.home.package("q", {"another": "delivery"})
    assert '"archived, too"' not in scene.home.jobrunner("check", "--json").stdout
    scene.restart()
    assert {name: scene.outcomes(name) for name in ("p", "q", "r")} == {
        "p": ["interrupted", "done"],
        "q": ["done"],
        "r": ["done"],
    }
    for name in ("p", "q", "r"):
        assert tree_of(scene.home.archive / name) == scene.delivered[name] | MEMBERS
    assert os.listdir(scene.home.inbox) == ["q"]
    scene.assert_at_rest()


@pytest.mark.parametrize("alone", [False, True], ids=["row-14-tree", "row-14-worker"])
def test_a_job_that_was_completed_stays_done_and_the_next_one_is_as_after_its_claim(scene: Scene, alone: bool) -> None:
    scene.deliver("p")
    scene.deliver("q")
    scene.home.jobrunner("scan")
    scene.crash(Kill("commit of complete", alone=alone), words=("work", "-n", "2" if alone else "1", "--drain"))
    if not alone:
        first, second = ("p", "q") if scene.job("p")["state"] == "done" else ("q", "p")
        assert tree_of(scene.home.archive / first) == scene.processed(by=f"{first} 1")
        assert scene.workspaces() == {f"{scene.job(first)['id']}-1": ["emptied"]}
        assert (scene.job(second)["state"], scene.job(second)["attempt"]) == ("running", 1)
        scene.assert_untouched(scene.home.inbox / second, second)
    scene.restart()
    for name in ("p", "q"):
        runs = [run for run in scene.ran() if run.startswith(name)]
        assert len(runs) == 1
        scene.assert_archived(by=runs[0], name=name)


@dataclass(frozen=True)
class FailingStep:
    """A row from the decision that a package fails to `failed`."""

    kill: Kill
    state: str
    condemned: int
    at: str


FAILING = {
    "row-15-condemn": FailingStep(Kill("commit of condemn"), "running", 1, "work"),
    "row-16-error.txt": FailingStep(Kill(f"{MOVES}.flush_filesystem", "before"), "running", 1, "error.txt"),
    "row-17-rename-to-failed": FailingStep(Kill(f"{MOVES}.rename_new", matching="/failed/p$"), "running", 1, "failed"),
    "row-17-fail-not-committed": FailingStep(Kill("commit of fail", "before"), "running", 1, "failed"),
    "row-18-fail": FailingStep(Kill("commit of fail"), "failed", 0, "failed"),
}
each_failing_step = pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in FAILING.items()])


@each_failing_step
def test_killed_with_its_whole_tree_a_failing_package_goes_to_failed_once(scene: Scene, step: FailingStep) -> None:
    scene.plan(p_1=65)
    scene.deliver(beside=BESIDE | {"error.txt": b"the sender's"})
    scene.crash(step.kill, words=("run", "-n", "1", "--drain"))
    job = scene.job()
    assert (job["state"], job["condemned"]) == (step.state, step.condemned)
    assert (job["failed_name"], job["error_name"]) == (b"p", "error~1.txt")
    work, failed = scene.home.work / "1-1" / "package", scene.home.failed / "p"
    assert list(scene.workspaces()) == ["1-1"]
    assert scene.copies("p") == [failed if step.at == "failed" else work]
    ours = {} if step.at == "work" else {"error~1.txt": f"{job['error']}\n".encode()}
    assert tree_of(failed if step.at == "failed" else work) == scene.delivered["p"] | ours
    scene.restart(code=int(step.state == "running"))
    scene.assert_failed(error="exit status 65")
    assert scene.ran() == ["p 1"]


@each_failing_step
def test_killed_alone_a_worker_leaves_a_failing_package_to_another(scene: Scene, step: FailingStep) -> None:
    scene.plan(p_1=65)
    scene.deliver()
    assert scene.crash(replace(step.kill, alone=True), words=("run", "-n", "2", "--drain")) == 1
    scene.restart()  # for the sweep
    scene.assert_failed(error="exit status 65")
    assert scene.ran() == ["p 1"]


def test_row_17_the_move_to_failed_is_flushed_by_the_next_before_its_record(scene: Scene) -> None:
    scene.plan(p_1=65)
    scene.deliver()
    scene.crash(FAILING["row-17-rename-to-failed"].kill, words=("run", "-n", "1", "--drain"))
    scene.crash(Kill(f"{MOVES}.flush_directory", matching="/failed/p$"))
    assert scene.job()["state"] == "running"
    scene.restart(code=1)
    scene.assert_failed(error="exit status 65")


@pytest.mark.parametrize("status", [1, 75], ids=["row-19-failure", "row-19-not-now"])
def test_a_package_that_was_put_off_is_tried_again_when_it_is_due(scene: Scene, status: int) -> None:
    scene.plan(p_1=status)
    scene.deliver()
    scene.crash(Kill("commit of requeue"), words=("run", "-n", "1", "--drain"))
    job = scene.job()
    assert (job["state"], job["attempt"], job["failures"]) == ("queued", 1, int(status == 1))
    assert job["not_before_at"] is not None
    assert scene.workspaces() == {"1-1": ["package"]}
    scene.assert_untouched(scene.home.work / "1-1" / "package")
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]
    assert scene.outcomes() == ["failed" if status == 1 else "later", "done"]


def test_row_20_a_failed_package_that_was_queued_again_is_taken_from_failed(failed: Scene) -> None:
    failed.crash(Kill("commit of retry", "before"), words=("retry", "p"))
    assert failed.job()["state"] == "failed"
    failed.crash(Kill("commit of retry"), words=("retry", "p"))
    assert (failed.job()["state"], failed.job()["attempt"]) == ("queued", 1)
    assert failed.copies("p") == [failed.home.failed / "p"]
    failed.restart()
    failed.assert_archived(by="p 2")
    assert os.listdir(failed.home.failed) == []
    assert failed.ran() == ["p 1", "p 2"]


@pytest.mark.parametrize("alone", [False, True], ids=["row-21-tree", "row-21-worker"])
def test_a_failed_package_that_was_taken_again_loses_only_our_error_file(failed: Scene, alone: bool) -> None:
    failed.restart("retry", "p")
    moved = Kill(f"{MOVES}.rename_new", matching="/failed/p .*/package$", alone=alone)
    failed.crash(moved, words=("work", "-n", "2" if alone else "1", "--drain"))
    if not alone:
        assert (failed.job()["state"], failed.job()["attempt"]) == ("running", 2)
        package = failed.home.work / "1-2" / "package"
        assert failed.copies("p") == [package]
        assert tree_of(package).keys() == failed.delivered["p"].keys() | {"error.txt"}
    failed.restart()
    failed.assert_archived(by="p 3")
    assert os.listdir(failed.home.failed) == []
    assert failed.ran() == ["p 1", "p 3"]


@pytest.fixture
def failed(scene: Scene) -> Scene:
    """A home in which the package p has failed in its first attempt."""
    scene.plan(p_1=65)
    scene.deliver()
    scene.restart(code=1)
    scene.assert_failed(error="exit status 65")
    return scene


@pytest.mark.parametrize(
    ("cut", "state"),
    [
        pytest.param(Kill(f"{MOVES}.rename_new", matching="/failed/p~1$"), "failed", id="row-22-put-aside"),
        pytest.param(Kill("commit of replace", "before"), "failed", id="row-22-replace-not-committed"),
        pytest.param(Kill("commit of replace"), "queued", id="row-23-replace"),
    ],
)
def test_a_new_delivery_replaces_the_failed_one_which_is_kept(failed: Scene, cut: Kill, state: str) -> None:
    old = tree_of(failed.home.failed / "p")
    new = failed.deliver()
    failed.crash(cut, words=("scan",))
    assert failed.job()["state"] == state
    failed.assert_untouched(failed.home.inbox / "p")
    assert os.listdir(failed.home.failed) == ["p~1"]
    assert tree_of(failed.home.failed / "p~1") == old
    failed.restart("scan")
    assert failed.job()["state"] == "queued"
    failed.restart()
    assert new == failed.delivered["p"]
    failed.assert_archived(by="p 2")
    assert os.listdir(failed.home.failed) == ["p~1"]
    assert tree_of(failed.home.failed / "p~1") == old
    assert failed.ran() == ["p 1", "p 2"]


def test_row_22_a_retry_instead_of_the_next_scan_leaves_the_new_delivery_as_it_came(failed: Scene) -> None:
    failed.deliver(beside={"error.txt": b"the sender's own"})
    failed.crash(Kill(f"{MOVES}.rename_new", matching="/failed/p~1$"), words=("scan",))
    failed.restart("retry", "p")
    failed.plan(p_2=65)
    failed.restart("work", "-n", "1", "--drain", code=1)
    assert failed.copies("p") == [failed.home.failed / "p"]
    assert failed.job()["error_name"] == "error~1.txt"


def test_row_11_a_handlers_error_txt_of_a_retried_package_survives_a_crash(failed: Scene) -> None:
    failed.restart("retry", "p")
    merged = Kill(f"{MOVES}.rename_new", "before", matching="/archive/p$")
    failed.crash(merged)
    assert (failed.home.work / "1-2" / "flushed" / "error.txt").read_bytes() == WRITTEN["error.txt"]
    failed.restart()
    failed.assert_archived(by="p 2")


@pytest.fixture
def afar(scene: Scene) -> Iterator[Scene]:
    """A home whose inbox is on another filesystem."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(scene.home.path).st_dev:
        pytest.skip("there is no second filesystem here: /dev/shm is missing or on that of the temporary folder")
    scene.home.inbox.rmdir()
    scene.home.inbox = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="jobrunner-inbox-"))
    with (scene.home.path / "jobrunner.toml").open("a", encoding="utf-8") as toml:
        toml.write(f'[folders]\ninbox = "{scene.home.inbox}"\n')
    yield scene
    scene.home.end_all()
    shutil.rmtree(scene.home.inbox)


TAKEN = ".jobrunner-taken-1-"
ACROSS = {
    "row-24-part-of-the-copy": (Kill("jobrunner.linux.at.new_file", call=2), "p", "copying"),
    "row-24-copy-not-renamed": (Kill("os.rename", "before", matching="/copied$"), "p", "copying"),
    "row-25-rename-to-copied": (Kill("os.rename", matching="/copied$"), "p", "copied"),
    "row-26-rename-out-of-sight": (Kill(RENAME, matching=rf"^\d+ p \d+ {TAKEN}"), TAKEN, "copied"),
    "row-27-rename-to-package": (Kill("os.rename", matching="/package$"), TAKEN, "package"),
}


@pytest.mark.parametrize(("cut", "lies", "part"), [pytest.param(*values, id=name) for name, values in ACROSS.items()])
@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
def test_a_package_from_another_filesystem_is_copied_once_whatever_is_killed(
    afar: Scene, cut: Kill, lies: str, part: str, alone: bool
) -> None:
    inbox = afar.home.inbox
    afar.deliver()
    code = afar.crash(replace(cut, alone=alone), words=("run", "-n", "2" if alone else "1", "--drain"))
    if alone:
        assert code == 0
    else:
        assert (afar.job()["state"], afar.job()["attempt"]) == ("running", 1)
        [place] = inbox.iterdir()
        assert place.name == "p" if lies == "p" else place.name.startswith(lies)
        assert tree_of(place) == afar.delivered["p"]
        assert afar.workspaces() == {"1-1": sorted([part, "source"])}
        assert (place in afar.copies("p"), len(afar.copies("p"))) == (True, 1 if part == "copying" else 2)
        afar.restart()
    afar.assert_archived(by="p 2")
    assert afar.ran() == ["p 2"]


@pytest.mark.parametrize("row", ["row-26-rename-out-of-sight", "row-27-rename-to-package"])
def test_what_comes_under_the_name_after_the_crash_is_held_as_a_duplicate(afar: Scene, row: str) -> None:
    first = afar.deliver()
    afar.crash(ACROSS[row][0], words=("run", "-n", "1", "--drain"))
    second = afar.deliver()
    assert first != second
    afar.restart()
    afar.delivered["p"] = first
    assert tree_of(afar.home.archive / "p") == afar.processed(by="p 2")
    assert tree_of(afar.home.inbox / "p") == second
    assert os.listdir(afar.home.inbox) == ["p"]
    assert afar.home.status()["duplicates"] == [{"name": "p"}]
    assert afar.ran() == ["p 2"]


@pytest.mark.parametrize("planned", [0, 65], ids=["done", "failed"])
def test_row_32_a_folder_that_could_not_be_removed_from_the_inbox_is_removed_later(afar: Scene, planned: int) -> None:
    afar.plan(p_1=planned)
    afar.deliver()
    afar.restart(code=int(bool(planned)))
    ended = tree_of(afar.home.archive), tree_of(afar.home.failed)
    shutil.copytree(afar.home.archive / "p" if not planned else afar.home.failed / "p", afar.home.inbox / "left")
    descriptor = os.open(afar.home.inbox / "left", os.O_RDONLY)
    source = Source.of(descriptor, 1)
    os.close(descriptor)
    (afar.home.inbox / "left").rename(afar.home.inbox / source.hidden_name)
    (afar.home.work / "1-1").mkdir()
    (afar.home.work / "1-1" / "source").write_text(str(source))
    assert "left over in inbox" in afar.home.jobrunner("check", "--json").stdout
    afar.restart("work", "--drain")
    assert list(afar.home.inbox.iterdir()) == []
    assert (tree_of(afar.home.archive), tree_of(afar.home.failed)) == ended
    afar.assert_at_rest()


def test_a_folder_that_only_has_such_a_name_is_nobodys_to_remove(afar: Scene) -> None:
    afar.deliver()
    afar.restart()
    planted = afar.home.inbox / f"{TAKEN}0123456789abcdef"
    planted.mkdir()
    (planted / "precious").touch()
    afar.restart("work", "--drain")
    afar.home.jobrunner("check", "--repair")
    assert os.listdir(planted) == ["precious"]


def test_what_was_put_out_of_sight_is_kept_where_it_is_all_that_is_left(afar: Scene) -> None:
    """No power cut brings this about: somebody has emptied the work folder."""
    afar.deliver()
    afar.crash(ACROSS["row-26-rename-out-of-sight"][0], words=("run", "-n", "1", "--drain"))
    shutil.rmtree(afar.home.work / "1-1")
    afar.restart(code=1)
    afar.restart("work", "--drain")
    [hidden] = afar.home.inbox.iterdir()
    afar.assert_untouched(hidden)
    assert "taken from inbox" in afar.home.jobrunner("check", "--repair", "--json").stdout
    hidden.rename(afar.home.inbox / "p")
    afar.restart()
    afar.assert_archived(by="p 3")


@pytest.mark.parametrize("row", ["row-05-rename-to-package", "row-09-rename-to-handled", "row-12-rename-to-archive"])
def test_what_comes_under_the_name_on_the_same_filesystem_is_held_as_a_duplicate(scene: Scene, row: str) -> None:
    first = scene.deliver()
    scene.crash(STEPS[row].kill, words=("run", "-n", "1", "--drain"))
    second = scene.deliver()
    scene.restart()
    scene.delivered["p"] = first
    assert tree_of(scene.home.archive / "p") == scene.processed(by=STEPS[row].ran[-1])
    assert tree_of(scene.home.inbox / "p") == second
    assert scene.home.status()["duplicates"] == [{"name": "p"}]
    assert scene.ran() == list(STEPS[row].ran)


@pytest.mark.parametrize(
    ("cut", "state"),
    [
        pytest.param(
            Kill("jobrunner.services.recovery.kill_handlers_of", "before"), "running", id="row-28-handlers-not-killed"
        ),
        pytest.param(
            Kill("jobrunner.services.recovery.kill_handlers_of", "after"), "running", id="row-28-handlers-killed"
        ),
        pytest.param(Kill("commit of requeue", "before"), "running", id="row-28-before-its-commit"),
        pytest.param(Kill("commit of requeue", "after"), "queued", id="row-28-after-its-commit"),
    ],
)
@pytest.mark.parametrize("step", [CLAIMED, HANDLED_STEP], ids=["of-row-03", "of-row-09"])
def test_a_recovery_that_was_killed_is_taken_up_by_the_next(scene: Scene, step: Step, cut: Kill, state: str) -> None:
    scene.deliver()
    scene.crash(step.kill, words=("run", "-n", "1", "--drain"))
    scene.crash(cut)
    assert scene.job()["state"] == state
    [worker] = scene.rows("SELECT * FROM workers")
    assert (worker["ended_at"] is None) == (state == "running")
    assert scene.outcomes() == [None if state == "running" else "interrupted"]
    assert_lies_at(scene, step.at)
    scene.restart()
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)
    assert scene.outcomes() == ["interrupted", "done"]
    assert scene.job()["interruptions"] == 1


def test_a_retried_package_condemned_before_it_left_failed_says_why_in_error_txt(
    failed: Scene,
) -> None:
    failed.restart("retry", "p")
    claimed = Kill("commit of claim", times=3, alone=True)
    assert failed.crash(claimed, words=("work", "-n", "4", "--drain")) == 1
    failed.restart()  # for the sweep
    failed.assert_failed(error="its worker died 3 times while it ran")
    assert failed.ran() == ["p 1"]


def test_row_29_a_success_recorded_in_another_boot_is_not_trusted(scene: Scene) -> None:
    scene.deliver()
    scene.crash(HANDLED_STEP.kill, words=("run", "-n", "1", "--drain"))
    handled = scene.home.work / "1-1" / HANDLED
    (handled / "a.txt").write_bytes(b"")  # what a power cut leaves of a file that was not flushed
    handled.rename(handled.with_name(f"handled-{uuid.uuid4()}"))
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]


def test_the_third_crash_while_its_handler_runs_fails_a_package(scene: Scene) -> None:
    scene.plan(p_1="wait", p_2="wait", p_3="wait")
    scene.deliver()
    scene.restart("scan")
    supervisor = scene.home.start("work", "-n", "4", "--drain")  # each dies once: none is waited for
    for number in range(1, 4):
        scene.wait_for_run(number)
        scene.assert_nothing_is_lost()
        [busy] = scene.rows(
            "SELECT workers.pid, jobs.crashes FROM jobs JOIN workers ON workers.id = worker_id WHERE state = 'running'"
        )
        assert busy["crashes"] == number - 1
        kill(busy["pid"])
    assert supervisor.wait(PATIENCE) == 1
    scene.assert_failed(error="its worker died 3 times while it ran")
    assert scene.ran() == ["p 1", "p 2", "p 3"]
    assert scene.outcomes()[:3] == ["crashed", "crashed", "crashed"]
    assert scene.job()["crashes"] == 3


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(Kill(f"{MOVES}.Watch.flush", "before"), id="after-row-09"),
        pytest.param(Kill(f"{MOVES}.merge", "before", matching="/package /"), id="after-row-10"),
        pytest.param(MERGING, id="in-row-11"),
        pytest.param(Kill("commit of complete", "before"), id="after-row-13"),
    ],
)
def test_four_crashes_after_the_handler_succeeded_do_not_fail_a_package(scene: Scene, cut: Kill) -> None:
    scene.deliver()
    code = scene.crash(replace(cut, times=4, alone=True), words=("run", "-n", "5", "--drain"))
    assert code == 0
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]
    assert scene.outcomes() == ["crashed"] * 4 + ["done"]
    assert os.listdir(scene.home.failed) == []


def test_row_30_a_cancelled_job_of_a_killed_worker_fails_though_nobody_waits(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    supervisor = scene.start_waiting(1, "run", "-n", "1")
    supervisor.send_signal(signal.SIGSTOP)
    scene.crash_beside(Kill("commit of cancel"), words=("cancel", "p"))
    job = scene.job()
    assert (job["state"], job["attempt"], job["condemned"], job["error"]) == ("running", 1, 1, "cancelled")
    handler, *_ = (scene.home.path / "started.txt").read_text("ascii").split()
    wait_until(lambda: not lives(int(handler)))  # who reaps it is another matter
    supervisor.send_signal(signal.SIGCONT)
    wait_until(lambda: scene.job()["state"] == "failed")
    supervisor.terminate()
    supervisor.wait()
    scene.assert_failed(error="cancelled")
    assert scene.outcomes() == ["interrupted", "failed"]


def test_row_30_a_cancel_that_is_not_committed_is_a_death_of_the_worker(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    supervisor = scene.start_waiting(1, "run", "-n", "1")
    scene.crash_beside(Kill("jobrunner.services.cancelling.end_worker"), words=("cancel", "p"))
    wait_until(lambda: scene.job()["state"] == "done")
    supervisor.terminate()
    supervisor.wait()
    scene.assert_archived(by="p 2")
    assert scene.outcomes() == ["crashed", "done"]


def test_row_30_packages_ready_when_their_worker_is_ended_go_on_uncounted(scene: Scene) -> None:
    scene.home.configure("")
    for name in ("p", "q"):
        scene.deliver(name)
    scene.restart("scan")
    supervisor = scene.start_stopping(Kill("os.open", matching="work/2-1/data-1/b/c", stops=True))
    assert scene.home.jobrunner("cancel", "q").returncode == 0
    supervisor.wait(PATIENCE)
    assert (scene.job("q")["state"], scene.job("q")["error"]) == ("failed", "cancelled")
    assert tree_of(scene.home.archive / "p") == scene.delivered["p"] | MEMBERS
    assert scene.outcomes("p") == ["interrupted", "done"]
    assert "was ended to cancel another package" in str(scene.home.show("p")["attempts"][0]["error"])
    scene.assert_at_rest()


def test_row_31_a_queued_job_that_is_being_cancelled_fails_with_the_next_start(scene: Scene) -> None:
    scene.deliver()
    scene.restart("scan")
    scene.crash(Kill("commit of claim_cancelled"), words=("cancel", "p"))
    assert (scene.job()["state"], scene.job()["condemned"]) == ("running", 1)
    scene.assert_untouched(scene.home.inbox / "p")
    scene.restart(code=1)
    scene.assert_failed(error="cancelled")
    assert scene.ran() == []
    assert scene.outcomes() == ["interrupted", "failed"]


@pytest.mark.parametrize("row", ["row-40", "row-41", "row-42"])
def test_what_cannot_be_ended_of_a_handler_is_waited_for_whoever_is_killed(row: str) -> None:
    with users_home() as home:
        held = held_up(home)
        if row == "row-41":
            kill(held.worker)
        elif row == "row-42":
            ours = (parent_of(held.worker), held.worker, held.guard)
            for pid in ours:  # neither may see the others' end
                os.kill(pid, signal.SIGSTOP)
            for pid in ours:
                kill(pid)
            home.start("run", "-n", "1")
        wait_until(lambda: f"process {held.pid} of a dead worker" in held.troubles() or row == "row-40")
        assert outcomes(home) == ["running"]
        [workspace] = home.work.glob("[0-9]*")
        assert sorted(os.listdir(workspace)) == ["data-1", "package"]
        held.end()
        expected = {"row-40": ["done"], "row-41": ["crashed", "done"], "row-42": ["interrupted", "done"]}
        wait_until(lambda: outcomes(home) == expected[row])


def test_a_crash_at_each_step_after_the_success_in_turn_does_not_fail_a_package(scene: Scene) -> None:
    scene.deliver()
    rows = ("row-09-rename-to-handled", "row-10-rename-to-flushed", "row-12-rename-to-archive")
    kills = [replace(STEPS[row].kill, alone=True) for row in rows]
    assert scene.crash(*kills, words=("run", "-n", "4", "--drain")) == 0
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]
    assert scene.outcomes() == ["crashed"] * 3 + ["done"]


def test_the_third_death_of_the_whole_tree_puts_a_package_at_the_back_of_the_queue(scene: Scene) -> None:
    scene.plan(p_1="wait", p_2="wait", p_3="wait")
    for name in ("p", "q", "r"):
        scene.deliver(name)
        scene.restart("scan")
    for number in range(1, 4):
        scene.kill_tree(scene.start_waiting(number))
    scene.restart()
    assert scene.ran() == ["p 1", "p 2", "p 3", "q 1", "r 1", "p 4"]
    assert scene.outcomes() == ["interrupted"] * 3 + ["done"]
    assert (scene.job()["crashes"], scene.job()["failures"]) == (0, 0)
    for by in ("p 4", "q 1", "r 1"):
        scene.assert_archived(by=by, name=by[0])


def test_each_row_of_the_table_has_a_test() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    table = page.partition("## The crash table")[2].partition("\n## ")[0]
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    here = Path(__file__).read_text("utf-8")
    tested = {int(number) for number in re.findall(r"(?:\"row-|def test_row_)(\d\d)", here)}
    assert rows == tested
    assert rows == set(range(1, max(rows) + 1))
