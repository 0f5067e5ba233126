"""The one place where errors become exit statuses, of commands and of the processes below them; a bug is reported."""

import signal
import traceback
from collections.abc import Callable
from pathlib import Path

from jobrunner.domain.errors import ConfigurationError, JobrunnerError, in_words
from jobrunner.domain.exits import BUG, Exit, expected
from jobrunner.domain.package import printable, shown
from jobrunner.domain.role import Role

#: Characters of an error in a line.
_LONGEST = 200


class Exits:
    """How a process ends for an error."""

    def __init__(
        self, home: Path | None, show: Callable[[str], None], complain: Callable[[str], None] = lambda _words: None
    ) -> None:
        """Reports are written in `home`, whose way is to be trusted; where they cannot be, `show` prints them.

        `complain` prints the line that says why a command ends.
        """
        self.home = home
        self.show = show
        self.complain = complain

    def of(self, error: BaseException, role: Role) -> Exit:
        """Return how a process with this role ends. A signal that it holds back counts for more than what failed."""
        expected_exit = expected(error)
        if expected_exit is None:
            return Exit(BUG, self._report(error, role))
        if isinstance(error, JobrunnerError | OSError) and not isinstance(error, ConfigurationError):
            return expected_exit._replace(status=_stopped_by() or expected_exit.status)
        return expected_exit

    def _report(self, error: BaseException, role: Role) -> str:
        """Report a bug, and return the line that says so."""
        what = " ".join(f"{type(error).__name__}: {error}".split())
        if len(what) > _LONGEST:
            what = f"{what[:_LONGEST]}…"
        line = f"this is a bug in jobrunner ({printable(what)})"
        report = ""
        try:
            from jobrunner.files import bug_report  # noqa: PLC0415  (hardly a command needs it)

            report = bug_report.text(error, role)
            if self.home is None:
                raise bug_report.NoReport("no home is known yet")
            path = bug_report.write(str(self.home), error, report)
        except Exception as failure:
            why = in_words(failure) if isinstance(failure, OSError) else str(failure)
            self.show(report or "".join(traceback.format_exception(error)))
            return f"{line}; its report could not be written ({why}), so it went to stderr: please send that"
        return f"{line}: please send {shown(path)} to those who maintain it"


def _stopped_by() -> int | None:
    """Return the exit status of a process that gave up for a signal that it holds back, None if none has come."""
    held_back = sorted(signal.sigpending() & {signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
    return 128 + held_back[0] if held_back else None
