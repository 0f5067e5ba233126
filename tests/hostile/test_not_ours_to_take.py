"""Deliveries that jobrunner may see but not take: they stay, it is said what mends it, and nothing is counted."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from tests.hostile.people import EXCHANGE, SENDER
from tests.hostile.support import USER, USER_ACROSS, HostileHome, places

Close = Callable[[Path], object]

CLOSED: dict[str, Close] = {
    "folder": lambda package: package.chmod(0o755),
    "subfolder": lambda package: (package / "sub").chmod(0o755),
    "deeper": lambda package: (package / "sub" / "deeper").chmod(0o755),
    "unreadable-folder": lambda package: (package / "sub").chmod(0o700),
    "unreadable-zip": lambda package: (package / f"{package.name}.zip").chmod(0o600),
    "unreadable-file": lambda package: (package / "sub" / "mine").chmod(0o600),
    "sticky": lambda package: (package / "sub").chmod(0o3775),
}


@places(USER, USER_ACROSS)
def test_a_delivery_that_is_not_ours_to_take_waits_for_its_sender(home: HostileHome) -> None:
    for name, close in CLOSED.items():
        package = home.deliver(name, beside={"sub/mine": b"mine", "sub/deeper/mine": b"mine"}, to=home.stash)
        with SENDER.acting():
            close(package)
            home.arrive(package)
    home.deliver("good")
    assert home.drain().returncode == 0
    assert_not_taken(home, *CLOSED)
    assert home.ended("good")["state"] == "done"
    with SENDER.acting():
        for name in CLOSED:
            for path, folders, files in os.walk(home.inbox / name):
                for folder in (path, *(os.path.join(path, inner) for inner in folders)):
                    os.chmod(folder, 0o2775)
                for file in files:
                    os.chmod(os.path.join(path, file), 0o664)
    assert home.drain().returncode == 0
    assert home.counts()["done"] == len(CLOSED) + 1
    home.assert_all_is_well()


def test_a_sender_with_the_usual_umask_is_told_so(home: HostileHome) -> None:
    home.deliver("p", umask=0o022)
    assert home.drain().returncode == 0
    assert_not_taken(home, "p")


@places(USER, USER_ACROSS)
def test_an_inbox_from_which_everybody_may_remove_only_what_is_his(home: HostileHome) -> None:
    os.chown(home.inbox, 0, EXCHANGE)
    home.inbox.chmod(0o3775)
    home.deliver("p")
    assert home.drain().returncode == 0
    assert_not_taken(home, "p", reason="sticky")
    home.inbox.chmod(0o2775)
    assert home.drain().returncode == 0
    assert home.ended()["state"] == "done"
    home.assert_all_is_well()


def assert_not_taken(home: HostileHome, *names: str, reason: str = "chmod") -> None:
    """They lie in the inbox as they were, and are shown as incomplete, with the reason; no attempt is counted."""
    status = home.status()
    reasons = {delivery["name"]: delivery["reason"] for delivery in status["incomplete"]}
    assert set(names) <= set(reasons), status
    assert set(names) <= set(home.delivered())
    for name in names:
        assert reason in reasons[name]
        assert stat.S_ISDIR((home.inbox / name).lstat().st_mode)
        job = home.jobrunner("show", "--json", name)
        assert job.returncode != 0 or '"attempts": []' in job.stdout
    assert status["waiting"] == status["failed"] == []
    assert home.check() == []
