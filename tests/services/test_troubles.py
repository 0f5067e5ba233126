import os

import pytest

from jobrunner.domain.events import Event, Mended, Trouble
from jobrunner.services.troubles import Troubles


class Supervisor:
    def __init__(self) -> None:
        self.said: list[Event] = []
        self.troubles = Troubles(self.said.append)

    def hears(self) -> list[Event]:
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
    assert supervisor.hears() == [Mended()]
    supervisor.troubles.note(3, None)
    supervisor.troubles.forget(3)
    assert supervisor.hears() == []
    supervisor.troubles.note(1, "full")
    assert supervisor.hears() == [Trouble("full")]


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
    assert supervisor.hears() == [Mended()]


def test_who_tells_what_nobody_hears_is_not_held_up(supervisor: Supervisor) -> None:
    for _ in range(5000):
        supervisor.troubles.tell("full")
        supervisor.troubles.tell(None)
    assert set(supervisor.hears()) == {Trouble("full"), Mended()}
