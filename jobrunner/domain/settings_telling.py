"""The settings of what people and programs are told."""

from dataclasses import dataclass
from pathlib import Path

from jobrunner.domain import notice, programs, values, web
from jobrunner.domain.setting import key


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where `run`, `work` and `scan` say what happens."""

    format: str | None = key(
        values.log_format, None, 'how their lines are written: "text", or "json", an object a line', example='"json"'
    )
    file: Path | None = key(
        values.path, None, "where to, in place of stderr; others may rotate it", example='"jobrunner.log"'
    )


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Who is told what needs people, and how. `backlog` in seconds; infinity: never."""

    command: tuple[str, ...] | None = key(
        programs.command,
        None,
        "run for each notice, which it gets as JSON on its standard input",
        example='["python3", "notify.py"]',
    )
    webhook: str | None = key(
        notice.webhook,
        None,
        "a URL that each notice is posted to, as JSON",
        example='"https://example.org/jobrunner"',
    )
    secret_file: Path | None = key(
        values.path, None, "what the webhook's notices are signed with, for their receiver", example='"webhook.secret"'
    )
    on: tuple[str, ...] = key(notice.kinds, list(notice.CHOICES), "what notices are about")
    backlog: float = key(
        values.age_if_any, "none", 'how long the oldest package may be in the queue until a notice tells: "2h", or none'
    )

    @property
    def channels(self) -> tuple[str, ...]:
        """The ways that notices go, of "command" and "webhook"; none where no notices are sent."""
        return tuple(name for name in notice.CHANNELS if getattr(self, name) is not None)

    def wants(self, kind: notice.Kind) -> bool:
        """Say whether notices of this kind are sent."""
        return bool(self.channels) and kind.value in self.on


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where `jobrunner web` serves its pages, and to whom."""

    listen: str = key(web.address, "127.0.0.1:8321", "where the pages are served")
    hosts: tuple[str, ...] = key(values.names, [], "names by which the pages are asked for, such as a reverse proxy's")
    users_file: Path | None = key(
        values.path, None, "who may look and who may press, a line for each from jobrunner web-user", example='"users"'
    )
    files: bool = key(values.flag, False, "whether files of packages can be opened in the pages")
