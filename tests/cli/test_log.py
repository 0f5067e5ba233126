"""Each event as a line of the log, for people and for programs."""

import json
import re
import typing
from pathlib import Path
from typing import Any

import pytest

from jobrunner.cli.log import open_log
from jobrunner.cli.log_options import Asked
from jobrunner.documents.event import event_document
from jobrunner.domain.envelope import Envelope, Level
from jobrunner.domain.events import Event, Trouble
from jobrunner.domain.role import Role
from jobrunner.wiring.home import load_settings
from jobrunner.words.events import of_event
from tests.support import TestHome
from tests.test_escaping import EVIL, assert_harmless

EVENTS = typing.get_args(Event)
HOSTILE = f"{EVIL}\ud800\udcff"


def evil(kind: type[Any]) -> Envelope:
    """An event of this kind with what is hostile in each text."""
    fields = typing.get_type_hints(kind).values()
    event = kind(*(HOSTILE if field in {str, str | None} else 1 for field in fields))
    return Envelope(1_795_478_061.25, 4711, Role.WORKER, 7, 2, event)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_how_bad_an_event_is_shows_in_its_colour(kind: type[Any]) -> None:
    _, tint, _ = of_event(evil(kind).event)
    assert evil(kind).level == {"red": Level.ERROR, "yellow": Level.WARNING}.get(tint, Level.INFO)


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_event_is_one_harmless_line(
    home: TestHome, form: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobrunner.cli.log.exits", type("Exits", (), {}))
    for file in (home.path / "run.log", None):
        log = open_log(load_settings(home.path), Asked(form, file))
        for kind in EVENTS:
            log.show(evil(kind))
        said = file.read_text("utf-8") if file else capfd.readouterr().err
        assert_harmless(said)
        assert said.count("\n") == len(EVENTS)
        if form == "json":
            assert len({line["event"] for line in map(json.loads, said.splitlines())}) == len(EVENTS)


def test_the_page_has_each_event_at_its_level_and_each_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "logs.md").read_text("utf-8")
    for level in Level:
        *_, row = re.findall(rf"^\| `{level.name.lower()}` \| (.*) \|$", page, re.MULTILINE)
        expected = {evil(kind).name for kind in EVENTS if evil(kind).level is level}
        assert set(re.findall(r"`([\w-]+)`", row)) == expected
    keys = {key for row in re.findall(r"^\| (`.*?) \| ", page, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    assert set(event_document(evil(Trouble), "")) <= keys
