"""A changed file of settings is told of once: that it has changed, or what a reload has made of that."""

from pathlib import Path

from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import Event, SettingsChanged, SettingsTaken
from jobrunner.domain.role import Role
from jobrunner.services.registration import Registration
from jobrunner.wiring.home import load_settings, open_home
from jobrunner.wiring.reloading import reloading
from jobrunner.wiring.serving import serving
from tests.support import TestHome


def write(home: Path, toml: str) -> None:
    (home / "new.toml").write_text(toml)
    (home / "new.toml").rename(home / "jobrunner.toml")


def test_what_is_taken_over_at_the_look_that_finds_it_is_said_once(home: TestHome) -> None:
    events: list[Event] = []
    emit = Emit(Role.SUPERVISOR, lambda envelope: events.append(envelope.event))
    with open_home(load_settings(home.path), emit) as opened:
        registration = Registration(opened.store, "t" * 16)
        by = reloading(opened, serving(opened))
        registration.begin("run", 1, by.state)
        write(home.path, "[retry]\nmax_attempts = 7\n")
        by.look(registration, at_once=True)
        by.look(registration)
        write(home.path, "[rety]\n")
        by.look(registration, at_once=True)
        by.look(registration)
        taken, refused = events
        assert taken == SettingsTaken("taken over: retry.max_attempts")
        assert isinstance(refused, SettingsTaken)
        assert refused.outcome.startswith("refused, and nothing has changed: ")
        write(home.path, '[log]\nformat = "json"\n')
        by.look(registration)
        by.look(registration)
        assert events[2:] == [SettingsChanged("retry.max_attempts, log.format", restart=True)]
