"""Folders so deep, with names so long, that no path reaches to their end."""

import os

from tests.hostile.people import SENDER
from tests.hostile.support import MEMBERS, USER, HostileHome, races_in

LEVELS = 3_000
LONG = "n" * 255  # bytes: as long as a name can be


@races_in(USER)
def test_they_are_archived_or_fail_or_are_cancelled_but_never_in_the_way(home: HostileHome) -> None:
    home.let('[ "$JOBRUNNER_PACKAGE" = good ] || exit 65')
    for name in ("good", "bad", "cancelled"):
        package = home.deliver(name, MEMBERS, {"mine": b""}, to=home.stash)
        with SENDER.acting():
            dig(os.open(package, os.O_RDONLY))
            home.arrive(package)
    home.jobrunner("scan")
    cancelled = home.jobrunner("cancel", "cancelled")
    assert cancelled.returncode == 0, cancelled.stderr
    assert home.ended("cancelled")["state"] == "failed"
    home.drain()
    home.ended("good")
    assert home.ended("bad")["state"] == "failed"
    home.assert_all_is_well()


def dig(folder: int) -> None:
    """Make one folder in another, from an open folder on, which is closed then."""
    for _ in range(LEVELS):
        os.mkdir(LONG, dir_fd=folder)
        inner = os.open(LONG, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("at the end", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
