"""Kills at random instants, for minutes: `python -m tests.campaign.torture --seconds 300 --seed 1`.

Several supervisors work on one home, and whatever runs there is killed or stopped: supervisors, workers, guards,
handlers, process groups, whole trees. The seed decides who is struck and how; when, the machine has a say in, too.
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign import contract
from tests.campaign.contract import Delivery
from tests.campaign.processes import children, descendants, described, is_guard, marked, parent, send
from tests.messages import met_a_bug
from tests.scripts import lives
from tests.support import JOBRUNNER, TestHome, kill, processes_of

#: Seconds after which nothing of what was killed may be left.
GONE = 2.0
#: The same for what the whole jobrunner's death left, from the next start on.
GONE_AFTER_START = 5.0
#: Seconds after which a dead worker's job is queued again if one supervisor lives through all of them: twice what the
#: contract says, on a machine that is busy with this.
QUEUED = 2.0
SUPERVISORS = (("run", "-n", "2"), ("work", "-n", "2"), ("work", "-n", "1"))
#: With how often each is delivered.
PLANS = {
    "is slow": 4, "is quick": 3, "forks": 2, "escapes": 4, "fails at first": 2, "later at first": 2,
    "rejects": 1, "fails": 1, "broken zip": 1,
}  # fmt: skip
_BACKLOG = 12
_TICK = 0.01
_LONGEST_TICK = 0.1  # seconds that a tick counts at most


@dataclass(slots=True)
class Tree:
    """A supervisor and all that it started: each process has the mark in its environment."""

    words: tuple[str, ...]
    mark: bytes
    supervisor: subprocess.Popen[bytes]

    def pids(self) -> set[int]:
        return marked(self.mark)


@dataclass
class Figures:
    """What a campaign counts. Times are in seconds."""

    blows: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    gone: list[float] = field(default_factory=list)
    gone_after_start: list[float] = field(default_factory=list)
    #: How long one supervisor lived undisturbed from a kill until the job was queued again, and what had been struck.
    recovered: list[tuple[float, str]] = field(default_factory=list)
    packages: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join((
            f"blows: {self.blows.total()} ({_listed(self.blows)}); {self.killed} processes killed",
            f"packages: {self.packages.total()} ({_listed(self.packages)})",
            f"attempts: {self.attempts.total()} ({_listed(self.attempts)})",
            f"from a kill until nothing of the tree is left: {_spread(self.gone)}",
            "from a kill until the job is queued again, while one supervisor lives: "
            f"{_spread([seconds for seconds, _ in self.recovered])}",
            f"  the longest three: {', '.join(f'{seconds:.2f} s ({name})' for seconds, name in self.recovered[-3:])}",
            "supervisors, workers and guards killed at one instant: what a handler had started in a session of its own "
            f"lives on until the next start; from that until it is gone: {_spread(self.gone_after_start)}",
            f"violations: {len(self.violations)}",
            *(f"  {violation}" for violation in self.violations),
        ))  # fmt: skip


class Torture:
    """One home under torture."""

    def __init__(self, root: Path, seed: int) -> None:
        self.home = TestHome(root / "home")
        self.figures = Figures()
        self._evidence = root / "evidence"
        self._stderr = root / "stderr"
        self._random = random.Random(seed)
        self._deliveries: list[Delivery] = []
        self._recorded: dict[int, float] = {}
        #: Job, attempt and time of the attempts that a kill ended, and what was struck.
        self._deaths: list[tuple[int, int, float, str]] = []
        self._struck = ""
        self._trees: list[Tree] = []
        #: From time to time, which supervisors live, have workers and are not held up.
        self._living: list[tuple[float, frozenset[int]]] = []
        self._is_stopping = False
        self._starts = 0
        contract.prepare(self.home, self._evidence)
        self.home.jobrunner("scan")

    def run(self, seconds: float) -> Figures:
        """Torture for so long, drain, and return what was found."""
        blows = {
            "supervisor": self._supervisor,
            "worker": self._worker,
            "guard": self._guard,
            "worker and guard": self._worker_and_guard,
            "handler": self._handler,
            "handler's group": self._handlers_group,
            "supervisor's group": self._supervisors_group,
            "tree": self._tree,
            "stop": self._stop,
            "stop and kill": self._stop_and_kill,
            "all supervisors, workers and guards": self._all,
        }
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._deliver()
            self._start_missing()
            self._pass(self._random.uniform(0, 0.6))
            name = self._random.choice(list(blows))
            tree = self._random.choice(self._trees)
            self._struck = name
            if blows[name](tree):
                self.figures.blows[name] += 1
        self._end()
        return self.figures

    def _deliver(self) -> None:
        while len(os.listdir(self.home.inbox)) < _BACKLOG:
            [plan] = self._random.choices(list(PLANS), list(PLANS.values()))
            size = 5_000_000 if self._random.random() < 0.05 else 2000
            name = f"p{len(self._deliveries)}"
            mode = self._random.choice([0o644, 0o644, 0o666])  # others may write to some
            self._deliveries.append(contract.deliver(self.home, name, plan, size=size, mode=mode))

    def _start_missing(self) -> None:
        self._trees = [tree for tree in self._trees if tree.supervisor.poll() is None]
        for words in SUPERVISORS:
            if words not in {tree.words for tree in self._trees}:
                self._start(words)

    def _start(self, words: tuple[str, ...]) -> None:
        self._starts += 1
        mark = f"TORTURE_TREE={self.home.path}-{self._starts}"
        name, _, value = mark.partition("=")
        with self._stderr.open("ab") as stderr:
            process = subprocess.Popen(
                [*JOBRUNNER, "--home", str(self.home.path), *words],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=self.home.environment | {name: value},
                process_group=0,
            )
        self._trees.append(Tree(words, os.fsencode(mark), process))

    def _pass(self, seconds: float) -> None:
        """Let time pass, and see meanwhile whose success is recorded."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._observe()
            time.sleep(_TICK)

    def _observe(self) -> None:
        supervisors = [] if self._is_stopping else [tree.supervisor.pid for tree in self._trees]
        self._living.append((time.time(), frozenset(filter(children, filter(lives, supervisors)))))
        found = []
        for name in os.listdir(self.home.work):
            with suppress(OSError):  # it is being removed, or taken over
                if any(part.startswith(("handled-", "flushed")) for part in os.listdir(self.home.work / name)):
                    found.append(name)
        now = time.monotonic()
        for name in found:
            self._recorded.setdefault(int(name.partition("-")[0]), now)

    # What is struck. Each says whether it was there.

    def _supervisor(self, tree: Tree) -> bool:
        self._kill([tree.supervisor.pid], tree.pids)
        return True

    def _worker(self, tree: Tree) -> bool:
        guard = self._any_guard(tree)
        return guard is not None and self._kill_of_chain(guard, [parent(guard)])

    def _guard(self, tree: Tree) -> bool:
        guard = self._any_guard(tree)
        return guard is not None and self._kill_of_chain(guard, [guard])

    def _worker_and_guard(self, tree: Tree) -> bool:
        guard = self._any_guard(tree)
        if guard is None:
            return False
        both = [guard, parent(guard)]
        self._random.shuffle(both)
        return self._kill_of_chain(guard, both)

    def _handler(self, tree: Tree) -> bool:
        guard = self._any_guard(tree)
        handlers = descendants(guard) if guard else []
        if not handlers:
            return False
        self._kill(handlers[:1], lambda: set(filter(lives, handlers)))
        return True

    def _handlers_group(self, tree: Tree) -> bool:
        guard = self._any_guard(tree)
        handlers = descendants(guard) if guard else []
        if not handlers:
            return False
        with suppress(ProcessLookupError):
            group = os.getpgid(handlers[0])
            if group != os.getpgid(guard or 0):  # it has not started its program yet
                os.killpg(group, signal.SIGKILL)
        self._await(lambda: set(filter(lives, handlers)))
        return True

    def _supervisors_group(self, tree: Tree) -> bool:
        self._note_deaths(tree.pids())
        os.killpg(tree.supervisor.pid, signal.SIGKILL)
        self.figures.killed += 2
        self._await(tree.pids)
        return True

    def _tree(self, tree: Tree) -> bool:
        pids = list(tree.pids())
        self._random.shuffle(pids)
        self._kill(pids, tree.pids)
        return True

    def _stop(self, tree: Tree) -> bool:
        stopped = self._stop_some(tree)
        self._pass(self._random.uniform(0, 1))
        self._continue(stopped)
        return True

    def _stop_and_kill(self, tree: Tree) -> bool:
        stopped = self._stop_some(tree)
        self._pass(self._random.uniform(0, 0.5))
        self._note_deaths(tree.pids())
        tree.supervisor.kill()
        self.figures.killed += 1
        self._pass(self._random.uniform(0, 0.5))
        self._continue(stopped)  # who is stopped cannot clear up
        self._await(tree.pids)
        return True

    def _all(self, _: Tree) -> bool:
        """All that could clear up, at one instant; then nobody works, and it is seen whether the packages are whole."""
        everything = set().union(*(tree.pids() for tree in self._trees))
        guards = [pid for pid in everything if is_guard(pid)]
        ours = {*guards, *map(parent, guards), *(tree.supervisor.pid for tree in self._trees)} - {0, 1, os.getpid()}
        for tree in self._trees:
            ours |= set(children(tree.supervisor.pid))
        send(ours, signal.SIGSTOP)
        for pid in [*guards, *ours]:  # guards first: the kernel lets a group go on that has lost its parent
            with suppress(ProcessLookupError):
                kill(pid)
        self.figures.killed += len(ours)
        for tree in self._trees:
            tree.supervisor.wait()
        self._await(lambda: set(filter(lives, ours)))
        self.figures.violations += contract.whole(self.home, self._deliveries)
        left = set(filter(lives, everything))
        self._start_missing()
        at = time.monotonic()
        if left:
            self._wait_until_gone(lambda: set(filter(lives, left)), GONE_AFTER_START, "after the next start")
            self.figures.gone_after_start.append(time.monotonic() - at)
        return True

    def _stop_some(self, tree: Tree) -> set[int]:
        pids = sorted(tree.pids())
        some = set(self._random.sample(pids, self._random.randint(0, len(pids))))
        self._is_stopping = True  # who is stopped may hold what all wait for: the writers' lock, its own presence
        send(some, signal.SIGSTOP)
        return some

    def _continue(self, stopped: set[int]) -> None:
        send(stopped, signal.SIGCONT)
        self._is_stopping = False

    def _any_guard(self, tree: Tree) -> int | None:
        guards = sorted(pid for pid in tree.pids() if is_guard(pid))
        return self._random.choice(guards) if guards else None

    def _kill_of_chain(self, guard: int, victims: list[int]) -> bool:
        """Kill a worker or its guard, or both: both are gone soon, and all that the guard has below it."""
        worker = parent(guard) if lives(guard) else 0
        if worker <= 1 or not is_guard(guard):
            return False
        doomed = [worker, guard, *descendants(guard)]
        self._kill(victims, lambda: set(filter(lives, doomed)), deaths=[worker])
        return True

    # Killing, and verifying the contract.

    def _kill(self, victims: Iterable[int], left: Callable[[], set[int]], deaths: Iterable[int] = ()) -> None:
        self._note_deaths(set(deaths) or left())
        for pid in victims:
            with suppress(ProcessLookupError):
                kill(pid)
                self.figures.killed += 1
        self._await(left)

    def _await(self, left: Callable[[], set[int]]) -> None:
        at = time.monotonic()
        self._wait_until_gone(left, GONE, "after its kill")
        self.figures.gone.append(time.monotonic() - at)

    def _wait_until_gone(self, left: Callable[[], set[int]], seconds: float, words: str) -> None:
        """Wait. While the machine is too busy for us, it is too busy for what was killed: that time does not count."""
        at, waited = time.monotonic(), 0.0
        while pids := left():
            if waited > seconds:
                self.figures.violations.append(
                    f"processes left {seconds:g} s {words}: {[described(pid) for pid in pids]}"
                )
                return
            self._pass(_TICK)
            before, at = at, time.monotonic()
            waited += min(at - before, _LONGEST_TICK)

    def _note_deaths(self, pids: set[int]) -> None:
        """Remember which attempts the kill of these processes ends, if they are workers."""
        running = contract.rows(
            self.home, "SELECT jobs.id, attempt, pid FROM jobs JOIN workers ON workers.id = worker_id"
        )
        now = time.time()
        self._deaths += [(row["id"], row["attempt"], now, self._struck) for row in running if row["pid"] in pids]

    def _killed_now(self) -> set[int]:
        """Kill all that is there, and return it: who was just being forked is there the next time."""
        pids = set(processes_of(self.home)).union(*(tree.pids() for tree in self._trees))
        send(pids, signal.SIGKILL)
        return pids

    def _end(self) -> None:
        self._await(self._killed_now)
        for tree in self._trees:
            tree.supervisor.wait()
        self.figures.violations += contract.whole(self.home, self._deliveries)
        drained = self.home.jobrunner("run", "-n", "3", "--drain")
        if drained.returncode not in {0, 1} or met_a_bug(self._stderr.read_text() + drained.stderr):
            self.figures.violations.append(f"jobrunner is not as it should be: {drained.stderr[-500:]}, {self._stderr}")
        jobs = contract.rows(self.home, "SELECT id, name, state FROM jobs")
        names = {job["id"]: os.fsdecode(job["name"]) for job in jobs}
        recorded = {names[number]: at for number, at in self._recorded.items()}
        self.figures.violations += contract.at_rest(self.home, self._deliveries, self._evidence, recorded)
        self.figures.packages.update(job["state"] for job in jobs)
        attempts = contract.rows(self.home, "SELECT * FROM attempts")
        self.figures.attempts.update(attempt["outcome"] for attempt in attempts)
        ended = {
            (attempt["job_id"], attempt["number"]): attempt["ended_at"]
            for attempt in attempts
            if attempt["outcome"] in {"crashed", "interrupted"}
        }
        for job, number, at, struck in self._deaths:
            if (job, number) in ended:
                seconds = lived_through(self._living, at, ended[job, number])
                self.figures.recovered.append((seconds, struck))
                if seconds > QUEUED:
                    words = f"attempt {number} at {names[job]}, killed with {struck}, was not ended while a supervisor"
                    self.figures.violations.append(f"{words} lived for {seconds:.2f} s")
        self.figures.recovered.sort()


def lived_through(looks: Iterable[tuple[float, Iterable[int]]], start: float, end: float) -> float:
    """Return for how long at most one and the same process was seen to live between two times."""
    longest = 0.0
    since: dict[int, float] = {}
    for at, living in looks:
        if start <= at <= end:
            since = {pid: since.get(pid, at) for pid in living}
            longest = max([longest, *(at - began for began in since.values())])
    return longest


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never seen"
    return f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s ({len(seconds)} times)"


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill jobrunner's processes at random, then hold it to its contract.")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="jobrunner-torture-"))
    print(f"{arguments.seconds:g} s of kills with seed {arguments.seed} in {root}", flush=True)
    figures = Torture(root, arguments.seed).run(arguments.seconds)
    print(figures)
    if figures.violations:
        print(f"the home is left in {root}")
        return 1
    shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
