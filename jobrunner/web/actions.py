"""What can be pressed: each is the command of that name, run as a person would run it: it does just the same."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobrunner.domain.change import BY
from jobrunner.domain.filters import EVERY_STANDING, Filters, Standing
from jobrunner.domain.package import printable

#: Seconds that a command may take, and bytes that are kept of what it says.
_LONGEST = 3600.0
_MOST_SAID = 16 * 1024


class Action(NamedTuple):
    """A command, what it is called on a button, and the states that it is for; `means` says what it does."""

    name: str
    label: str
    takes: frozenset[Standing]
    by_default: frozenset[Standing]
    means: str
    takes_filters: bool = True

    def fits(self, filters: Filters) -> bool:
        """Say whether it can be done to what fits."""
        return self.takes_filters and bool(self.narrowed(filters).standings)

    def narrowed(self, filters: Filters) -> Filters:
        """Return the filters for what it can be done to."""
        wanted = self.by_default if filters.standings == EVERY_STANDING else filters.standings & self.takes
        return filters._replace(standings=wanted)


_FAILED = frozenset({Standing.FAILED, Standing.CANCELLED})
_OPEN = frozenset({Standing.QUEUED, Standing.WAITING, Standing.RUNNING})
_DONE = frozenset({Standing.DONE})
_QUEUED = frozenset({Standing.QUEUED, Standing.WAITING})
ACTIONS = {
    action.name: action
    for action in (
        Action(
            "retry",
            "Retry",
            _FAILED,
            frozenset({Standing.FAILED}),
            "is queued again, as if for the first time",
        ),
        Action("rerun", "Run again", _DONE, _DONE, "is processed once more; the result stands beside the one it has"),
        Action("accept", "Accept", _DONE, _DONE, "delivered once more, is processed as another revision", False),
        Action("front", "Next", _QUEUED, _QUEUED, "is claimed before all others", False),
        Action("cancel", "Cancel", _OPEN, _OPEN, "is stopped for good, and goes to failed"),
    )
}


class Done(NamedTuple):
    """How a command ended, and what it said, a line each."""

    is_well: bool
    said: Sequence[str]


class Commands:
    """Runs commands in one home, beside the pages; what they do is done, whatever becomes of the pages."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._one_by_one = asyncio.Lock()

    async def run(self, words: Sequence[str], by: str) -> Done:
        """Run a command to its end, and return how it went. `by` is who asks for it."""
        if any("\0" in word for word in words):  # no program can be told that
            return Done(False, ["No name and no text has a NUL character in it."])
        async with self._one_by_one:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "jobrunner", "--home", str(self._home), *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=os.environ | {"NO_COLOR": "1", BY: f"{by} (dashboard)"},
            )
            try:
                said, _ = await asyncio.wait_for(process.communicate(), _LONGEST)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.terminate()
                return Done(False, [f"jobrunner {words[0]} takes more than an hour: it was told to end"])
        lines = [printable(line) for line in said[-_MOST_SAID:].decode("utf-8", "replace").splitlines()]
        return Done(process.returncode == 0, lines)


def words_of(action: Action, given: Mapping[str, str], states: Sequence[str]) -> list[str]:
    """Return the words of a command on what fits; `given` are filters as options have them."""
    options = [f"--{name}={value}" for name, value in given.items() if value]
    return [action.name, *options, *(f"--state={state}" for state in states)]
