"""Builds the systemd unit of a home."""

import os
import shutil
import sys
from pathlib import Path

from jobrunner.domain.settings_file import given
from jobrunner.domain.unit import Unit, outermost
from jobrunner.linux.users import user_argument
from jobrunner.wiring.settings import load


def unit_of(home: Path) -> Unit:
    """Return the unit of a home, as its user. Raises ConfigurationError as `load` does."""
    settings = load(home).settings
    folders = settings.folders
    # One path for these three: what systemd makes writable is a mount of its own, and nothing is renamed across mounts.
    together = os.path.commonpath([folders.work, folders.archive, folders.failed])
    needed = [settings.home, folders.inbox, folders.work, folders.archive, folders.failed, folders.logs]
    files = [file.parent for file in (settings.database_path, settings.log.file) if file]
    needed += files
    paths = [settings.home, together, folders.inbox, folders.logs, *files]
    return Unit(
        _program(),
        user_argument(os.geteuid()),
        str(settings.home),
        list(dict.fromkeys(map(str, needed))),
        outermost(str(path) for path in paths),
        0o777 & ~settings.folders.mode,
        settings.work.shutdown_grace,
    )


def variables_of_ours() -> list[str]:
    """Return the variables of our environment that set something, which a service does not have."""
    return [variable for *_, variable in given({}, os.environ) if variable]


def template() -> Unit:
    """Return the unit of homes of whoever asks."""
    return Unit(_program(), user_argument(os.geteuid()))


def _program() -> list[str]:
    script = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "jobrunner" else None
    return [os.path.abspath(script)] if script else [sys.executable, "-m", "jobrunner"]
