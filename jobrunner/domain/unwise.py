"""What is legal in settings and unwise: it can be meant, so it is said and no more."""

from collections.abc import Iterator
from typing import NamedTuple

from jobrunner.domain import programs
from jobrunner.domain.settings import Settings
from jobrunner.domain.settings_telling import NotifySettings

#: With more, workers wait for each other, unless their handlers mostly wait for something else.
_WORKERS_PER_PROCESSOR = 8
#: So many bytes deflate makes of one, at most.
_DEFLATE = 1032
_WRITING_BY_THE_GROUP = 0o020


class Warned(NamedTuple):
    """What is odd about a key, in one line that says what it leads to."""

    key: str
    why: str

    def __str__(self) -> str:
        return f"{self.key} {self.why}"


def unwise(settings: Settings, processors: int, given: int | None = None) -> Iterator[Warned]:
    """Yield what is unwise about settings, and about so many workers `given` by -n, on so many processors."""
    for why in programs.unwise(settings.process.command or ()):
        yield Warned("process.command", why)
    yield from _of_the_handler(settings)
    yield from _of_packages(settings)
    yield from _of_notices(settings.notify)
    for key, workers in (("work.workers", settings.work.workers), ("-n", given)):
        if workers and not settings.cluster.address and (many := _too_many(workers, processors)):
            yield Warned(key, f"is large: {many}")


def _too_many(workers: int, processors: int) -> str | None:
    """Return what is said of so many workers on so few processors, None if that is nothing."""
    if workers <= _WORKERS_PER_PROCESSOR * processors:
        return None
    return f"{workers:,} workers share {processors} processor{'s' * (processors > 1)}: fewer may be faster"


def _of_the_handler(settings: Settings) -> Iterator[Warned]:
    retry, process = settings.retry, settings.process
    if process.has_handler and process.timeout == float("inf"):
        yield Warned("process.timeout", 'is "none": a handler that hangs keeps its worker until it is cancelled')
    if process.recycle_after is not None and process.command is not None:
        yield Warned("process.recycle_after", "is for a callable: a command is a new process for each package already")
    if retry.backoff > retry.max_backoff:
        yield Warned(
            "retry.backoff",
            f"is longer than retry.max_backoff: each wait before another try is {retry.max_backoff:g} s; set both",
        )


def _of_packages(settings: Settings) -> Iterator[Warned]:
    folders, intake, extract = settings.folders, settings.intake, settings.extract
    if folders.mode & _WRITING_BY_THE_GROUP and folders.group is None:
        yield Warned(
            "folders.mode",
            "lets a group change and remove what is archived, and folders.group does not say which group",
        )
    if intake.complete_when == "suffix" and not intake.incomplete_suffix and not intake.settle:
        yield Warned(
            "intake.incomplete_suffix",
            "is empty and intake.settle is 0: a package is taken once its zip has its end, whatever else is on its way",
        )
    if not intake.broken_after:
        yield Warned(
            "intake.broken_after",
            "is 0: a zip that its sender still writes fails at once, unless its name says that it is not complete",
        )
    if extract.max_ratio >= _DEFLATE:
        yield Warned(
            "extract.max_ratio",
            f"is {extract.max_ratio:,}: deflate makes {_DEFLATE:,} bytes of one at most, "
            "so that hardly a bomb is refused",
        )
    if not extract.keep_free:
        yield Warned("extract.keep_free", "is 0: packages may fill the disk, which stops whatever else writes to it")


def _of_notices(notify: NotifySettings) -> Iterator[Warned]:
    without = NotifySettings()
    if not notify.channels:
        for name in ("on", "backlog"):
            if getattr(notify, name) != getattr(without, name):
                yield Warned(f"notify.{name}", "has no effect: set notify.command or notify.webhook, too")
    if notify.secret_file and not notify.webhook:
        yield Warned("notify.secret_file", "signs nothing: it is for what notify.webhook sends")
