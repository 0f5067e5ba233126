"""`jobrunner reload`: whoever goes on takes a changed jobrunner.toml over."""

import typer

from jobrunner.cli.output import complain, say, styled, wrapped
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.exits import FAILED
from jobrunner.domain.reload import Answer

EXAMPLES = ("jobrunner reload",)


def command(context: typer.Context) -> None:
    """Have all that runs here take over a changed jobrunner.toml.

    Workers finish the packages that they are at, and new ones go by the new settings.
    """
    from jobrunner.wiring.home import load_settings, open_home
    from jobrunner.wiring.reloading import reload_request

    settings = load_settings(context.obj)
    answers = []
    if settings.database_path.exists():  # opening it would make one, in which no process is asked
        with open_home(settings, emit_of_command()) as home:
            for answer in reload_request(home).answers():
                answers.append(answer)
                _say(answer)
    if not answers:
        say("Nothing is running with this database: the next start reads jobrunner.toml.")
    raise typer.Exit(FAILED if any(not answer.is_well for answer in answers) else 0)


def _say(answer: Answer) -> None:
    """Say what became of the request in one process; on stderr where that is not what was asked for."""
    who = f"{answer.command}, pid {answer.pid}"
    if answer.has_ended:
        complain(f"{who}: it has ended")
    elif answer.reloaded is None:
        complain(f"{who}: it does not answer, and takes jobrunner.toml over once it can: see jobrunner status")
    elif answer.reloaded.error is not None:
        complain(f"{who}: {answer.reloaded.in_words()}")
    else:
        for number, line in enumerate(wrapped(f"{who}: {answer.reloaded.in_words()}", 2)):
            say("  " * bool(number), line)
        if answer.reloaded.concerns_workers and answer.command != "scan":
            say(styled("  A worker that is at a package goes by that after it.", dim=True))
