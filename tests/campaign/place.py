"""One home for the campaign of kill points, restored before each kill; what was delivered to it; and its contract."""

import json
import os
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from jobrunner.cli.main import main
from tests.campaign.tracer import FILE_CALLS, PROCESS_CALLS, Call, Callback, Ended, Verdict, trace
from tests.support import clean_environment

MEMBERS = {"a.txt": b"1\n", "b/c.txt": b"2\n"}
#: Of the sender's: one in a folder that the zip has, too, one beside it.
BESIDE = {"b/sender.txt": b"in a folder that the zip has, too\n", "note": b"as it came\n"}
OUT = {"result/out.txt": b"handled\n"}

#: Holds a lock for as long as it, or whatever it started, lives: a handler that finds it held is not alone. Says so in
#: the log, then does as the plan says: by default, it writes and ends well.
HANDLER = """
import fcntl, json, os, signal, sys

def run(home, data, package, attempt):
    lock = os.open(f"{home}/handler.{package}.lock", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = "alone"
    except BlockingIOError:
        alone = "beside-another"
    log = os.open(f"{home}/handler.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{package} {attempt} {alone}\\n".encode())
    os.close(log)
    with open(f"{home}/handler.plan") as plan:
        planned = json.load(plan).get(f"{package} {attempt}", 0)
    with open(f"{data}/by.txt", "x") as file:
        file.write(f"{package} {attempt}")
    if planned == "daemon" and os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)
    if planned == "crash":
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    if planned not in (0, "daemon"):
        sys.exit(planned)
    os.mkdir(f"{data}/result")
    with open(f"{data}/result/out.txt", "x") as file:
        file.write("handled\\n")
    os.close(lock)
    return planned

if __name__ == "__main__":
    run(os.getcwd(), sys.argv[1], os.environ["JOBRUNNER_PACKAGE"], os.environ["JOBRUNNER_ATTEMPT"])
"""
CALLABLE = """
import handler

def process(package):
    handler.run(package.home, package.data, package.name, package.attempt)
"""

RENAMES = frozenset({"rename", "renameat", "renameat2"})

Tree = dict[str, bytes]


def tree_of(folder: Path) -> Tree:
    """Return the files of a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Place:
    """A home at `root`/home, its inbox there or at `elsewhere`. Commands are run in forks of this process."""

    def __init__(self, root: Path, elsewhere: Path | None) -> None:
        self.home = root / "home"
        self.output = root / "output"
        self.inbox = self.home / "inbox" if elsewhere is None else elsewhere / "inbox"
        self._folders = [self.home] if elsewhere is None else [self.home, elsewhere]
        self._saved = root / "saved"
        #: What was delivered under each name, the newest last.
        self.delivered: dict[str, list[Tree]] = {}
        #: How often the handler had run on a package when its success was first recorded.
        self.recorded: dict[str, int] = {}
        for folder in (self.home, self.inbox):
            folder.mkdir(parents=True)
        (self.home / "handler.py").write_text(HANDLER)
        self.plan({})
        self._configure(f'command = ["{sys.executable}", "-I", "-S", "handler.py"]')

    def _configure(self, process: str) -> None:
        (self.home / "jobrunner.toml").write_text(
            f'[folders]\ninbox = "{self.inbox}"\n[process]\n{process}\n'
            '[retry]\nmax_attempts = 5\nbackoff = "0.01s"\nmax_backoff = "0.02s"\n'
        )

    def use_callable(self) -> None:
        """Have the handler run in a callable's process."""
        (self.home / "analysis.py").write_text(CALLABLE)
        self._configure('callable = "analysis:process"')

    def plan(self, plan: dict[str, int | str]) -> None:
        """What the handler does, by package and attempt: "daemon", "crash" or an exit status. All others end well."""
        (self.home / "handler.plan").write_text(json.dumps(plan))

    def deliver(self, name: str, zip_file: bytes | None = None) -> None:
        """Put a package into the inbox, no two of them alike."""
        earlier = self.delivered.setdefault(name, [])
        package = self.inbox / name
        package.mkdir()
        if zip_file is None:
            with zipfile.ZipFile(package / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for member, content in MEMBERS.items():
                    archive.writestr(member, content)
        else:
            (package / f"{name}.zip").write_bytes(zip_file)
        for path, content in (BESIDE | {"serial": f"{name}, delivery {len(earlier) + 1}\n".encode()}).items():
            (package / path).parent.mkdir(exist_ok=True)
            (package / path).write_bytes(content)
        earlier.append(tree_of(package))

    def save(self) -> None:
        """Keep this state for `restore`."""
        for number, folder in enumerate(self._folders):
            shutil.copytree(folder, self._saved / str(number), symlinks=True)
        self._saved_recorded = dict(self.recorded)

    def restore(self) -> None:
        """Go back to the saved state."""
        for number, folder in enumerate(self._folders):
            shutil.rmtree(folder)
            shutil.copytree(self._saved / str(number), folder, symlinks=True)
        self.recorded = dict(self._saved_recorded)
        self.output.unlink(missing_ok=True)

    def run(self, *words: str, on_entry: Callback | None = None, on_exit: Callback | None = None) -> Ended:
        """Run a command in this home, in a fork of this process, until all that it started has ended."""

        def note(call: Call) -> Verdict | None:
            if call.name in RENAMES and "/handled-" in call.paths[-1] and not call.has_failed:
                self._note_success(Path(call.paths[-1]).parent)
            return on_exit(call) if on_exit else None

        watched = on_entry or on_exit
        output = os.open(self.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            return trace(
                lambda: _program(self.home, words),
                calls=FILE_CALLS | PROCESS_CALLS if watched else RENAMES,
                on_entry=on_entry,
                on_exit=note,
                env=clean_environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
                cwd=self.home,
                output=output,
            )
        finally:
            os.close(output)

    def _note_success(self, workspace: Path) -> None:
        (zip_file,) = (workspace / "package").glob("*.zip")
        self.recorded.setdefault(zip_file.stem, self.runs()[zip_file.stem])

    def runs(self) -> Counter[str]:
        """How often the handler has started on each package."""
        return Counter(line.split()[0] for line in self._log())

    def faults_now(self, ends: dict[str, str]) -> list[str]:
        """Return what the contract forbids at every instant, after any kill."""
        return [*self._faults_of_packages(ends), *self._faults_of_handlers()]

    def faults_at_end(self, ends: dict[str, str]) -> list[str]:
        """Return what is not as it has to be when everything is drained, and a supervisor has started once since."""
        faults = [*self.faults_now(ends), *self.faults_of_ends(ends)]
        expected = {
            self.inbox: set(),
            self.home / "work": {".workers"},
            self.home / "work" / ".workers": set(),
            self.home / "archive": {name for name, end in ends.items() if end == "done"},
            self.home / "failed": {name for name, end in ends.items() if end == "failed"} | self._replaced(),
        }
        for folder, names in expected.items():
            if set(os.listdir(folder)) != names:
                faults.append(f"{folder.relative_to(self.home.parent)} holds {sorted(os.listdir(folder))}")
        return faults

    def _faults_of_packages(self, ends: dict[str, str]) -> Iterator[str]:
        rows = {os.fsdecode(row["name"]): row for row in self._rows("SELECT * FROM jobs")}
        for name in ends:
            for number, delivery in enumerate(self.delivered[name], 1):
                if not any(delivery.items() <= tree.items() for tree in self._copies()):
                    yield f"delivery {number} of {name} is nowhere whole"
            if rows.get(name, {}).get("state") == "done" and not (self.home / "archive" / name).is_dir():
                yield f"{name} is done and not in the archive"
            if rows.get(name, {}).get("state") == "failed" and not any(
                (self.home / "failed" / f"{name}{suffix}").is_dir() for suffix in ("", "~1")
            ):
                yield f"{name} has failed and is not in the failed folder"
        for archived in self._within("archive"):
            tree = tree_of(archived)
            by = tree.pop("by.txt", b"").decode()
            if f"{by} alone" not in self._log() or tree != self.delivered[archived.name][-1] | MEMBERS | OUT:
                yield f"archive/{archived.name} holds {sorted(tree)}, by {by!r}"
        for failed in self._within("failed"):
            tree = tree_of(failed)
            error = tree.pop("error.txt", b"")
            if not error or tree not in self.delivered[failed.name.partition("~")[0]]:
                yield f"failed/{failed.name} holds {sorted(tree)}, error.txt {error!r}"

    def _faults_of_handlers(self) -> Iterator[str]:
        yield from (f"two handlers at once: {line}" for line in self._log() if not line.endswith(" alone"))
        for name, runs in self.recorded.items():
            if self.runs()[name] != runs:
                yield f"the handler ran on {name} after its success was recorded"

    def faults_of_ends(self, ends: dict[str, str]) -> list[str]:
        """Return what the database does not say as it has to when everything is drained."""
        rows = {os.fsdecode(row["name"]): row for row in self._rows("SELECT * FROM jobs")}
        states = {name: row["state"] for name, row in rows.items()}
        faults = [] if states == ends else [f"the states are {states}, not {ends}"]
        for name, row in rows.items():
            place = (os.fsencode(name), "error.txt") if row["state"] == "failed" else (None, None)
            if (row["failed_name"], row["error_name"]) != place:
                faults.append(f"{name} is {row['state']}, in failed as {row['failed_name']} with {row['error_name']}")
            elif place[0] and tree_of(self.home / "failed" / name).get("error.txt") != f"{row['error']}\n".encode():
                faults.append(f"{name} failed because: {row['error']}; that is not what its error.txt says")
        for what in ("worker", "attempt"):
            if self._rows(f"SELECT * FROM {what}s WHERE ended_at IS NULL"):
                faults.append(f"the end of a {what} is not recorded")
        return faults

    def _replaced(self) -> set[str]:
        return {f"{name}~{number}" for name, all_ in self.delivered.items() for number in range(1, len(all_))}

    def _copies(self) -> Iterator[Tree]:
        for folder in (self.inbox, self.home / "archive", self.home / "failed", *self._within("work")):
            yield from (tree_of(entry) for entry in folder.glob("*") if entry.is_dir())

    def _within(self, folder: str) -> list[Path]:
        return list((self.home / folder).glob("*"))

    def _log(self) -> list[str]:
        log = self.home / "handler.log"
        return log.read_text().splitlines() if log.exists() else []

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        """Read from a copy of the database: who looks into one that was cut short repairs it."""
        looked_at = self.home.parent / "looked-at"
        looked_at.mkdir(exist_ok=True)
        for end in ("", "-wal"):
            copy, original = looked_at / f"jobrunner.db{end}", self.home / f"jobrunner.db{end}"
            copy.unlink(missing_ok=True)
            if original.exists():
                shutil.copyfile(original, copy)
        connection = apsw.Connection(str(looked_at / "jobrunner.db"))
        connection.row_trace = lambda cursor, values: dict(
            zip([name for name, _ in cursor.getdescription()], values, strict=True)
        )
        try:
            if not list(connection.execute("SELECT * FROM sqlite_schema WHERE name = 'jobs'")):
                return []
            return list(connection.execute(sql))
        finally:
            connection.close()


def _program(home: Path, words: tuple[str, ...]) -> None:
    """Be `jobrunner` (the real command line, without the start of an interpreter)."""
    sys.argv = ["jobrunner", "--home", str(home), *words]
    main()
