"""The settings: every key once, with its meaning, its default and its parser. settings_file builds them."""

from dataclasses import dataclass
from pathlib import Path

from jobrunner.domain import programs, values
from jobrunner.domain.retry import RetryPolicy
from jobrunner.domain.setting import key
from jobrunner.domain.settings_cluster import ClusterSettings
from jobrunner.domain.settings_telling import LogSettings, NotifySettings, WebSettings

#: Seconds after which a package is taken to be still, where nothing else is set.
_STILL = 10.0


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
    """What a package is, and when it is complete. Times in seconds."""

    incomplete_suffix: tuple[str, ...] = key(
        values.patterns,
        "-downloading",
        'how a folder, or a file in it, ends that is still being received; also a list, with patterns: "*.part"',
    )
    complete_when: str = key(
        values.complete_when, "suffix", 'or "still": nothing changes any more; or "marker": that file is in the folder'
    )
    marker: str | None = key(values.pattern, None, "which file that is", example='"CopyComplete.txt"')
    settle: float = key(
        values.duration, "0s", 'how long a package must have been still; with "still", 10 s where nothing else is set'
    )
    broken_after: float = key(
        values.duration, "5s", "how long a zip without its end must have been still to be called broken"
    )
    zip_name: str = key(values.zip_name, "same", 'as the folder; or "only": the zip of a folder may have any name')
    ignore: tuple[str, ...] = key(
        values.patterns, [], "names in the inbox that are no deliveries, as @eaDir and Thumbs.db are none"
    )

    @property
    def any_zip(self) -> bool:
        """Whether the only zip of a folder is its package's, whatever it is called."""
        return self.zip_name == "only"

    @property
    def stillness(self) -> float:
        """How long a package must have been still, in seconds."""
        return self.settle or (_STILL if self.complete_when == "still" else 0)


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

    `timeout` (infinity: none) and `keep_failed` in seconds, `max_log` in bytes. The limits are those of each of its
    processes, `max_memory` in bytes; None: as they are. `environment` pairs the names of variables with their texts,
    None for one that is taken away.
    """

    command: tuple[str, ...] | None = key(
        programs.command,
        None,
        "run on each package: write this analyze.py, which gets the path of the extracted data, or name your program; "
        "{data}, {package}, {home} and {attempt} are replaced",
        example='["python3", "analyze.py"]',
    )
    callable: str | None = key(
        programs.function,
        None,
        "or a function of yours, imported once in each worker",
        example='"analysis:process"',
    )
    recycle_after: int | None = key(
        values.positive,
        None,
        "packages after which a callable gets a new process, if its memory grows from package to package",
        example="1000",
    )
    timeout: float = key(values.timeout, "1h", 'a handler that runs longer is ended; "none": it may run for ever')
    max_memory: int | None = key(
        values.memory, None, "address space of each of its processes, if it is to be limited", example='"4 GiB"'
    )
    max_open_files: int | None = key(
        values.open_files, None, "of each of its processes, if they are to be limited", example="1024"
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
        programs.environment,
        None,
        "added to its environment; false takes one away",
        example='{ OMP_NUM_THREADS = "1", DISPLAY = false }',
    )
    user: str | None = key(
        values.text, None, "whom it runs as, where root runs jobrunner: owns its data folder only", example='"analysis"'
    )
    no_new_privileges: bool = key(values.flag, False, "true: sudo and setuid programs give it no other rights")
    keep_failed: float = key(values.duration, "0s", "how long the data folder of a failed attempt stays for a look")

    @property
    def has_handler(self) -> bool:
        """Whether there is one."""
        return self.command is not None or self.callable is not None


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a job is tried again. Times in seconds."""

    max_attempts: int = key(values.positive, 3, "failures of the handler until the package is failed")
    backoff: float = key(values.duration, "10s", "doubled for each attempt, with jitter, up to max_backoff")
    max_backoff: float = key(values.duration, "1h", "the longest wait")


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """How many workers there are, and how they end. `shutdown_grace` in seconds."""

    workers: int = key(values.workers, 1, "how many packages at a time, where -n does not say it")
    shutdown_grace: float = key(values.duration, "30s", "how long running jobs may go on after SIGTERM or Ctrl-C")


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """For how long what is no package stays of a package that is done. In seconds; infinity: for ever."""

    attempts: float = key(values.age_if_any, "none", 'how long attempts of done packages are kept: "90d", or for ever')
    logs: float = key(values.age_if_any, "none", 'how long their logs are kept: "30d", or for ever')


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
    retention: RetentionSettings
    log: LogSettings
    notify: NotifySettings
    web: WebSettings
    cluster: ClusterSettings

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
    "retention": RetentionSettings,
    "log": LogSettings,
    "notify": NotifySettings,
    "web": WebSettings,
    "cluster": ClusterSettings,
}
