"""One home for the campaign of kill points: restored before each kill, and verified by the contract after it."""

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from jobrunner.cli.main import main
from jobrunner.files.workspace import name_of
from jobrunner.services import settling
from tests.campaign import contract
from tests.campaign.contract import Delivery, tree_of
from tests.campaign.tracer import FILE_CALLS, PROCESS_CALLS, Call, Callback, Ended, Verdict, trace
from tests.scripts import journal
from tests.support import PATIENCE, TestHome, wait_until

_RENAMES = frozenset({"rename", "renameat", "renameat2"})
_CALLABLE = f"""
import runpy, sys

def process(package):
    sys.argv[1:] = [{{!r}}]
    runpy.run_path({str(contract.HANDLER)!r}, run_name="__main__")
"""


class Place:
    """A home at `root`/home, its inbox there or at `elsewhere`. Commands are run in forks of this process."""

    def __init__(self, root: Path, elsewhere: Path | None) -> None:
        root.mkdir()
        self.home = TestHome(root / "home")
        self.evidence = root / "evidence"
        self.output = root / "output"
        self._folders = [self.home.path, self.evidence]
        self._saved = root / "saved"
        #: In the order in which they came.
        self.deliveries: list[Delivery] = []
        #: What lies in the archive since before, by name: it has to stay as it is.
        self.kept: dict[str, contract.Tree] = {}
        #: When the success of a handler was first recorded, by package.
        self.recorded: dict[str, float] = {}
        if elsewhere is not None:
            self.home.inbox.rmdir()
            self.home.inbox = elsewhere / "inbox"
            self.home.inbox.mkdir(parents=True)
            self._folders.append(elsewhere)
        self.configure()

    def configure(self, *, max_attempts: int = 5, handler: str | None = None, more: str = "") -> None:
        """Set the home up. `handler` is TOML source that takes the place of the usual command, `more` of sections."""
        more += f'[folders]\ninbox = "{self.home.inbox}"\n'
        contract.prepare(self.home, self.evidence, more, max_attempts=max_attempts)
        if handler is not None:
            toml = (self.home.path / "jobrunner.toml").read_text()
            self.home.configure(re.sub("command = .*", lambda _: handler, toml))

    def keep_failed(self, duration: str) -> None:
        """Have the data of failed attempts kept."""
        self.configure()
        toml = (self.home.path / "jobrunner.toml").read_text()
        self.home.configure(toml.replace("[process]\n", f'[process]\nkeep_failed = "{duration}"\n'))

    @property
    def told(self) -> bool:
        """Whether somebody is told of what fails."""
        return (self.evidence / contract.TOLD).exists()

    def tell(self) -> None:
        """Have somebody told, and verify that he was."""
        told = self.evidence / contract.TOLD
        told.touch()
        self.configure(more=f"[notify]\ncommand = ['sh', '-c', 'cat >> {told}']\n")

    def use_no_handler(self) -> None:
        """Have packages extracted and archived, and no more."""
        self.configure(handler="")

    def use_callable(self) -> None:
        """Have the handler run in a callable's process."""
        (self.home.path / "analysis.py").write_text(_CALLABLE.format(str(self.evidence)))
        self.configure(handler='callable = "analysis:process"')

    def deliver(
        self, name: str, plan: str = "is quick", *, mode: int = 0o644, zip_name: str = "", job: str = ""
    ) -> None:
        """Put a package into the inbox, no two of them alike. `job`: if its job is going to have another name."""
        made = contract.deliver(self.home, name, plan, files=1, size=100, mode=mode, zip_name=zip_name, job=job)
        self.deliveries.append(made)

    def keep_done(self) -> Delivery:
        """Have the only package, which is done, stay as it is from here on, and forget how its handler ran."""
        (delivery,) = self.deliveries
        self.deliveries.clear()
        self.recorded.clear()
        self.kept[delivery.job] = tree_of(self.home.archive / delivery.job)
        (self.evidence / "journal").unlink()
        return delivery

    def revise(self, delivery: Delivery) -> None:
        """Expect that what has been kept is made again, as its revision 2."""
        self.deliveries.append(replace(delivery, job=f"{delivery.name}~2"))

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
        contract.renew_sources(self.home)
        self.recorded = dict(self._saved_recorded)
        self.output.unlink(missing_ok=True)

    def run(self, *words: str, on_entry: Callback | None = None, on_exit: Callback | None = None) -> Ended:
        """Run a command in this home, in a fork of this process, until all that it started has ended."""

        def note(call: Call) -> Verdict | None:
            if call.name in _RENAMES and "/handled-" in call.paths[-1] and not call.has_failed:
                work = Path(call.paths[-1]).parent
                name = name_of(str(work)) or next(work.glob("package/*.zip")).stem
                self.recorded.setdefault(name, time.monotonic())
            return on_exit(call) if on_exit else None

        output = os.open(self.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            return trace(
                lambda: _program(self.home.path, words),
                calls=FILE_CALLS | PROCESS_CALLS if on_entry or on_exit else _RENAMES,
                on_entry=on_entry,
                on_exit=note,
                env=self.home.environment | {"PYTHONDONTWRITEBYTECODE": "1"},
                cwd=self.home.path,
                output=output,
            )
        finally:
            os.close(output)

    @contextmanager
    def beside(self, *commands: tuple[str, ...]) -> Iterator[None]:
        """Have commands run beside others, from when each works at a package; then they are stopped as a user would."""
        processes = [self.home.start(*words) for words in commands]
        wait_until(lambda: len(journal(self.evidence, "start")) >= len(commands))
        try:
            yield
            for process in processes:
                process.terminate()
            for process in processes:
                process.communicate(timeout=PATIENCE)
        finally:
            self.home.end_all()

    def faults_now(self) -> list[str]:
        """Return what the contract forbids at every instant, after any kill."""
        return [*contract.whole(self.home, self.deliveries), *self._half_done()]

    def faults_at_end(self) -> list[str]:
        """Return what is not as it has to be when all is drained, and a supervisor has started once since."""
        newest = {delivery.job: delivery for delivery in self.deliveries}
        faults = contract.at_rest(self.home, newest.values(), self.evidence, self.recorded, self.kept)
        for delivery in self.deliveries:
            if delivery not in newest.values():  # it has been replaced, and belongs to no job any more
                aside = f"failed/{delivery.name}~1 belongs to no job"
                if aside not in faults:
                    return [*faults, f"{delivery.name} has not been put aside"]
                faults.remove(aside)
        return [*faults, *self._half_done()]

    def _half_done(self) -> Iterator[str]:
        """Say what is in sight and not complete, or said to be in sight and is not."""
        newest = {delivery.job: delivery for delivery in self.deliveries}
        notes = journal(self.evidence)
        for archived in self.home.path.glob("archive/*"):
            if archived.name not in self.kept:
                yield from contract.archived(archived, newest[archived.name], notes)
        for name, tree in self.kept.items():
            if tree_of(self.home.archive / name) != tree:
                yield f"archive/{name} is not as it was"
        for failed in self.home.path.glob("failed/*"):
            tree = tree_of(failed)
            if not tree.pop("error.txt", b""):
                yield f"failed/{failed.name} has no error.txt"
            if self.kept:
                tree.pop(".jobrunner.json", None)
            if tree not in [delivery.files for delivery in self.deliveries]:
                yield f"failed/{failed.name} holds {sorted(tree)}"
        for row in self._rows():
            name, state = os.fsdecode(row["name"]), row["state"]
            places = {"done": [f"archive/{name}"], "failed": [f"failed/{name}", f"failed/{name}~1"]}.get(state)
            if places and not any((self.home.path / place).is_dir() for place in places):
                yield f"{name} is {state} and not in {' or '.join(places)}"

    def _rows(self) -> list[contract.Row]:
        """Return the jobs, from a copy of the database: who opens one that was cut short mends it."""
        copy = TestHome(self.home.path.parent / "looked-at")
        for end in ("", "-wal"):
            (copy.path / f"jobrunner.db{end}").unlink(missing_ok=True)
            if (self.home.path / f"jobrunner.db{end}").exists():
                shutil.copy(self.home.path / f"jobrunner.db{end}", copy.path)
        if not (copy.path / "jobrunner.db").exists():
            return []
        has_jobs = contract.rows(copy, "SELECT * FROM sqlite_schema WHERE name = 'jobs'")
        return contract.rows(copy, "SELECT * FROM jobs") if has_jobs else []


def _program(home: Path, words: tuple[str, ...]) -> None:
    """Be `jobrunner`: the real command line, without the start of an interpreter."""
    settling.BATCH_SECONDS = 60.0  # however slow this machine is, the points come in the same order
    sys.argv = ["jobrunner", "--home", str(home), *words]
    main()
