"""`jobrunner` alone: what to do next in this folder."""

from collections.abc import Iterator
from pathlib import Path

from jobrunner.cli.output import say, styled
from jobrunner.domain.errors import NoHome
from jobrunner.domain.package import shown
from jobrunner.domain.situation import Situation
from jobrunner.words.pasted import place
from jobrunner.words.phrases import counted, packages, pause

#: What to do: for what, and the command.
_Step = tuple[str, str]


def advise(path: Path) -> None:
    """Say what can be done next in the home at `path`, or in a folder that is none.

    Raises ConfigurationError, StoreError, OSError.
    """
    from jobrunner.wiring.glancing import situation

    try:
        found = situation(path)
    except NoHome:
        headline = f"{shown(str(path.absolute()))} is no jobrunner home: it has no jobrunner.toml, database or inbox."
        steps = [("to make it one:", "jobrunner init"), ("to see first how it works:", "jobrunner demo")]
    else:
        headline, steps = _headline(found), list(_steps(found))
    say(styled(headline, bold=True))
    for what, command in steps:
        say(f"  → {what}")
        say("    ", styled(command, bold=True))
    say("jobrunner --help lists all commands; jobrunner COMMAND --help has examples.")


def _headline(found: Situation) -> str:
    work = (
        f"{counted(found.workers, 'worker')} work{'s' * (found.workers == 1)}"
        if found.workers
        else "Nothing is running"
    )
    numbers = [f"{count:,} {state}" for state, count in found.counts.items() if count]
    return f"{work} in {shown(found.home)}: {', '.join(numbers) or 'no packages yet'}."


def _steps(found: Situation) -> Iterator[_Step]:
    if found.pause:
        yield f"it is paused {pause(found.pause, found.now)}; to go on:", "jobrunner resume"
    if not found.workers:
        yield "to process what arrives:", "jobrunner run -n 3"
    elif not found.scans:
        yield "the inbox is not watched; to queue what arrives:", "jobrunner scan --watch"
    if not any(found.counts.values()):
        yield f"packages are delivered into {place(found.inbox)}; how it is set up:", "jobrunner config"
        return
    yield "to see how things stand:", "jobrunner status --watch" if found.workers else "jobrunner status"
    if failed := found.counts["failed"]:
        yield f"{packages(failed)} failed; to see why:", "jobrunner list --state failed"
        yield "once that is mended, to try them again:", "jobrunner retry --all"
