"""The application: its commands, and the end of each, whatever error it meets."""

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from jobrunner.cli import usage
from jobrunner.cli.output import complain, say, show_report
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.exits import FAILED
from jobrunner.domain.role import Role
from jobrunner.wiring.bugs import Exits

#: In the order of the help; each is a module beside this one, with a "_" behind what is a word of Python's.
COMMANDS = (
    "init",
    "scan",
    "work",
    "run",
    "status",
    "list",
    "explain",
    "show",
    "logs",
    "try",
    "retry",
    "rerun",
    "accept",
    "cancel",
    "pause",
    "resume",
    "front",
    "wait",
    "metrics",
    "prune",
    "check",
    "config",
    "reload",
    "notify",
    "completion",
    "health",
    "service",
    "node",
    "web",
    "web-user",
    "demo",
)


#: What commands import where they need it. The program may lie where only root can read it.
_LATER = (
    *("cli.choosing", "cli.json_output", "cli.listing", "cli.live", "cli.log", "cli.overview"),
    *("documents.configuration", "documents.event", "documents.explanation", "documents.listing"),
    *("documents.metrics", "documents.progress", "documents.status", "documents.story", "files.bug_report"),
    *("wiring.cancelling", "wiring.checking", "wiring.configuring", "wiring.explaining", "wiring.health"),
    *("wiring.log", "wiring.measuring", "wiring.notifying", "wiring.pruning", "wiring.reloading"),
    *("wiring.service_unit", "wiring.steering", "wiring.watching", "words.answers", "words.times"),
)

#: How this command, and what it starts, ends for an error. Bugs are reported in the home once we are its user.
exits = Exits(None, show_report, complain)


class _Command(usage.Command):
    """A command in a home. Its help needs none."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; root, in another user's home, is that user from here on."""
        if ctx.info_name not in {"init", "demo", "completion", "web-user"}:  # these may name another folder
            enter(ctx.obj, ctx.info_name)
        return super().invoke(ctx)


class _Commands(TyperGroup):
    """Imports a command when it is asked for: starting one does not pay for the others."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command. Raises ConfigurationError where there is none of that name."""
        if cmd_name not in COMMANDS:
            raise usage.no_such(cmd_name, COMMANDS)
        module = import_module(f"jobrunner.cli.{cmd_name.replace('-', '_')}{'_' * iskeyword(cmd_name)}")
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(cmd_name, cls=_Command, epilog="\n".join(module.EXAMPLES))(module.command)
        return typer.main.get_command(alone)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with its sentence, whole: 80 columns have room for them, of which typer leaves some."""
        width = max(map(len, COMMANDS))
        sentences = ((name, self.get_command(ctx, name).get_short_help_str(limit=80)) for name in COMMANDS)
        with formatter.section("Commands"):
            formatter.write("".join(f"  {name:<{width}}  {sentence}\n" for name, sentence in sentences))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the words of the command line apart, of which --home may stand anywhere; without any, say what to do.

        Raises ConfigurationError.
        """
        if not args:
            from jobrunner.cli.advice import advise

            home = Path(os.environ.get("JOBRUNNER_HOME") or ".")
            enter(home, "")
            advise(home)
            raise typer.Exit
        try:
            return super().parse_args(ctx, usage.home_first(args))
        except typer.TyperException as error:
            raise usage.wrong(error, ctx.command_path) from None


app = typer.Typer(
    name="jobrunner",
    cls=_Commands,
    invoke_without_command=True,
    options_metavar="[--home DIR]",
    subcommand_metavar="COMMAND ...",
    add_completion=False,
    rich_markup_mode=None,  # rich takes its time to import, and boxes leave little of 80 columns
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"jobrunner {version('jobrunner')}")
        raise typer.Exit


@app.callback()
def _home(
    context: typer.Context,
    home: Annotated[
        Path,
        typer.Option(envvar="JOBRUNNER_HOME", help="The folder with jobrunner.toml and the database.", metavar="DIR"),
    ] = Path(),
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Runs your program once on each data package that is dropped into a folder, through any crash.

    "jobrunner init" makes a home. Packages go into its inbox.

    "jobrunner run -n 3" processes them, "jobrunner status" shows how things stand, and "jobrunner COMMAND --help" has
    examples.
    """
    if context.invoked_subcommand is None:
        raise usage.no_command(str(home), COMMANDS)
    context.obj = home


def enter(home: Path, command: str) -> None:
    """Have root, in another user's home, go on as that user; what the command may import is imported before."""
    if os.geteuid() == 0:
        from jobrunner.wiring import safety

        safety.enter(home, command, before=lambda: [import_module(f"jobrunner.{name}") for name in _LATER])
    exits.home = home.absolute()


def main() -> None:
    """Run the command line and exit: 0 done, 1 something failed, 2 wrong usage, 70 a bug, 128 + a signal."""
    gc.disable()  # most commands end before it would find anything; those that go on enable it
    _make_streams_safe()
    try:
        _refuse_other_encodings()
        try:
            code = app(prog_name="jobrunner", standalone_mode=False) or 0
        finally:
            sys.stdout.flush()
    except BaseException as error:
        code = _end(error)
    os._exit(code)  # to take modules apart one by one takes Python longer than some commands do


def _end(error: BaseException) -> int:
    """Say what ended a command, and return its exit status."""
    match error:
        case typer.TyperException():
            error = ConfigurationError(error.format_message())
        case BrokenPipeError() | SystemExit():  # whoever read our output has enough, which typer may have found
            return FAILED
    code, words = exits.of(error, Role.COMMAND)
    if words:
        with suppress(OSError):
            exits.complain(words)
    return code


def _refuse_other_encodings() -> None:
    if sys.getfilesystemencoding() != "utf-8":
        raise ConfigurationError(
            f"file names are {sys.getfilesystemencoding()} in this locale, so not every member of a zip can be named: "
            "set LC_ALL=C.UTF-8"
        )


def _make_streams_safe() -> None:
    """Any name can be printed anywhere: escaped where the encoding lacks a character, dropped where it is closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (until the program ends)
        else:
            stream.reconfigure(errors="backslashreplace")
