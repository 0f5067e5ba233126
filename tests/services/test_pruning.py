"""What is old is removed in small steps; what cannot be is left, and told once."""

import os
from collections.abc import Iterator

import pytest

from jobrunner.domain.change import Action
from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.events import Trouble
from jobrunner.domain.job import Details
from jobrunner.domain.role import Role
from jobrunner.domain.status import Pruned
from jobrunner.linux.processes import Process
from jobrunner.services import pruning as module
from jobrunner.services.pruning import Pruning, Retention
from jobrunner.wiring.home import Home
from tests.support import TestHome

NAMES = [f"p{number}" for number in range(7)]


@pytest.fixture
def opened(home: TestHome) -> Iterator[Home]:
    """A home in which p0 to p6 were done by a handler that is not there any more."""
    with home.open() as made:
        with made.store.write():
            now = made.store.now()
            worker = made.store.workers.register("w", "s", Process.own(), 0.0)
            made.store.queue.enqueue(NAMES, 0.0)
            for name in NAMES:
                job = made.store.queue.claim(worker, now)
                assert job is not None
                made.store.queue.complete(job, Details(handle=1.0), now.wall - 100)
                (home.logs / name).mkdir()
                (home.logs / name / "1.log").write_text("printed\n")
        yield made


def pruning(home: Home, *, attempts: float = 50, logs: float = 50) -> Pruning:
    return Pruning(home.store, home.folders, attempts=attempts, logs=logs)


def attempts(home: Home) -> int:
    return int(home.store.database.one("SELECT count(*) AS number FROM attempts")["number"])


def test_what_is_not_old_enough_stays(home: TestHome, opened: Home) -> None:
    assert list(pruning(opened, attempts=200, logs=200).run()) == []
    assert (attempts(opened), len(os.listdir(home.logs))) == (7, 7)


def test_each_step_takes_a_few(home: TestHome, opened: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 3)
    steps = pruning(opened).run()
    assert next(steps).packages == 3
    assert (attempts(opened), len(os.listdir(home.logs))) == (4, 4)
    assert [step.packages for step in steps] == [3, 1, 0]
    assert (attempts(opened), os.listdir(home.logs)) == (0, [])


def test_logs_go_and_attempts_stay_where_only_logs_are_old(home: TestHome, opened: Home) -> None:
    first, *_ = pruning(opened, attempts=200).run()
    assert (first.packages, first.attempts, first.logs) == (7, 0, 7)
    assert (attempts(opened), os.listdir(home.logs)) == (7, [])


def test_a_dry_run_counts_and_removes_nothing(home: TestHome, opened: Home) -> None:
    counted, *_ = pruning(opened).run(dry=True)
    assert (counted.packages, counted.attempts, counted.logs, counted.fault) == (7, 7, 7, None)
    assert (attempts(opened), len(os.listdir(home.logs))) == (7, 7)
    pruned, *_ = pruning(opened).run()
    assert pruned == counted


def test_only_logs_of_attempts_that_were_made_are_removed(home: TestHome, opened: Home) -> None:
    (home.logs / "p1" / "2.log").write_text("of an attempt that is only just beginning\n")
    (home.logs / "p2" / "notes.txt").write_text("mine\n")
    assert next(pruning(opened).run()).packages == 7
    left = sorted(str(path.relative_to(home.logs)) for path in home.logs.rglob("*") if path.is_file())
    assert left == ["p1/2.log", "p2/notes.txt"]


def test_a_link_in_place_of_a_folder_of_logs_is_not_followed(home: TestHome, opened: Home) -> None:
    elsewhere = home.path / "elsewhere"
    (home.logs / "p3").rename(elsewhere)
    (home.logs / "p3").symlink_to(elsewhere)
    pruned = next(pruning(opened).run())
    assert (pruned.packages, pruned.fault is not None and "logs/p3" in pruned.fault) == (6, True)
    assert (elsewhere / "1.log").exists()
    assert attempts(opened) == 1


def test_by_itself_it_takes_a_few_at_each_look_and_then_rests(
    home: TestHome, opened: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 3)
    retention = Retention(pruning(opened), opened.emit)
    left = []
    for _ in range(5):
        retention.look()
        left.append(attempts(opened))
    assert left == [4, 1, 0, 0, 0]


def test_what_cannot_be_removed_is_told_once(home: TestHome, opened: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REST", 0.0)
    (home.logs / "p3" / "1.log").unlink()
    (home.logs / "p3" / "1.log").mkdir()
    said: list[Envelope] = []
    retention = Retention(pruning(opened), Emit(Role.SUPERVISOR, said.append))
    for _ in range(9):
        retention.look()
    (event,) = [envelope.event for envelope in said]
    assert isinstance(event, Trouble)
    assert "logs/p3" in event.error
    assert os.listdir(home.logs) == ["p3"]


def test_two_that_prune_at_once_do_each_other_no_harm(home: TestHome, opened: Home) -> None:
    with home.open() as other:
        first, second = pruning(opened).run(), pruning(other).run()
        found = [*map(next, (first, second)), *first, *second]
    assert sum(step.packages for step in found) == 7
    assert found[0] == Pruned(7, 7, 7, found[0].size)


def test_who_changed_the_home_is_forgotten_with_attempts_of_that_age(
    opened: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 3)
    wall, changes = opened.store.now().wall, opened.store.changes
    with opened.store.write():
        opened.store.queue.enqueue(["waits"], 0.0)
        done, waits = opened.report.find("p1"), opened.report.find("waits")
        for _ in range(5):
            changes.note_of_home(Action.PAUSE, wall - 100)
        changes.note(Action.RETRY, [done], wall - 100)
        changes.note(Action.FRONT, [waits], wall - 100)
        changes.note_of_home(Action.RESUME, wall)
    list(pruning(opened).run(dry=True))
    assert changes.of_job(done)
    assert sum(step.packages for step in pruning(opened).run()) == 7
    left = opened.store.database.rows("SELECT action FROM changes ORDER BY id")
    assert [row["action"] for row in left] == ["front", "resume"]
    assert [change.action for change in changes.of_job(waits)] == [Action.FRONT]
