"""What the dashboard reads beside what the report says: files of packages, and the file of its users."""

import os
from contextlib import suppress

from jobrunner.domain.job import State
from jobrunner.domain.receipt import Receipt
from jobrunner.domain.status import Story
from jobrunner.files import receipts, secret
from jobrunner.files.browsing import Found, Opened, files_of, open_below
from jobrunner.wiring.home import Home

_MOST = 500
_MOST_USERS = 256 * 1024  # bytes


def files(story: Story) -> tuple[list[Found], bool]:
    """Return the files of a package where it lies, some of very many, and whether these are all. Raises OSError."""
    return files_of(story.package_path, _MOST) if story.package_path else ([], True)


def receipt_of(story: Story) -> Receipt | None:
    """Return the receipt of a package that is done, as it lies beside it; None where there is none."""
    is_done = story.job.state is State.DONE and story.package_path
    return receipts.read(story.package_path) if is_done and story.package_path else None


def open_file(home: Home, name: str, path: str) -> Opened:
    """Open a file of a package where it lies. Raises NotKnown where there is no such package, OSError."""
    story = home.report.story(home.report.find(name))
    if story.package_path is None:
        raise FileNotFoundError(path)
    return open_below(story.package_path, path)


def users_text(path: str) -> str:
    """Return what the file of users holds: nothing of an empty one, which lets no one in. Raises ConfigurationError."""
    with suppress(OSError):
        if os.path.getsize(path) == 0:
            return ""
    return secret.read("web.users_file", path, most=_MOST_USERS).decode("utf-8", "replace")


def state_of(path: str) -> object:
    """Return a value that is another one once a file has been changed or replaced; None where it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
