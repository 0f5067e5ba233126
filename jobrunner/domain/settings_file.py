"""What people write, a TOML file and environment variables, becomes settings; and what a new file says."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.settings import SECTIONS, FolderSettings, Settings

ENVIRONMENT_PREFIX = "JOBRUNNER_"
#: What needs no quotes as a key of TOML.
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def build(home: Path, toml: Mapping[str, object], environment: Mapping[str, str], *, source: str) -> Settings:
    """Return the settings of `home`: environment over TOML over defaults.

    `source` names the TOML file in messages. Raises ConfigurationError, one line that names every bad key.
    """
    problems = [*_unknown_in_toml(toml, source), *_unknown_in_environment(environment)]
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for section, spec, value, variable in given(toml, environment):
        try:
            values[section][spec.name] = spec.metadata["parse"](value)
        except ValueError as error:
            where = variable or f"{source}: {section}.{spec.name}"
            written = "" if isinstance(value, Mapping) else f" is {in_toml(value)}, but"  # a table may hold secrets
            problems.append(f"{where}{written} must be {error}")
    sections: dict[str, Any] = {section: kind(**values[section]) for section, kind in SECTIONS.items()}
    settings = Settings(home=home, **sections)
    if settings.process.command and settings.process.callable:
        problems.append(f"{source}: process.command and process.callable are both set: remove one")
    if (settings.intake.complete_when == "marker") != (settings.intake.marker is not None):
        problems.append(
            f'{source}: intake.complete_when = "marker" and intake.marker belong together: set both or none'
        )
    if problems:
        raise ConfigurationError("; ".join(problems))
    return _with_absolute_paths(settings)


class Given(NamedTuple):
    """A value of a key as it is written in the file or, where `variable` names one, in an environment variable."""

    section: str
    spec: Field[Any]
    value: object
    variable: str | None


def given(toml: Mapping[str, object], environment: Mapping[str, str]) -> Iterator[Given]:
    """Yield what is written of the keys that there are, the environment's before the file's."""
    for section, kind in SECTIONS.items():
        table = toml.get(section, {})
        for spec in fields(kind):
            variable = f"{ENVIRONMENT_PREFIX}{section}_{spec.name}".upper()
            if variable in environment:
                yield Given(section, spec, environment[variable], variable)
            elif isinstance(table, Mapping) and spec.name in table:
                yield Given(section, spec, table[spec.name], None)


def in_toml(value: object) -> str:
    """Return a value as it stands in the file."""
    if isinstance(value, Mapping):
        pairs = (
            f"{name if _BARE.fullmatch(name) else in_toml(name)} = {in_toml(part)}" for name, part in value.items()
        )
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_toml, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)


def template() -> str:
    """Return a commented jobrunner.toml in which every key stands with its default."""
    lines = [
        "# Settings of this jobrunner home. Paths are relative to this file; what is commented out is the default."
    ]
    for section, kind in SECTIONS.items():
        lines += ["", f"[{section}]"]
        for spec in fields(kind):
            lines.append(f"# {spec.name} = {_written(spec)}".ljust(40) + f"  # {spec.metadata['meaning']}")
    return "\n".join(lines) + "\n"


def _written(spec: Field[Any]) -> str:
    default = spec.metadata["written"]
    if default is None:
        return str(spec.metadata["example"])
    return in_toml(default)


def _with_absolute_paths(settings: Settings) -> Settings:
    folders = settings.folders
    paths = {spec.name: getattr(folders, spec.name) for spec in fields(FolderSettings)}
    absolute: dict[str, Any] = {name: settings.home / path for name, path in paths.items() if isinstance(path, Path)}
    log = settings.log
    absolute_log = replace(log, file=log.file and settings.home / log.file)
    return replace(settings, folders=replace(folders, **absolute), log=absolute_log)


def _unknown_in_toml(toml: Mapping[str, object], source: str) -> Iterator[str]:
    for section, table in toml.items():
        if section not in SECTIONS:
            yield f"{source}: unknown section [{section}]{nearest(section, SECTIONS)}"
        elif not isinstance(table, Mapping):
            yield f"{source}: {section} must be a section, [{section}]"
        else:
            known = [spec.name for spec in fields(SECTIONS[section])]
            for name in table:
                if name not in known:
                    yield f"{source}: unknown key {section}.{name}{nearest(name, known)}"


def _unknown_in_environment(environment: Mapping[str, str]) -> Iterator[str]:
    known = [
        f"{ENVIRONMENT_PREFIX}{section}_{spec.name}".upper()
        for section, kind in SECTIONS.items()
        for spec in fields(kind)
    ]
    sections = tuple(f"{ENVIRONMENT_PREFIX}{section}_".upper() for section in SECTIONS)
    for variable in environment:
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in known:
            continue
        # others may be the handler's own affair
        if variable.startswith(sections) or difflib.get_close_matches(variable, known, n=1, cutoff=0.85):
            yield f"unknown environment variable {variable}{nearest(variable, known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return which of the known names an unknown one may be meant for, in brackets behind it; else all of them."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else f" (known are: {', '.join(known)})"
