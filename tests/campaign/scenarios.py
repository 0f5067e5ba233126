"""What the campaign of kill points runs: homes in a certain state, each with the command that is killed in it."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.campaign.place import Place
from tests.campaign.tracer import Call, Verdict

DRAIN = ("work", "-n", "1", "--drain")


@dataclass(frozen=True)
class Scenario:
    """`prepare` brings a home into its state, `command` is what is killed in it, at each of its points.

    `ends`: how each package ends in spite of that. `inbox_elsewhere`: the inbox is on another filesystem.
    """

    name: str
    prepare: Callable[[Place], None]
    ends: dict[str, str]
    command: tuple[str, ...] = DRAIN
    inbox_elsewhere: bool = False

    @property
    def restart(self) -> list[tuple[str, ...]]:
        """What somebody does after the kill: the same once more, and then all that is left to do."""
        return [self.command] if "--drain" in self.command else [self.command, DRAIN]


def scenarios() -> dict[str, Scenario]:
    """Return all scenarios by name."""
    return {scenario.name: scenario for scenario in _all()}


def _all() -> Iterator[Scenario]:
    done, failed = {"p": "done"}, {"p": "failed"}
    yield Scenario("first-scan", lambda place: place.deliver("p"), done, ("scan",))
    yield Scenario("scan", _known_home, {"p": "done", "q": "done"}, ("scan",))
    yield Scenario("done", _queued("p", "q"), {"p": "done", "q": "done"})
    yield Scenario("run", lambda place: place.deliver("p"), done, ("run", "-n", "1", "--drain"))
    yield Scenario("bad-zip", _bad_zip, failed)
    yield Scenario("tried-again", _planned("p", {"p 1": 1, "p 2": 75}), done)
    yield Scenario("rejected", _rejected, failed)
    yield Scenario("retry", _failed, done, ("retry", "p"))
    yield Scenario("retried", _retried, done)
    yield Scenario("replace", _delivered_again, done, ("scan",))
    yield Scenario("replaced", _replaced, done)
    yield Scenario("other-filesystem", _queued("p"), done, inbox_elsewhere=True)
    yield Scenario("callable", _callable, done)
    yield Scenario("daemons", _planned("p", {"p 1": "daemon", "p 2": "daemon"}), done)
    yield Scenario("third-crash", _killed_at("rename", "/work/1-3", _crashing), failed)
    yield Scenario("recover-extraction", _killed_at("write", "/data/b/c.txt"), done)
    yield Scenario("recover-handler", _killed_at("mkdir", "/data/result"), done)
    yield Scenario("recover-success", _killed_at("rename", "/handled-"), done)
    yield Scenario("recover-merge", _killed_at("rename", "/package/result"), done)
    yield Scenario("recover-archive", _killed_at("rename", "/archive/p"), done)
    yield Scenario("recover-condemned", _killed_at("openat", "/error.txt", _rejected), failed)
    yield Scenario("recover-failed", _killed_at("rename", "/failed/p", _rejected), failed)
    yield Scenario("recover-copy", _killed_at("rename", "/copied"), done, inbox_elsewhere=True)


def _known_home(place: Place) -> None:
    place.deliver("p")
    place.run("scan")
    place.deliver("q")


def _queued(*names: str) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        for name in names:
            place.deliver(name)
        place.run("scan")

    return prepare


def _planned(name: str, plan: dict[str, int | str]) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        place.plan(plan)
        _queued(name)(place)

    return prepare


def _bad_zip(place: Place) -> None:
    place.deliver("p", zip_file=b"PK\3\4 this is no zip")
    place.run("scan")


_crashing = _planned("p", {f"p {attempt}": "crash" for attempt in range(1, 9)})
_rejected = _planned("p", {f"p {attempt}": 65 for attempt in range(1, 9)})


def _failed(place: Place) -> None:
    _planned("p", {"p 1": 65})(place)
    place.run(*DRAIN)


def _retried(place: Place) -> None:
    _failed(place)
    place.run("retry", "p")


def _delivered_again(place: Place) -> None:
    _failed(place)
    place.deliver("p")


def _replaced(place: Place) -> None:
    _delivered_again(place)
    place.run("scan")


def _callable(place: Place) -> None:
    place.use_callable()
    _queued("p")(place)


def _killed_at(name: str, path: str, prepared: Callable[[Place], None] | None = None) -> Callable[[Place], None]:
    """A home whose whole tree was killed as soon as a call had taken place on a path that has this in it."""

    def prepare(place: Place) -> None:
        (prepared or _queued("p"))(place)

        def kill(call: Call) -> Verdict | None:
            found = call.name.startswith(name) and call.paths and path in call.paths[-1] and not call.has_failed
            return Verdict.KILL_TREE if found else None

        ended = place.run(*DRAIN, on_exit=kill)
        assert ended.code == -signal.SIGKILL, f"there was no {name} of {path}"

    return prepare
