"""Which run, work and scan --watch there are, by what they said of themselves. Whether they live, /proc knows."""

from typing import NamedTuple

from jobrunner.domain.status import Deaths
from jobrunner.linux.processes import Process
from jobrunner.store.database import Database, Row
from jobrunner.store.statements import statements


class RunnerRecord(NamedTuple):
    """A jobrunner that goes on: `token` names its lock file, and is what its workers are recorded under.

    `command` is run, work or scan, `workers` how many it keeps alive. `started_at` in seconds since 1970.
    `settings_state`: of the settings file that it runs with, None where there was none. `missed`: how many packages its
    watch of the inbox has missed.
    """

    token: str
    command: str
    process: Process
    started_at: float
    workers: int
    deaths: Deaths | None
    settings_state: str | None
    missed: int


class Reloads(NamedTuple):
    """How many reloads one has been asked for and has done, and what it answered to the last of these, as JSON."""

    asked: int
    done: int
    answer: str | None


class Runners:
    """The table of runners. Methods that change it are called within `Database.write`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("runners")

    def begin(
        self, token: str, command: str, workers: int, settings_state: str | None, process: Process, now: float
    ) -> None:
        """Record a new one, unless that has been done."""
        parameters = {"token": token, "command": command, "workers": workers, "now": now}
        parameters |= {"settings_state": settings_state}
        self._database.execute(self._statements["begin"], parameters | process._asdict())

    def note_deaths(self, token: str, deaths: int, newest: str, now: float, *, apart: float) -> None:
        """Record that so many of its children have died, the newest in words.

        They are added to those before, unless the last of these was more than `apart` seconds ago.
        """
        parameters = {"token": token, "deaths": deaths, "death": newest, "now": now, "recent": now - apart}
        self._database.execute(self._statements["note_deaths"], parameters)

    def note_missed(self, token: str, missed: int) -> None:
        """Add to how many packages the watch of one has missed."""
        self._database.execute(self._statements["note_missed"], {"token": token, "missed": missed})

    def ask_to_reload(self, token: str) -> int | None:
        """Ask one to take changed settings over; return the number of this request, None where it has ended."""
        row = self._database.row(self._statements["ask_to_reload"], {"token": token})
        return int(row["reloads_asked"]) if row else None

    def reloads(self, token: str) -> Reloads | None:
        """Return what one has been asked for and has answered, None where it has ended."""
        row = self._database.row(self._statements["reloads"], {"token": token})
        return Reloads(row["reloads_asked"], row["reloads_done"], row["reload_answer"]) if row else None

    def note_settings(self, token: str, settings_state: str | None, workers: int) -> None:
        """Record which settings file one runs with by now, and how many workers it keeps."""
        parameters = {"token": token, "settings_state": settings_state, "workers": workers}
        self._database.execute(self._statements["note_settings"], parameters)

    def answer(self, token: str, asked: int, answer: str) -> None:
        """Record what has become of the reloads up to this number, as JSON."""
        self._database.execute(self._statements["answer"], {"token": token, "asked": asked, "answer": answer})

    def end(self, token: str) -> None:
        """Forget one that has ended, or is dead."""
        self._database.execute(self._statements["end"], {"token": token})

    def all(self) -> list[RunnerRecord]:
        """Return those that have not been forgotten, the oldest first."""
        return [_runner(row) for row in self._database.rows(self._statements["all"])]


def _runner(row: Row) -> RunnerRecord:
    process = Process(row["pid"], row["process_start"], row["boot_id"])
    deaths = Deaths(row["deaths"], row["dying_since"], row["died_at"], row["death"]) if row["deaths"] else None
    return RunnerRecord(
        row["token"],
        row["command"],
        process,
        row["started_at"],
        row["workers"],
        deaths,
        row["settings_state"],
        row["missed"],
    )
