"""The settings: every key once, with its meaning, its default and its parser. Built and validated once."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from jobrunner.domain import values
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.retry import RetryPolicy
from jobrunner.domain.values import Parser

ENVIRONMENT_PREFIX = "JOBRUNNER_"


def key(parse: Parser, default: Any, meaning: str, *, example: str = "") -> Any:
    """Declare a key. `default` is as a user would write it; a key without one gets an `example` in a new file."""
    value = None if default is None else parse(default)
    metadata = {"parse": parse, "written": default, "meaning": meaning, "example": example}
    return field(default=value, metadata=metadata)


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """Where packages lie. Paths are relative to the home; work, archive and failed share a filesystem."""

    inbox: Path = key(values.path, "inbox", "where packages arrive")
    work: Path = key(values.path, "work", "on the same filesystem as archive and failed")
    archive: Path = key(values.path, "archive", "processed packages")
    failed: Path = key(values.path, "failed", "packages that could not be processed, each with an error.txt")
    logs: Path = key(values.path, "logs", "what the handler printed")
    mode: int = key(values.mode, "0755", "of folders in archive and failed; files get what of it makes sense for them")
    group: str | None = key(values.text, None, "the group of all in archive and failed", example='"lab"')
    trusted_groups: tuple[str, ...] = key(
        values.names, [], "groups that may write to these folders, or above them, and are trusted like jobrunner's user"
    )


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where the jobs are recorded."""

    url: str = key(values.database_url, "sqlite:///jobrunner.db", "on a local disk, not on a network share")
    group: str | None = key(
        values.text, None, "who may read the database, the logs and this file: status, show, logs", example='"lab"'
    )


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """When a package is complete. `settle` in seconds."""

    incomplete_suffix: str = key(values.suffix, "-downloading", "how a folder ends that is still being received")
    settle: float = key(
        values.duration, "0s", "for senders without the suffix: how long a package must have been still"
    )


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """What a zip may be. Sizes in bytes."""

    max_size: int = key(values.size, "50 GiB", "of one package, extracted")
    max_entries: int = key(values.positive, 200_000, "members and the folders that they imply")
    max_ratio: int = key(values.positive, 200, "extracted bytes per zip byte, for what is over 1 GiB extracted")
    encoding: str = key(values.codec, "auto", 'of names without the UTF-8 flag: auto, or a codec such as "gbk"')
    keep_free: int = key(values.size, "1 GiB", "wait rather than fill the disk")


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The handler: a command or a callable; with neither, packages are extracted and archived.

    `timeout` in seconds, `max_log` in bytes. The limits are those of each of its processes, `max_memory` in bytes;
    None: as they are. `environment` pairs the names of variables with their texts, None for one that is taken away.
    """

    command: tuple[str, ...] | None = key(
        values.command,
        None,
        "run once on each package; {data}, {package}, {home} and {attempt} are replaced",
        example='["python", "analyze.py"]',
    )
    callable: str | None = key(
        values.function,
        None,
        "or a function of yours, imported once in each worker",
        example='"analysis:process"',
    )
    timeout: float = key(values.timeout, "1h", "a handler that runs longer is ended")
    max_memory: int | None = key(
        values.size, None, "address space of each of its processes, if it is to be limited", example='"4 GiB"'
    )
    max_open_files: int | None = key(
        values.positive, None, "of each of its processes, if they are to be limited", example="1024"
    )
    max_processes: int | None = key(
        values.positive,
        None,
        "processes and threads of one run of it, if they are to be limited (needs control groups)",
        example="200",
    )
    nice: int = key(values.niceness, 0, "how much it gives way to other programs: 0 to 19")
    max_log: int = key(values.log_size, "100 MiB", "of what one attempt prints, the beginning and the end are kept")
    environment: tuple[tuple[str, str | None], ...] | None = key(
        values.environment,
        None,
        "added to its environment; false takes one away",
        example='{ OMP_NUM_THREADS = "1", DISPLAY = false }',
    )
    user: str | None = key(
        values.text, None, "whom it runs as, where root runs jobrunner: owns its data folder only", example='"analysis"'
    )
    no_new_privileges: bool = key(values.flag, False, "true: sudo and setuid programs give it no other rights")


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a job is tried again. Times in seconds."""

    max_attempts: int = key(values.positive, 3, "failures of the handler until the package is failed")
    backoff: float = key(values.duration, "10s", "doubled for each attempt, with jitter, up to max_backoff")
    max_backoff: float = key(values.duration, "1h", "the longest wait")


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """How workers end. `shutdown_grace` in seconds."""

    shutdown_grace: float = key(values.duration, "30s", "how long running jobs may go on after SIGTERM or Ctrl-C")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a home, with absolute paths."""

    home: Path
    folders: FolderSettings
    database: DatabaseSettings
    intake: IntakeSettings
    extract: ExtractSettings
    process: ProcessSettings
    retry: RetrySettings
    work: WorkSettings

    @property
    def database_path(self) -> Path:
        """The file of the SQLite database."""
        return self.home / self.database.url.removeprefix("sqlite:///")

    @property
    def retry_policy(self) -> RetryPolicy:
        """The retry section as the policy that decides."""
        return RetryPolicy(self.retry.max_attempts, self.retry.backoff, self.retry.max_backoff)


SECTIONS: dict[str, type] = {
    "folders": FolderSettings,
    "database": DatabaseSettings,
    "intake": IntakeSettings,
    "extract": ExtractSettings,
    "process": ProcessSettings,
    "retry": RetrySettings,
    "work": WorkSettings,
}


def build(home: Path, toml: Mapping[str, object], environment: Mapping[str, str], *, source: str) -> Settings:
    """Return the settings of `home`: environment over TOML over defaults.

    `source` names the TOML file in messages. Raises ConfigurationError, one line that names every bad key.
    """
    problems = [*_unknown_in_toml(toml, source), *_unknown_in_environment(environment)]
    sections = {}
    for section, kind in SECTIONS.items():
        table = toml.get(section, {})
        given: dict[str, Any] = {}
        for spec in fields(kind):
            variable = f"{ENVIRONMENT_PREFIX}{section}_{spec.name}".upper()
            if variable in environment:
                value, where = environment[variable], variable
            elif isinstance(table, Mapping) and spec.name in table:
                value, where = table[spec.name], f"{source}: {section}.{spec.name}"
            else:
                continue
            try:
                given[spec.name] = spec.metadata["parse"](value)
            except ValueError as error:
                written = "" if isinstance(value, Mapping) else f" is {value!r}, but"  # a table may hold secrets
                problems.append(f"{where}{written} must be {error}")
        sections[section] = kind(**given)
    settings = Settings(home=home, **sections)
    if settings.process.command and settings.process.callable:
        problems.append(f"{source}: process.command and process.callable are both set: remove one")
    if problems:
        raise ConfigurationError("; ".join(problems))
    return _with_absolute_folders(settings)


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
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if isinstance(default, int | list) else f'"{default}"'


def _with_absolute_folders(settings: Settings) -> Settings:
    folders = settings.folders
    paths = {spec.name: getattr(folders, spec.name) for spec in fields(FolderSettings)}
    absolute: dict[str, Any] = {name: settings.home / path for name, path in paths.items() if isinstance(path, Path)}
    return replace(settings, folders=replace(folders, **absolute))


def _unknown_in_toml(toml: Mapping[str, object], source: str) -> Iterator[str]:
    for section, table in toml.items():
        if section not in SECTIONS:
            yield f"{source}: unknown section [{section}]{_nearest(section, SECTIONS)}"
        elif not isinstance(table, Mapping):
            yield f"{source}: {section} must be a section, [{section}]"
        else:
            known = [spec.name for spec in fields(SECTIONS[section])]
            for name in table:
                if name not in known:
                    yield f"{source}: unknown key {section}.{name}{_nearest(name, known)}"


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
            yield f"unknown environment variable {variable}{_nearest(variable, known)}"


def _nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else f" (known are: {', '.join(known)})"
