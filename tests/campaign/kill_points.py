"""The campaign of kill points: the real program is killed before and after each call that changes something.

For each scenario a first run records the points: the calls of each process that make, change or flush something in the
home, talk through a pipe, or make, replace or end a process. A call that failed changed nothing and is no point; nor
is one on a file outside of the home, or on SQLite's shared memory (-shm). A point is named by its process, the call,
its paths (tokens replaced) and how many of that name came before.

Then for each point: the home as it was, the program killed there (the whole tree of processes, or only the one that
makes the call), started again, and the home verified by the contract.

    python -m tests.campaign.kill_points [--scenario NAME] [--point TEXT] [--sample N [--new]] [--jobs N]
"""

import argparse
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import product, zip_longest
from pathlib import Path

from tests.campaign.place import Place
from tests.campaign.scenarios import Scenario, scenarios
from tests.campaign.tracer import OPEN_FLAGS, Call, Process, Verdict

SEED = 20
#: In seconds: so long after the supervisor's death nothing that it started may live.
GONE_SECONDS = 2.0
#: Runs differ a little: in how many pages are copied into the database, say, or in who wins a race.
TRIES = 30

_TOKENS = (
    (re.compile(r"\b[0-9a-f]{16}\b"), "TOKEN"),
    (re.compile(r"handled-[0-9a-f-]{36}"), "handled-BOOT"),
    (re.compile(r"(pipe|socket):\[\d+\]"), r"\1"),
    (re.compile(r"#\d+ \(deleted\)"), "NAMELESS"),  # what the probe of the machine writes
)
_NO_POINT = re.compile(r"/|jobrunner\.db-shm$")


@dataclass(frozen=True, order=True)
class Point:
    """A call: the `occurrence`-th of its name by a process in this role."""

    role: str
    call: str
    paths: tuple[str, ...]
    occurrence: int

    def __str__(self) -> str:
        return f"{self.role}: {' '.join((self.call, *self.paths))} #{self.occurrence}"


@dataclass(frozen=True, order=True)
class Kill:
    """A place to die at: `when` is "before" or "after"; `alone`, only the process itself is killed."""

    scenario: str
    point: Point
    when: str
    alone: bool

    def __str__(self) -> str:
        return f"{self.scenario}: {self.when} {self.point}, {'process' if self.alone else 'tree'}"


@dataclass(frozen=True)
class Result:
    kill: Kill
    hit: bool
    faults: list[str]
    output: str


@dataclass
class Watch:
    """Names the calls of a run, and kills at one of them."""

    place: Place
    command: str
    kill: Kill | None = None
    points: list[Point] = field(default_factory=list)
    hit: bool = False
    root_killed: bool = False
    _roles: dict[int, str] = field(default_factory=dict)
    _taken: Counter[str] = field(default_factory=Counter)
    _counts: Counter[tuple[str, str, tuple[str, ...]]] = field(default_factory=Counter)
    _within: dict[int, Point] = field(default_factory=dict)

    def on_entry(self, call: Call) -> Verdict | None:
        if _opens_only(call):
            return None
        paths = tuple(map(self._pattern, call.paths))
        if any(map(_NO_POINT.match, paths)) and call.name != "execve":
            return None
        role = self._role(call.process)
        if paths and paths[0].startswith("jobrunner.db"):  # who closes it last, and copies its log into it, differs
            role = "somebody"
        name = (role, call.name, () if call.name == "execve" else paths)
        self._counts[name] += 1
        self._within[call.thread] = point = Point(*name, self._counts[name])
        return self._verdict(call, point, "before")

    def on_exit(self, call: Call) -> Verdict | None:
        point = self._within.pop(call.thread, None)
        if point is None or call.has_failed:
            return None
        self.points.append(point)
        return self._verdict(call, point, "after")

    def _verdict(self, call: Call, point: Point, when: str) -> Verdict | None:
        if self.kill is None or self.hit or (point, when) != (self.kill.point, self.kill.when):
            return None
        self.hit = True
        self.root_killed = not self.kill.alone or call.process.parent is None
        return Verdict.KILL_PROCESS if self.kill.alone else Verdict.KILL_TREE

    def _pattern(self, path: str) -> str:
        path = path.replace(str(self.place.home.inbox), "inbox").replace(f"{self.place.home.path}/", "")
        for token, word in _TOKENS:
            path = token.sub(word, path)
        return path

    def _role(self, process: Process) -> str:
        """Name a process by its place in the tree; the second of a kind is `worker 2`."""
        if process.pid not in self._roles:
            names = ("supervisor" if self.command in {"work", "run"} else self.command, "worker", "guard", "handler")
            name = names[process.depth] if process.depth < len(names) else "daemon"
            if self.command == "run" and (process.depth, process.number) == (1, 2):
                name = "scanner"
            parent = process.parent and self._roles.get(process.parent.pid, "")
            if self.place.told and process.depth == 1 and process.number > 1:  # of one worker; or at the end, again
                name = "notifier"
            elif parent and parent.startswith("notifier"):
                name = "delivery"
            self._taken[name] += 1
            self._roles[process.pid] = name if self._taken[name] == 1 else f"{name} {self._taken[name]}"
        return self._roles[process.pid]


def _opens_only(call: Call) -> bool:
    """Say of an open that may create a file whether the file is there already, and stays as it is."""
    flags = OPEN_FLAGS.get(call.name)
    return flags is not None and not call.arguments[flags] & os.O_TRUNC and os.path.lexists(call.paths[0])


_places: dict[str, Place] = {}


def _place(scenario: Scenario, here: str, elsewhere: str) -> Place:
    """Return this process's home for a scenario, in its state before the command."""
    if scenario.name not in _places:
        folder = f"{scenario.name}-{os.getpid()}"
        place = Place(Path(here, folder), Path(elsewhere, folder) if scenario.inbox_elsewhere else None)
        scenario.prepare(place)
        place.save()
        _places[scenario.name] = place
    place = _places[scenario.name]
    place.restore()
    return place


def record(name: str, here: str, elsewhere: str) -> list[Kill]:
    """Run a scenario without a kill and return all that can be done to it."""
    scenario = scenarios()[name]
    place = _place(scenario, here, elsewhere)
    watch = Watch(place, scenario.command[0])
    with place.beside(*scenario.beside):
        ended = place.run(*scenario.command, on_entry=watch.on_entry, on_exit=watch.on_exit)
    faults = place.faults_now()
    if ended.code not in {0, 1} or faults:
        raise RuntimeError(f"{name} without a kill: exit status {ended.code}, {faults}, {place.output.read_text()}")
    has_several = len({point.role for point in watch.points}) > 1
    variants = product(watch.points, ("before", "after"), (False, True) if has_several else (False,))
    return [Kill(name, point, when, alone) for point, when, alone in variants]


def strike(kill: Kill, here: str, elsewhere: str) -> Result:
    """Kill at this place, start again, and return what is not as it should be."""
    scenario = scenarios()[kill.scenario]
    for _ in range(TRIES):
        place = _place(scenario, here, elsewhere)
        watch = Watch(place, scenario.command[0], kill)
        try:
            faults = _faults(scenario, place, watch)
        except (AssertionError, OSError) as error:  # a trace that did not end; a home without its folders
            faults = [repr(error)]
        if watch.hit:
            break
    output = place.output.read_text(errors="replace") if faults else ""
    return Result(kill, watch.hit, list(dict.fromkeys(faults)), output)


def _faults(scenario: Scenario, place: Place, watch: Watch) -> list[str]:
    with place.beside(*scenario.beside):
        ended = place.run(*scenario.command, on_entry=watch.on_entry, on_exit=watch.on_exit)
        if scenario.beside:
            place.run(*scenario.command)
    faults = place.faults_now()
    if watch.root_killed:
        assert ended.outlived is not None
        if ended.outlived > GONE_SECONDS:
            faults.append(f"something lived on for {ended.outlived:.1f} s")
    elif "--drain" in scenario.command:
        faults += _faults_of_code(scenario.command, ended.code)
        # the next start sweeps what who was killed had yet to remove from the work folder
        faults += [fault for fault in place.faults_at_end() if not re.fullmatch("work/.* is left", fault)]
    for words in scenario.restart:
        faults += _faults_of_code(words, place.run(*words).code)
    return [*faults, *place.faults_at_end()]


def _faults_of_code(words: tuple[str, ...], code: int) -> list[str]:
    return [] if code in {0, 1} else [f"{' '.join(words)} ended with {code}"]


def _kind(point: Point) -> str:
    if point.paths and point.paths[-1].startswith("jobrunner.db"):
        return "database"
    if point.paths and point.paths[-1] in {"pipe", "socket"}:
        return "pipe"
    return next((kind for kind, pattern in _KINDS.items() if re.match(pattern, point.call)), "attributes")


_KINDS = {
    "rename": "rename",
    "remove": "unlink|rmdir",
    "make": "open|creat|mk|link|symlink",
    "write": "p?write|fallocate|f?truncate|copy|send|splice",
    "flush": "f?d?a?t?a?sync",
    "process": "clone|v?fork|exec|kill|pidfd",
}
_COLUMNS = ("rename", "remove", "make", "write", "flush", "database", "process", "pipe", "attributes")


def table(results: list[Result]) -> str:
    """Say what was hit: distinct points by kind for each scenario, then the kills."""
    lines = [f"{'scenario':<20}{'points':>7}" + "".join(f"{kind:>11}" for kind in _COLUMNS)]
    lines[0] += f"{'kills':>8}{'hit before':>12}{'and after':>11}"
    by_scenario: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_scenario[result.kill.scenario].append(result)
    for name, theirs in [*sorted(by_scenario.items()), ("in all", results)]:
        points = {(result.kill.scenario, result.kill.point) for result in theirs}
        kinds = Counter(_kind(point) for _, point in points)
        hit = Counter(result.kill.when for result in theirs if result.hit)
        counts = "".join(f"{kinds[kind]:>11}" for kind in _COLUMNS)
        lines.append(f"{name:<20}{len(points):>7}{counts}{len(theirs):>8}{hit['before']:>12}{hit['after']:>11}")
    return "\n".join(lines)


def campaign(names: list[str], *, point: str, sample: int | None, new: bool, jobs: int) -> list[Result]:
    """Make the kills, `jobs` at a time, in an order that the seed fixes; faults are printed as they are found.

    `sample`: only so many; with `new`, and all of those at the newest steps.
    """
    here, elsewhere = (tempfile.mkdtemp(prefix="kill-points-", dir=folder) for folder in _filesystems())
    try:
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            found = pool.starmap(record, [(name, here, elsewhere) for name in names], chunksize=1)
            kills = _in_turn([[kill for kill in kills if point in str(kill)] for kills in found])
            chosen = kills[:sample] + [kill for kill in kills[len(kills[:sample]) :] if new and _is_new(kill)]
            results = []
            strikes = [pool.apply_async(strike, (kill, here, elsewhere)) for kill in chosen]
            for pending in strikes:
                results.append(pending.get())
                _say(results[-1], len(results), len(strikes))
            return results
    finally:
        for folder in (here, elsewhere):
            shutil.rmtree(folder)


def _in_turn(found: list[list[Kill]]) -> list[Kill]:
    """Shuffle the kills of each scenario, then take one of each in turn: a sample has them all."""
    chance = random.Random(SEED)
    shuffled = [chance.sample(kills, len(kills)) for kills in found]
    return [kill for turn in zip_longest(*shuffled) for kill in turn if kill]


def _is_new(kill: Kill) -> bool:
    pattern = scenarios()[kill.scenario].new
    return pattern is not None and bool(re.search(pattern, str(kill.point)))


def _filesystems() -> tuple[str, str]:
    """Where the homes are, in memory if that can be, and another filesystem if there is one."""
    shared, usual = "/dev/shm", tempfile.gettempdir()
    return (shared, usual) if os.access(shared, os.W_OK) else (usual, usual)


def _say(result: Result, number: int, of: int) -> None:
    if not result.hit:
        print(f"NOT HIT  {result.kill}", flush=True)
    for fault in result.faults:
        print(f"FAULT  {result.kill}\n       {fault}\n{result.output}", flush=True)
    if number % 1000 == 0:
        print(f"{number} of {of} kills", flush=True)


def main() -> None:
    """Run the campaign from the command line; exits with 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(description="Kills jobrunner before and after each call that changes something.")
    parser.add_argument("--scenario", action="append", choices=list(scenarios()), help="only this one (repeatable)")
    parser.add_argument("--point", default="", help="only the kills whose name has this in it")
    parser.add_argument("--sample", type=int, help="only so many kills, the same ones each time")
    parser.add_argument("--new", action="store_true", help="beside a sample, all kills at the newest steps")
    parser.add_argument(
        "--jobs", type=int, default=4, help="how many at a time (default: %(default)s, they wait a lot)"
    )
    words = parser.parse_args()
    start = time.monotonic()
    one, other = map(os.stat, _filesystems())
    names = words.scenario or list(scenarios())
    if one.st_dev == other.st_dev:
        print("left out: an inbox on another filesystem (there is no /dev/shm beside the folder for temporary files)")
        names = [name for name in names if not scenarios()[name].inbox_elsewhere]
    results = campaign(names, point=words.point, sample=words.sample, new=words.new, jobs=words.jobs)
    missed = sum(not result.hit for result in results)
    faulty = sum(bool(result.faults) for result in results)
    print(table(results))
    print(
        f"{len(results)} kills at {len({(each.kill.scenario, each.kill.point) for each in results})} points "
        f"(seed {SEED}): {missed} not hit, {faulty} with faults, {time.monotonic() - start:.0f} s"
    )
    sys.exit(bool(missed or faulty or not results))


if __name__ == "__main__":
    main()
