"""What is said of the usage: help pages in plain text, which command was meant, where --home may stand."""

import difflib
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand

from jobrunner.domain.errors import ConfigurationError

#: What other programs call a command, and what is meant by that here: the first that there is.
_MEANT = {
    **dict.fromkeys(("start", "up", "serve", "daemon"), ("run",)),
    **dict.fromkeys(("ls", "jobs", "queue", "packages"), ("list", "status")),
    **dict.fromkeys(("ps", "top", "state"), ("status",)),
    **dict.fromkeys(("info", "inspect", "describe"), ("show",)),
    **dict.fromkeys(("why", "where", "find"), ("explain",)),
    **dict.fromkeys(("log", "output"), ("logs",)),
    **dict.fromkeys(("tail", "follow"), ("logs -f",)),
    **dict.fromkeys(("kill", "abort", "remove", "rm", "delete"), ("cancel",)),
    **dict.fromkeys(("requeue", "again", "resubmit"), ("retry",)),
    **dict.fromkeys(("hold", "suspend", "freeze", "halt"), ("pause",)),
    **dict.fromkeys(("unpause", "continue", "unhold", "release"), ("resume",)),
    **dict.fromkeys(("first", "next", "prioritize", "priority"), ("front",)),
    **dict.fromkeys(("join", "await", "until"), ("wait",)),
    **dict.fromkeys(("add", "submit", "enqueue", "import"), ("scan",)),
    **dict.fromkeys(("verify", "fsck", "doctor", "validate"), ("check",)),
    **dict.fromkeys(("repair", "fix"), ("check --repair",)),
    **dict.fromkeys(("worker", "workers", "process"), ("work",)),
    **dict.fromkeys(("new", "create", "setup"), ("init",)),
    **dict.fromkeys(("settings", "configuration"), ("config",)),
    **dict.fromkeys(("refresh", "hup"), ("reload",)),
    "watch": ("scan --watch",),
    "rebuild": ("check --rebuild",),
    "drain": ("run --drain",),
    "help": ("--help",),
    "version": ("--version",),
}
#: What no command does, and what does it.
_OTHERWISE = {
    "stop": "Ctrl-C or SIGTERM ends run and work; jobrunner cancel NAME stops one package, and jobrunner "
    "pause all that is not running yet",
    "restart": "end run by Ctrl-C or SIGTERM and start it again; jobrunner retry NAME queues a failed package again",
}
_NEAR = 0.8  # of difflib's ratio: prune is not run, and start is not status


class Command(TyperCommand):
    """A command with a help page in plain text, whose examples stand one a line."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line: what may be left out is in brackets, and nothing else."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, one a line, whatever the width."""
        with formatter.section("Examples"):
            formatter.write("".join(f"  {example}\n" for example in (self.epilog or "").splitlines()))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the words of the command line apart. Raises ConfigurationError, which names the help page."""
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise wrong(error, ctx.command_path) from None


def wrong(error: typer.TyperException, command: str) -> ConfigurationError:
    """Return what a command line is refused with: what is wrong, and where its help is."""
    return ConfigurationError(f"{error.format_message().rstrip('.')}: see {command} --help")


def no_such(word: str, commands: Sequence[str]) -> ConfigurationError:
    """Return what a word that is no command is refused with: the command that may be meant, and where all are."""
    if word in _OTHERWISE:
        return ConfigurationError(f"there is no command {word!r}: {_OTHERWISE[word]}")
    meant = [line for line in _MEANT.get(word, ()) if line.startswith("-") or line.split()[0] in commands][:1]
    near = [name for name in commands if sorted(name) == sorted(word)]  # two letters have changed places
    guess = meant or near or difflib.get_close_matches(word, commands, n=1, cutoff=_NEAR)
    question = f", did you mean {guess[0]}?" if guess else ":"
    return ConfigurationError(f"there is no command {word!r}{question} jobrunner --help lists them")


def no_command(home: str, commands: Sequence[str]) -> ConfigurationError:
    """Return what a command line with --home and without a command is refused with."""
    if home in commands:
        return ConfigurationError(f"--home wants a folder, and {home!r} was taken for it: jobrunner --home DIR {home}")
    return ConfigurationError(
        f"what is to be done in {home}? Name a command, such as jobrunner --home {home} status; "
        "jobrunner --help lists them"
    )


def home_first(words: Sequence[str]) -> list[str]:
    """Return a command line with --home in front, wherever it stands before a "--"; of several the last one counts."""
    end = words.index("--") if "--" in words else len(words)
    home: list[str] = []
    others: list[str] = []
    rest = iter(words[:end])
    for word in rest:
        if word == "--home":
            value = next(rest, None)
            if value is None:
                raise ConfigurationError("--home wants a folder: jobrunner --home DIR COMMAND")
            home += [word, value]
        else:
            (home if word.startswith("--home=") else others).append(word)
    return [*home, *others, *words[end:]]
