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

    `inbox_elsewhere`: the inbox is on another filesystem.
    """

    name: str
    prepare: Callable[[Place], None]
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
    yield Scenario("first-scan", lambda place: place.deliver("p"), ("scan",))
    yield Scenario("scan", _known_home, ("scan",))
    yield Scenario("done", _two_queued)
    yield Scenario("run", lambda place: place.deliver("p"), ("run", "-n", "1", "--drain"))
    yield Scenario("bad-zip", _queued("broken zip"))
    yield Scenario("failure", _queued("fails at first"))
    yield Scenario("not-now", _queued("later at first"))
    yield Scenario("rejected", _queued("rejects"))
    yield Scenario("retry", _failed, ("retry", "p"))
    yield Scenario("retried", _retried)
    yield Scenario("replace", _delivered_again, ("scan",))
    yield Scenario("replaced", _replaced)
    yield Scenario("other-filesystem", _queued(), inbox_elsewhere=True)
    yield Scenario("callable", _callable)
    yield Scenario("daemons", _queued("escapes"))
    yield Scenario("third-crash", _killed_at("rename", "/work/1-3", _crashing))
    yield Scenario("recover-extraction", _killed_at("write", "/data/plan.txt"))
    yield Scenario("recover-handler", _killed_at("mkdir", "/data/result"))
    yield Scenario("recover-success", _killed_at("rename", "/handled-"))
    yield Scenario("recover-merge", _killed_at("rename", "/package/result"))
    yield Scenario("recover-archive", _killed_at("rename", "/archive/p"))
    yield Scenario("recover-condemned", _killed_at("openat", "/error.txt", _queued("rejects")))
    yield Scenario("recover-failed", _killed_at("rename", "/failed/p", _queued("rejects")))
    yield Scenario("recover-copy", _killed_at("rename", "/copied"), inbox_elsewhere=True)


def _known_home(place: Place) -> None:
    place.deliver("p")
    place.run("scan")
    place.deliver("q")


def _queued(plan: str = "is quick") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        place.deliver("p", plan)
        place.run("scan")

    return prepare


def _two_queued(place: Place) -> None:
    _known_home(place)
    place.run("scan")


def _failed(place: Place) -> None:
    place.configure(max_attempts=1)
    _queued("fails at first")(place)
    place.run(*DRAIN)
    place.configure()


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
    _queued()(place)


def _crashing(place: Place) -> None:
    """The handler kills its guard each time."""
    place.configure(handler='command = ["/bin/sh", "-c", "kill -9 $PPID; exec sleep 1000"]')
    _queued()(place)


def _killed_at(name: str, path: str, prepared: Callable[[Place], None] | None = None) -> Callable[[Place], None]:
    """A home whose whole tree was killed as soon as a call had taken place on a path that has this in it."""

    def prepare(place: Place) -> None:
        (prepared or _queued())(place)

        def kill(call: Call) -> Verdict | None:
            found = call.name.startswith(name) and call.paths and path in call.paths[-1] and not call.has_failed
            return Verdict.KILL_TREE if found else None

        ended = place.run(*DRAIN, on_exit=kill)
        assert ended.code == -signal.SIGKILL, f"there was no {name} of {path}"

    return prepare
