"""Cuts the power after each change of a file: `python -m tests.campaign.power_loss`.

The system calls of real runs are recorded; each disk that a cut may leave is laid out, and the real program started on
it. Then each flush is left out of the record in turn: one that nothing would miss is superfluous, or we are blind.
"""

import argparse
import os
import random
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

import apsw

from jobrunner.linux.proc import BOOT_ID
from tests.campaign import contract
from tests.campaign.contract import Delivery
from tests.campaign.power_loss_disk import Record, State, Tree
from tests.campaign.tracer import Call, Verdict, trace
from tests.messages import met_a_bug
from tests.scripts import journal
from tests.support import TestHome, clean_environment
from tests.warm import MARK

OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
#: No power is cut in truth, so the disks that are laid out need no disk.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
DRAIN = ("run", "-n", "1", "--drain")
_PATIENCE = 120.0
_BATCH = 4
_campaign: "Campaign"


@dataclass(slots=True)
class Run:
    """A recorded run: its home, its packages, and what its database had reported done by when."""

    home: TestHome
    evidence: Path
    deliveries: list[Delivery]
    record: Record
    times: list[float] = field(default_factory=list)
    done: list[frozenset[str]] = field(default_factory=list)

    def trace(self, *words: str, kill_after: str = "\0") -> None:
        """Record a command; killed with its whole tree after a rename to a path that ends with this."""

        def note(call: Call) -> Verdict | None:
            self._note(call)
            renamed = call.name.startswith("rename") and not call.has_failed and call.paths[-1].endswith(kill_after)
            return Verdict.KILL_TREE if renamed else None

        environment = self.home.environment | {"PYTHONDONTWRITEBYTECODE": "1"}
        trace(lambda: _jobrunner(self.home.path, *words), on_exit=note, env=environment, cwd=self.home.path)

    def _note(self, call: Call) -> None:
        self.record.note(call)
        if len(self.record.steps) > len(self.times):
            self.times.append(time.monotonic())
            is_commit = call.name == "fdatasync" and "/jobrunner.db" in call.paths[0]
            self.done.append(self._done_now() if is_commit else self.done[-1] if self.done else frozenset())

    def _done_now(self) -> frozenset[str]:
        """What anybody could read in the database now."""
        with tempfile.TemporaryDirectory() as folder:
            for file in self.home.path.glob("jobrunner.db*"):
                if not file.name.endswith("-shm"):
                    shutil.copy(file, folder)
            return done_in(Path(folder))


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is recorded: packages by their plans, and commands, each with the rename after which it is killed."""

    plans: tuple[str, ...]
    commands: tuple[tuple[tuple[str, ...], str], ...]
    #: Whether the inbox is on another disk.
    is_across: bool = False
    #: Of the zips: others may write to them, or not.
    mode: int = 0o644


TO_THE_END = (DRAIN, "\0")
SCENARIOS = {
    "done, failed and retried": Scenario(
        ("is quick", "fails at first", "rejects", "broken zip"), (TO_THE_END, (("retry", "p2"), "\0"), TO_THE_END)
    ),
    "killed when it had archived": Scenario(("is quick",), ((DRAIN, "/archive/p0"), TO_THE_END)),
    "killed when it had moved to failed": Scenario(("rejects",), ((DRAIN, "/failed/p0"), TO_THE_END)),
    "failed, retried and cancelled": Scenario(
        ("rejects",), (TO_THE_END, (("retry", "p0"), "\0"), (("cancel", "p0"), "\0"))
    ),
    "a batch without a handler": Scenario(("no handler",) * 3, (TO_THE_END,)),
    "a batch, and killed when one was archived": Scenario(("no handler",) * 3, ((DRAIN, "/archive/p1"), TO_THE_END)),
    "others may change them": Scenario(("is quick", "rejects"), (TO_THE_END,), mode=0o666),
    "an inbox on another disk": Scenario(("is quick", "rejects"), (TO_THE_END,), is_across=True),
}


def record(scenario: Scenario, root: Path) -> Run:
    """Run a scenario in a folder, and record it."""
    home = TestHome(root / "home")
    if scenario.is_across:
        home.inbox.rmdir()
        home.inbox = Path(tempfile.mkdtemp(dir=MEMORY, prefix="jobrunner-power-")) / "inbox"
        home.inbox.mkdir()
    run = Run(home, root / "evidence", [], Record())
    prepare(home, run.evidence, scenario.plans)
    for number, plan in enumerate(scenario.plans):
        run.deliveries.append(contract.deliver(home, f"p{number}", plan, files=1, mode=scenario.mode))
    run.record = Record(home.path, *([home.inbox] if scenario.is_across else []))
    for words, kill_after in scenario.commands:
        run.trace(*words, kill_after=kill_after)
    found = contract.at_rest(home, run.deliveries, run.evidence)
    assert found == [], found
    return run


def prepare(home: TestHome, evidence: Path, plans: Iterable[str]) -> None:
    contract.prepare(home, evidence, f'[folders]\ninbox = "{home.inbox}"\n')
    if "no handler" in plans:
        toml = home.path / "jobrunner.toml"
        toml.write_text(re.sub("command = .*", "", toml.read_text()))


@dataclass(slots=True)
class Campaign:
    """Verifies by the contract the disks that cuts of one recorded run may leave."""

    run: Run
    root: Path
    #: The disks that have been tried, with what had been reported done.
    _tried: set[object] = field(default_factory=set)

    def cuts(self, *, every: int = 1, first: int = 0) -> tuple[int, list[str]]:
        """Cut the power everywhere; return how many distinct disks were tried, and the violations.

        Each so-manieth disk is tried, from the `first` on.
        """
        states = list(self._new(self.run.record.states()))[first::every]
        return len(states), [violation for found in self._verdicts(states) for violation in found]

    def without(self, *words: str, most: int) -> tuple[int, str | None]:
        """Leave these flushes out, wherever they are made.

        Return how many disks are possible then that were not before, and a violation on one of them: `most` are tried.
        """
        left_out = frozenset(number for number, site in self.run.record.sites().items() if site in words)
        tried = set(self._tried)
        states = list(self._new(self.run.record.states(without=left_out)))
        self._tried = tried
        chosen = states[:: len(states) // most + 1]
        for start in range(0, len(chosen), _BATCH):
            for found in filter(None, self._verdicts(chosen[start : start + _BATCH])):
                return len(states), found[0]
        return len(states), None

    def _new(self, states: Iterator[State]) -> Iterator[State]:
        for state in states:
            files = (
                (path, None if "/logs/" in path else content)  # of a log, only whether it is there
                for path, content in state.tree.items()
                if not _is_of_no_account(path)
            )
            key = hash(frozenset(files)), self.run.done[state.step]
            if key not in self._tried:
                self._tried.add(key)
                yield state

    def _verdicts(self, states: Iterable[State]) -> list[list[str]]:
        global _campaign  # noqa: PLW0603  (what the forks of the pool work on)
        _campaign = self
        with get_context("fork").Pool(os.cpu_count()) as pool:
            return pool.map(_verdict, states, chunksize=1)

    def verdict(self, state: State) -> list[str]:
        """Start on what a cut left, and return what the contract forbids."""
        run, homes = self.run, {}
        root = Path(tempfile.mkdtemp(dir=self.root))
        home = TestHome(root / "home")
        homes[run.home.path] = home.path
        if run.home.inbox.parent != run.home.path:
            home.inbox = Path(tempfile.mkdtemp(dir=run.home.inbox.parent)) / "inbox"
        homes[run.home.inbox] = home.inbox
        lay_out(state.tree, homes)
        contract.renew_sources(home)
        evidence, at, done = root / "evidence", run.times[state.step], run.done[state.step]
        shutil.copytree(run.evidence, evidence)
        notes = [note for note in journal(evidence) if note.at < at]
        lines = [f"{note.word} {note.package} {note.attempt} {note.pid} {note.at}\n" for note in notes]
        (evidence / "journal").write_text("".join(lines))
        prepare(home, evidence, [delivery.plan for delivery in run.deliveries])
        found = contract.whole(home, run.deliveries)
        try:
            found += [f"{name} was reported done, and is not" for name in done - done_in(home.path)]
            if not found:
                start = time.monotonic()
                code, printed = _run_in_fork(home.path, root / "output", *DRAIN)
                if code not in {0, 1} or met_a_bug(printed):
                    found.append(f"jobrunner ended with {code}: {printed}")
                found += contract.at_rest(home, run.deliveries, evidence, dict.fromkeys(done, start))
        except (apsw.Error, OSError) as error:
            found.append(f"what is left cannot be read: {error}")
        shutil.rmtree(root)
        if home.inbox.parent != home.path:
            shutil.rmtree(home.inbox.parent)
        return [f"cut after step {state.step}: {violation}" for violation in found]


def _verdict(state: State) -> list[str]:
    return _campaign.verdict(state)


def _is_of_no_account(path: str) -> bool:
    """Whether nothing depends on a file, so that it does not make a disk another one."""
    return "/.workers/" in path or path.endswith(("/progress", "-shm"))


def lay_out(tree: Tree, roots: Mapping[Path, Path]) -> None:
    """Make the folders and files of a tree below other roots. The machine has been started again since."""
    for path, content in tree.items():
        root = next(root for root in roots if Path(path).is_relative_to(root))
        target = roots[root] / os.path.relpath(path, root).replace(f"-{BOOT_ID}", f"-{OTHER_BOOT}")
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
        elif target.name == ".home":  # it names the database by its path
            target.write_bytes(content.replace(os.fsencode(root), os.fsencode(roots[root])))
        elif not target.name.endswith("-shm"):
            target.write_bytes(content)


def done_in(folder: Path) -> frozenset[str]:
    """Return the packages that are done by the database in a folder. Raises apsw.Error, also where it is damaged."""
    with closing(apsw.Connection(str(folder / "jobrunner.db"))) as connection:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise apsw.CorruptError(f"{folder / 'jobrunner.db'} is damaged")
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'jobs'").fetchall():
            return frozenset()
        return frozenset(
            os.fsdecode(name) for (name,) in connection.execute("SELECT name FROM jobs WHERE state = 'done'")
        )


def _jobrunner(home: Path, *words: str) -> None:
    """Be the program: in a fork of this process, which has its modules loaded already."""
    from jobrunner.cli.main import main
    from jobrunner.services import settling

    settling.BATCH_SECONDS = 60.0  # a traced run is a slow one
    sys.argv = ["jobrunner", "--home", str(home), *words]
    main()


def _run_in_fork(home: Path, output: Path, *words: str) -> tuple[int, str]:
    """Run the program to its end; return its exit status (negative if it had to be killed) and what it printed."""
    pid = os.fork()
    if pid == 0:
        _become(home, output, words)
    handle = os.pidfd_open(pid)
    if not select.select([handle], [], [], _PATIENCE)[0]:
        os.kill(pid, signal.SIGKILL)
    os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output.read_text()


def _become(home: Path, output: Path, words: Iterable[str]) -> NoReturn:
    code = 99
    try:
        os.chdir(home)
        os.environ.clear()
        os.environ.update(clean_environment() | {MARK: str(home)})
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT, 0o644)
        for standard in (1, 2):
            os.dup2(descriptor, standard)
        _jobrunner(home, *words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        os._exit(code)


#: Flushes that stand for each other: left out alone none is missed.
TOGETHER = (("fsync home/failed", "fsync home/work/ID-N"),)


def main() -> int:
    parser = argparse.ArgumentParser(description="Cut the power at each step of a run, and start on what may be left.")
    parser.add_argument("--every", type=int, default=1, help="of the distinct disks, try each so-manieth")
    parser.add_argument("--first", type=int, help="which of them is the first; by default it is drawn")
    parser.add_argument("--without", type=int, default=100, help="for a flush that is left out, try so many disks")
    arguments = parser.parse_args()
    first = random.randrange(arguments.every) if arguments.first is None else arguments.first
    print(f"one in {arguments.every} of the distinct disks is tried, from number {first} on", flush=True)
    violations = []
    for title, scenario in SCENARIOS.items():
        root = Path(tempfile.mkdtemp(prefix="jobrunner-power-", dir=None if scenario.is_across else MEMORY))
        run = record(scenario, root)
        campaign = Campaign(run, root)
        disks, found = campaign.cuts(every=arguments.every, first=first)
        violations += found
        cuts = len(run.record.steps)
        print(f"{title}: {cuts} cuts, {disks} distinct disks, {len(found)} violations", *found, sep="\n  ", flush=True)
        sites = sorted(set(run.record.sites().values())) if arguments.without else []
        for words in [*((site,) for site in sites), *(pair for pair in TOGETHER if {*pair} <= {*sites})]:
            more, violation = campaign.without(*words, most=arguments.without)
            print(f"  without {' and '.join(words)}: {more} more disks; {violation or 'not missed'}", flush=True)
        shutil.rmtree(root)
        if scenario.is_across:
            shutil.rmtree(run.home.inbox.parent)
    return bool(violations)


if __name__ == "__main__":
    sys.exit(main())
