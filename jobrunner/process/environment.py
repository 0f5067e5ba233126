"""The environment that a handler is started in."""

from collections.abc import Mapping

from jobrunner.domain.settings import ProcessSettings
from jobrunner.process.account import Account

#: Names the worker in the environment of all that a handler starts.
WORKER_VARIABLE = "JOBRUNNER_WORKER"
#: Meant for jobrunner itself: what its service manager told it, a URL that may be a secret, and those of its web page.
_OURS_ALONE = frozenset(
    {
        "CREDENTIALS_DIRECTORY",
        "JOBRUNNER_NOTIFY_WEBHOOK",
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    }
)
_OF_THE_WEB = "JOBRUNNER_WEB_"
#: What a Python program prints is in the log at once, also where it is killed.
_UNBUFFERED = {"PYTHONUNBUFFERED": "1"}


def environment_of(settings: ProcessSettings, account: Account | None, ours: Mapping[str, str]) -> dict[str, str]:
    """Return what a handler is given of our own environment, with what the settings add, clear and change."""
    handed_on = {
        name: text for name, text in ours.items() if name not in _OURS_ALONE and not name.startswith(_OF_THE_WEB)
    }
    wanted = handed_on | _UNBUFFERED | (account.environment if account else {}) | dict(settings.environment or ())
    return {name: text for name, text in wanted.items() if text is not None}
