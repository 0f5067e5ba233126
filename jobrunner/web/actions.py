"""What can be pressed: each is the command of that name, run as a person would run it: it does just the same."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobrunner.domain.change import BY, Action
from jobrunner.domain.filters import Filters
from jobrunner.domain.package import printable
from jobrunner.domain.steering import STEERING

#: Seconds that a command may take, and bytes that are kept of what it says.
_LONGEST = 3600.0
_MOST_SAID = 16 * 1024


class Button(NamedTuple):
    """What is pressed for an action. `means`: what becomes of a package; `takes_filters`: also of all that fit."""

    action: Action
    label: str
    means: str
    takes_filters: bool = True

    def is_for(self, standing: str) -> bool:
        """Say whether a package in this state has it."""
        return self.action in STEERING and standing in STEERING[self.action].takes

    def narrowed(self, filters: Filters) -> Filters | None:
        """Return the filters for what it can be done to; None where that is nothing of what fits."""
        narrowed = STEERING[self.action].narrowed(filters) if self.takes_filters else None
        return narrowed if narrowed and narrowed.standings else None


BUTTONS = {
    button.action.value: button
    for button in (
        Button(Action.RETRY, "Retry", "is queued again, as if for the first time"),
        Button(Action.RERUN, "Run again", "is processed once more; the result stands beside the one it has"),
        Button(Action.ACCEPT, "Accept", "delivered once more, is processed as another revision", takes_filters=False),
        Button(Action.FRONT, "Next", "is claimed before all others", takes_filters=False),
        Button(Action.CANCEL, "Cancel", "is stopped for good, and goes to failed"),
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
    return [action.value, *options, *(f"--state={state}" for state in states)]
