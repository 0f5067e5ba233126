"""What of changed settings a process that goes on can take over, and what it needs a restart for."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import NamedTuple

from jobrunner.domain.settings import SECTIONS, Settings

#: What is in use for as long as a process lives: its folders, its database and where it says what happens.
_FOR_LIFE = ("folders", "database", "log", "cluster")
#: Besides that, what concerns a process that works, and one that only scans.
WORKING = ("intake", "extract", "process", "retry", "work", "notify")
SCANNING = ("intake", "extract")


class Changes(NamedTuple):
    """The keys that differ: those that are `taken` over, and those that need a `restart`."""

    taken: Sequence[str]
    restart: Sequence[str]


class Reloaded(NamedTuple):
    """How a reload ended in one process. `error`: the settings are wrong as it finds them, and nothing has changed.

    `given` is the number of workers that -n asked for, where it stays in place of another one in the settings.
    """

    taken: Sequence[str] = ()
    restart: Sequence[str] = ()
    given: int | None = None
    error: str | None = None

    @property
    def concerns_workers(self) -> bool:
        """Whether processes that have started before go by other settings: [work] is their supervisor's affair."""
        return any(not key.startswith("work.") for key in self.taken)

    def as_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(self._asdict())

    def in_words(self) -> str:
        """Return it as people read it, in one line."""
        if self.error is not None:
            return f"refused, and nothing has changed: {self.error}"
        parts = [f"taken over: {', '.join(self.taken)}" if self.taken else "nothing to take over"]
        if self.given is not None:
            parts.append(f"-n {self.given} stays")
        if self.restart:
            parts.append(f"a restart is needed for {', '.join(self.restart)}")
        return "; ".join(parts)

    @classmethod
    def of_text(cls, text: str) -> "Reloaded":
        """Return what `as_text` has written."""
        return cls(**json.loads(text))


class Answer(NamedTuple):
    """What became of the request in one process: None where it has ended meanwhile, or has not answered in time."""

    command: str
    pid: int
    reloaded: Reloaded | None
    has_ended: bool = False

    @property
    def is_well(self) -> bool:
        """Whether the process goes by the file now, as far as it can without a restart."""
        return self.reloaded is not None and self.reloaded.error is None


def changes(running: Settings, found: Settings, concerning: Sequence[str]) -> Changes:
    """Return what differs in the sections that concern a process, between its settings and those that it finds."""
    return Changes(_differing(running, found, concerning), _differing(running, found, _FOR_LIFE))


def _differing(running: Settings, found: Settings, sections: Sequence[str]) -> list[str]:
    return [
        f"{section}.{spec.name}"
        for section in sections
        for spec in fields(SECTIONS[section])
        if getattr(getattr(running, section), spec.name) != getattr(getattr(found, section), spec.name)
    ]


def merged(running: Settings, found: Settings) -> Settings:
    """Return the settings to go on with: those found, but for what needs a restart."""
    return replace(found, **{section: getattr(running, section) for section in _FOR_LIFE})
