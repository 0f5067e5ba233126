"""The supervisor sleeps until something can be done."""

import time

import pytest

from jobrunner.domain.exits import Exit
from jobrunner.services import slots
from jobrunner.wiring.reloading import reloading
from jobrunner.wiring.running import supervisor
from jobrunner.wiring.serving import serving
from tests.support import TestHome


def test_a_place_that_must_stay_empty_does_not_keep_it_awake(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_MOST_ASIDE", 0)  # as with so many workers that are held up
    opened = home.open()
    told = serving(opened)
    supervising = supervisor(opened, lambda error, role: Exit(1, str(error)), reloading(opened, told), told)
    supervising._rounds.end(0.3, is_busy=False, is_urgent=False)
    supervising._wait(listens=True)
    assert time.monotonic() >= supervising._rounds.next_at - 0.01
    supervising.leave()
