import os

import pytest

from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import Event, Mended, Trouble
from jobrunner.domain.role import Role
from jobrunner.linux.waiting import ready
from jobrunner.services.troubles import CALM, Troubles
from tests.support import PATIENCE


class Supervisor:
    def __init__(self) -> None:
        self.said: list[Event] = []
        self.now = 0.0
        emit = Emit(Role.SUPERVISOR, lambda envelope: self.said.append(envelope.event))
        self.troubles = Troubles(emit, ticks=lambda: self.now)

    def hears(self, *, after: float = 0) -> list[Event]:
        self.troubles.hear()
        self.now += after
        self.troubles.hear()
        said = list(self.said)
        self.said.clear()
        return said


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


def test_what_several_meet_is_said_once_and_mended_when_nobody_meets_it(supervisor: Supervisor) -> None:
    for pid in (1, 2, 3):
        supervisor.troubles.note(pid, "full")
    supervisor.troubles.note(2, "gone")
    supervisor.troubles.note(2, "full")
    assert supervisor.hears() == [Trouble("full"), Trouble("gone")]
    supervisor.troubles.note(1, None)
    supervisor.troubles.forget(2)
    assert supervisor.hears() == []
    supervisor.troubles.note(3, None)
    assert supervisor.hears(after=CALM) == [Mended()]
    supervisor.troubles.note(3, None)
    supervisor.troubles.forget(3)
    assert supervisor.hears() == []
    supervisor.troubles.note(1, "full")
    assert supervisor.hears() == [Trouble("full")]


def test_what_a_process_tells_can_be_waited_for_until_it_is_heard(supervisor: Supervisor) -> None:
    assert ready((supervisor.troubles.fileno(),), 0) == set()
    supervisor.troubles.tell("full")
    assert ready((supervisor.troubles.fileno(),), PATIENCE) == {supervisor.troubles.fileno()}
    assert supervisor.hears() == [Trouble("full")]
    assert ready((supervisor.troubles.fileno(),), 0) == set()


def test_who_is_late_to_tell_what_is_mended_does_not_have_it_said_again(supervisor: Supervisor) -> None:
    supervisor.troubles.note(1, "full")
    supervisor.troubles.note(1, None)
    assert supervisor.hears(after=CALM / 2) == [Trouble("full")]
    supervisor.troubles.note(2, "full")
    assert supervisor.hears(after=CALM) == []
    supervisor.troubles.note(2, None)
    assert supervisor.hears(after=CALM) == [Mended()]
    supervisor.troubles.note(2, "full")
    supervisor.troubles.note(2, None)
    supervisor.troubles.end()
    assert supervisor.hears() == [Trouble("full"), Mended()]


def test_what_a_process_tells_is_heard(supervisor: Supervisor) -> None:
    child = os.fork()
    if child == 0:
        supervisor.troubles.tell("voll — \x07" * 1000)
        os._exit(0)
    os.waitpid(child, 0)
    (trouble,) = supervisor.hears()
    assert isinstance(trouble, Trouble)
    assert trouble.error.startswith("voll — ")
    supervisor.troubles.forget(child)
    assert supervisor.hears(after=CALM) == [Mended()]


def test_who_tells_what_nobody_hears_is_not_held_up(supervisor: Supervisor) -> None:
    for _ in range(5000):
        supervisor.troubles.tell("full")
        supervisor.troubles.tell(None)
    assert supervisor.hears(after=CALM) == [Trouble("full"), Mended()]
