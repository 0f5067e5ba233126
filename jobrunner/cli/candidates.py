"""Which words may come next on a command line that is being typed."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from jobrunner.cli.shells import SCRIPTS
from jobrunner.domain.filters import Sort, Standing
from jobrunner.domain.job import State
from jobrunner.domain.package import shown, unshown
from jobrunner.domain.settings import SECTIONS
from jobrunner.domain.values import LOG_FORMATS

_MOST = 50
_EVERY = frozenset(State)
#: The states of the packages that a command takes. Each has one name, or several.
_TAKES: Mapping[str, frozenset[State]] = {
    "explain": _EVERY,
    "show": _EVERY,
    "logs": _EVERY,
    "try": _EVERY,
    "retry": frozenset({State.FAILED}),
    "rerun": frozenset({State.DONE}),
    "cancel": frozenset({State.QUEUED, State.RUNNING}),
    "front": frozenset({State.QUEUED}),
    "wait": frozenset({State.QUEUED, State.RUNNING}),
}
#: The values of options, by the names of these.
_VALUES: Mapping[str, Sequence[str]] = {
    "--state": [*Standing],
    "--sort": [*Sort, *(f"-{key}" for key in Sort)],
    "--log-format": LOG_FORMATS,
}
#: What follows the commands that take no packages.
_WORDS: Mapping[str, Sequence[str]] = {
    "completion": [*SCRIPTS],
    "config": [*SECTIONS, *(f"{section}.{spec.name}" for section, kind in SECTIONS.items() for spec in fields(kind))],
}


class Kind(StrEnum):
    """What else may come next."""

    NOTHING = "nothing"
    FILES = "files"
    FOLDERS = "folders"


#: What a path is called in help pages.
_PATHS = {"DIR": Kind.FOLDERS, "PATH": Kind.FILES, "NAME|FOLDER|FILE.zip": Kind.FILES}


class Candidates(NamedTuple):
    """Whole words in place of the one that is being typed, and what may come there besides."""

    words: Sequence[str]
    kind: Kind = Kind.NOTHING


def candidates(typed: Sequence[str], commands: Any, context: Any) -> Candidates:
    """Return what may come in place of the last of these words, which follow the program's name.

    `commands` is typer's group of them, and `context` has the home of lines that name none. Raises ConfigurationError,
    StoreError, OSError.
    """
    *before, current = typed
    home, words = _without_home(before, context.obj)
    if home is None:
        return Candidates([], Kind.FOLDERS)
    command, *rest = words or [""]
    if not command:
        flags = [*(option for param in commands.params for option in param.opts), "--help"]
        return _fitting(flags if current.startswith("-") else commands.list_commands(context), current)
    return _of_command(command, rest, current, commands.get_command(context, command).params, home)


def _without_home(words: Sequence[str], home: Path) -> tuple[Path | None, list[str]]:
    """Return the home that a command line names, else `home`; None where its name is to come; and the other words."""
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            others += [word, *rest]
        elif word == "--home":
            value = next(rest, None)
            if value is None:
                return None, []
            home = _path(value)
        elif word.startswith("--home="):
            home = _path(word.removeprefix("--home="))
        else:
            others.append(word)
    return home, others


def _path(typed: str) -> Path:
    """Return a path as the shell will give it."""
    return Path(os.path.expandvars(typed)).expanduser()


def _of_command(command: str, words: Sequence[str], current: str, params: Sequence[Any], home: Path) -> Candidates:
    options = {option: param for param in params for option in param.opts if param.param_type_name == "option"}
    given: list[str] = []
    rest = iter(words)
    only_names = False
    for word in rest:
        if only_names or word == "-" or not word.startswith("-"):
            given.append(word)
        elif word == "--":
            only_names = True
        elif word in options and not options[word].is_flag and next(rest, None) is None:
            return _value(word, options[word], current)
    if current.startswith("-") and not only_names:
        option, is_set, value = current.partition("=")
        if is_set and option in options:
            found = _value(option, options[option], value)
            return Candidates([f"{option}={word}" for word in found.words], found.kind)
        visible = [option for option, param in options.items() if not param.hidden]
        return _fitting([*visible, "--home", "--help"], current)
    argument = next((param for param in params if param.param_type_name == "argument"), None)
    if argument is None or (given and argument.nargs == 1):
        return Candidates([])
    if command in _WORDS:
        return _fitting(_WORDS[command], current)
    names = [shown(name) for name in _names(command, unshown(current), home)]
    usable = [name for name in names if name not in given and (only_names or not name.startswith("-"))]
    kind = Kind.FILES if command == "explain" else _PATHS.get(argument.metavar, Kind.NOTHING)
    return Candidates(usable, kind)


def _value(option: str, param: Any, current: str) -> Candidates:
    return _fitting(_VALUES.get(option, ()), current)._replace(kind=_PATHS.get(param.metavar, Kind.NOTHING))


def _names(command: str, beginning: str, home: Path) -> Sequence[str]:
    if command not in {*_TAKES, "accept"}:
        return []
    from jobrunner.wiring import safety
    from jobrunner.wiring.glancing import duplicates, names

    safety.enter(home, "")
    if command == "accept":
        return duplicates(home, beginning, _MOST)
    return names(home, beginning, _TAKES[command], _MOST)


def _fitting(words: Sequence[str], current: str) -> Candidates:
    return Candidates([word for word in words if word.startswith(current)])
