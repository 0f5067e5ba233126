"""What the campaign of kill points runs: homes in a certain state, each with the command that is killed in it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import apsw

from tests.campaign.place import Place
from tests.campaign.tracer import Call, Verdict

DRAIN = ("work", "-n", "1", "--drain")
WORK = ("work", "-n", "1")

#: Patterns of points.
ALL = ""
OF_REVISIONS = r"copying|/identity|\.jobrunner"
KEPT = r"\.kept"
TRIED = r"\.try-"
PRUNED = r"\blogs\b"
OF_NOTICES = r"^(notifier|delivery)\b"


@dataclass(frozen=True)
class Scenario:
    """`prepare` brings a home into its state, `command` is what is killed in it, at each of its points.

    `inbox_elsewhere`: the inbox is on another filesystem. `beside`: what runs, untraced, until the command has been
    started again after the kill, each at a package. `then`: what is left to do after that, unless the command drains.
    `new`: a pattern of those of its points that belong to the steps that came last, if it has any.
    """

    name: str
    prepare: Callable[[Place], None]
    command: tuple[str, ...] = DRAIN
    inbox_elsewhere: bool = False
    beside: tuple[tuple[str, ...], ...] = ()
    then: tuple[tuple[str, ...], ...] = (DRAIN,)
    new: str | None = None

    @property
    def restart(self) -> list[tuple[str, ...]]:
        """What somebody does after the kill: the same once more, and then all that is left to do."""
        return [self.command] if "--drain" in self.command else [self.command, *self.then]


def scenarios() -> dict[str, Scenario]:
    """Return all scenarios by name."""
    return {scenario.name: scenario for scenario in _all()}


def _all() -> Iterator[Scenario]:
    yield Scenario("first-scan", lambda place: place.deliver("p"), ("scan",))
    yield Scenario("scan", _known_home, ("scan",))
    yield Scenario("done", _two_queued, new=OF_REVISIONS)
    yield Scenario("batch", _without_handler)
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
    yield Scenario("other-spelling", _queued(zip_name="P.ZIP"))
    yield Scenario("others-may-change", _changeable())
    yield Scenario("others-may-change-and-it-fails", _changeable("rejects"))
    yield Scenario("recover-others-copy", _killed_at("rename", "/original-", _changeable()))
    yield Scenario("callable", _callable)
    yield Scenario("keep-failed", _keeping("1h"), new=KEPT)
    yield Scenario("kept-too-long", _kept_too_long, new=KEPT)
    yield Scenario("try", _tried, ("try", "p"), new=TRIED)
    yield Scenario("daemons", _queued("escapes"))
    yield Scenario("third-crash", _killed_at("rename", "/work/1-3", _crashing))
    yield Scenario("cancel-queued", _queued("waits"), ("cancel", "p"))
    yield Scenario(
        "cancel-waiting", _killed_at("write", "/output", _queued("later, then waits"), said=b"waiting"), ("cancel", "p")
    )
    yield Scenario("cancel-running", _queued("waits"), ("cancel", "p"), beside=(WORK,))
    yield Scenario("cancel-dead", _killed_at("openat", "/evidence/lock-p", _queued("waits")), ("cancel", "p"))
    yield Scenario("check-repair", _differing, ("check", "--repair"))
    yield Scenario("check-rebuild", _without_database, ("check", "--rebuild"))
    yield Scenario("recover-extraction", _killed_at("write", "/data-1/plan.txt"))
    yield Scenario("recover-handler", _killed_at("mkdir", "/data-1/result"))
    yield Scenario("recover-success", _killed_at("rename", "/handled-"))
    yield Scenario("recover-merge", _killed_at("renameat2", "/flushed/p.zip"))
    yield Scenario("recover-archive", _killed_at("rename", "/archive/p"))
    yield Scenario("recover-batch", _killed_at("rename", "/archive/q", _without_handler))
    yield Scenario("recover-condemned", _killed_at("openat", "/error.txt", _queued("rejects")))
    yield Scenario("recover-failed", _killed_at("rename", "/failed/p", _queued("rejects")))
    yield Scenario("recover-copy", _killed_at("rename", "/copied"), inbox_elsewhere=True)
    yield from _steered()


def _steered() -> Iterator[Scenario]:
    yield Scenario("rerun", _to_be_rerun(), ("rerun", "p"), new=ALL)
    yield Scenario("rerun-working", _busy(_to_be_rerun()), ("rerun", "p"), beside=(WORK, WORK), new=ALL)
    yield Scenario("rerun-queued", _rerun(), new=OF_REVISIONS)
    yield Scenario("rerun-rejected", _rerun("rejects later"), new=OF_REVISIONS)
    yield Scenario("recover-rerun", _killed_at("mkdir", "/data-1/result", _rerun()), new=OF_REVISIONS)
    yield Scenario("accept", _delivered_twice(), ("accept", "p"), new=ALL)
    yield Scenario("accept-working", _busy(_delivered_twice()), ("accept", "p"), beside=(WORK, WORK), new=ALL)
    yield Scenario("accepted", _accepted(), new=OF_REVISIONS)
    yield Scenario("accepted-and-rejected", _accepted("rejects"), new=OF_REVISIONS)
    yield Scenario("called-like-a-revision", _called_like_a_revision, ("scan",), new=ALL)
    yield Scenario("pause", _queued(), ("pause",), then=_RESUMED, new=ALL)
    yield Scenario("pause-working", _several_queued, ("pause",), beside=(WORK, WORK), then=_RESUMED, new=ALL)
    yield Scenario("resume", _paused, ("resume",), new=ALL)
    yield Scenario("front", _several_queued, ("front", "r", "q"), new=ALL)
    yield Scenario("prune", _ended_long_ago, ("prune", "--older-than", "0s"), new=ALL)
    yield Scenario("retention", _ended_long_ago, new=PRUNED)
    yield Scenario("reload", _queued("is slow"), ("reload",), beside=(WORK,), new=ALL)
    yield Scenario("told", _told, new=OF_NOTICES)
    yield Scenario("pause-told", _paused_is_told, ("pause",), then=_RESUMED, new=ALL)
    yield Scenario("taken-over", _queued("reloads"))


#: A drain in a pause, and one after it.
_RESUMED = (DRAIN, ("resume",), DRAIN)


def _known_home(place: Place) -> None:
    place.deliver("p")
    place.run("scan")
    place.deliver("q")


def _queued(plan: str = "is quick", *, zip_name: str = "") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        place.deliver("p", plan, zip_name=zip_name)
        place.run("scan")

    return prepare


def _several_queued(place: Place) -> None:
    for name in ("p", "q", "r", "s"):
        place.deliver(name)
    place.run("scan")


def _paused(place: Place) -> None:
    _queued()(place)
    place.run("pause")


def _changeable(plan: str = "is quick") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        place.deliver("p", plan, mode=0o666)
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


def _to_be_rerun(plan: str = "is quick") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        _queued(plan)(place)
        place.run(*DRAIN)
        place.revise(place.keep_done())

    return prepare


def _rerun(plan: str = "is quick") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        _to_be_rerun(plan)(place)
        place.run("rerun", "p")

    return prepare


def _delivered_twice(plan: str = "is quick") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        _queued()(place)
        place.run(*DRAIN)
        place.keep_done()
        place.deliver("p", plan, job="p~2")

    return prepare


def _busy(before: Callable[[Place], None]) -> Callable[[Place], None]:
    """Have two other packages to work at, until the workers are stopped: then their handlers are ended at once."""

    def prepare(place: Place) -> None:
        before(place)
        place.configure(more='[work]\nshutdown_grace = "0s"\n')
        for name in ("q", "r"):
            place.deliver(name, "waits at first")
        place.run("scan")

    return prepare


def _accepted(plan: str = "is quick") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        _delivered_twice(plan)(place)
        place.run("accept", "p")

    return prepare


def _called_like_a_revision(place: Place) -> None:
    _rerun()(place)
    place.run(*DRAIN)
    place.keep_done()
    place.deliver("p~2", job="p~2~2")


def _without_handler(place: Place) -> None:
    place.use_no_handler()
    for name in ("p", "q", "r"):
        place.deliver(name, "no handler")
    place.run("scan")


def _callable(place: Place) -> None:
    place.use_callable()
    _queued()(place)


def _told(place: Place) -> None:
    place.tell()
    _queued("rejects")(place)


def _paused_is_told(place: Place) -> None:
    place.tell()
    _queued()(place)


def _keeping(duration: str, plan: str = "fails at first") -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        place.keep_failed(duration)
        _queued(plan)(place)

    return prepare


def _kept_too_long(place: Place) -> None:
    """The time of what an attempt at p has left is over."""
    _keeping("1h")(place)
    place.run(*DRAIN)
    assert [kept.name for kept in (place.home.work / ".kept").iterdir()] == ["1-1"]
    place.configure()
    place.deliver("q")
    place.run("scan")


def _tried(place: Place) -> None:
    """The handler keeps no journal: it runs in tries, too."""
    place.configure(handler='command = ["true"]')
    place.deliver("p", "no handler")
    place.run("scan")


def _crashing(place: Place) -> None:
    """The handler kills its guard each time."""
    place.configure(handler='command = ["/bin/sh", "-c", "kill -9 $PPID; exec sleep 1000"]')
    _queued()(place)


def _ended(place: Place) -> None:
    """One package is done, another has failed, and the worker of a third was killed: work holds it."""
    for name, plan in (("p", "is quick"), ("q", "rejects")):
        place.deliver(name, plan)
        place.run("scan")
    place.run(*DRAIN)
    place.deliver("r")
    _killed_at("mkdir", "/data-1/result", lambda place: place.run("scan"))(place)


def _ended_long_ago(place: Place) -> None:
    """Two packages are done, one of them at its second attempt, and one has failed; another one is queued."""
    for name, plan in (("p", "fails at first"), ("q", "is quick"), ("r", "rejects")):
        place.deliver(name, plan)
    place.run("scan")
    place.run(*DRAIN)
    place.configure(more='[retention]\nattempts = "0s"\nlogs = "0s"\n')
    place.deliver("s")
    place.run("scan")


def _differing(place: Place) -> None:
    """The database knows none of them any more; a fourth package's worker is dead; there is a leftover, and a lock."""
    _ended(place)
    with closing(apsw.Connection(str(place.home.path / "jobrunner.db"))) as connection:
        connection.execute("DELETE FROM attempts; DELETE FROM jobs; DELETE FROM outcome_totals")
    place.deliver("s")
    _killed_at("mkdir", "/data-1/result", lambda place: place.run("scan"))(place)
    (place.home.work / "90-1" / "data" / "deep").mkdir(parents=True)
    (place.home.work / ".workers" / "0123456789abcdef").touch()


def _without_database(place: Place) -> None:
    _ended(place)
    for file in place.home.path.glob("jobrunner.db*"):
        file.unlink()


def _killed_at(
    name: str, path: str, prepared: Callable[[Place], object] | None = None, *, said: bytes = b""
) -> Callable[[Place], None]:
    """A home whose whole tree was killed as soon as a call had taken place on a path that has this in it.

    `said`: a write counts if it has this in it.
    """

    def prepare(place: Place) -> None:
        (prepared or _queued())(place)

        def kill(call: Call) -> Verdict | None:
            found = call.name.startswith(name) and call.paths and path in call.paths[-1] and not call.has_failed
            return Verdict.KILL_TREE if found and (not said or said in call.written()) else None

        ended = place.run(*DRAIN, on_exit=kill)
        assert ended.code == -signal.SIGKILL, f"there was no {name} of {path}"

    return prepare
