"""error.txt and error~1.txt of a package that fails: a sender plants other things there, also in the last moment."""

import os
from contextlib import suppress

from tests.hostile.people import SENDER, Step
from tests.hostile.strange import STRANGE
from tests.hostile.support import AS_ROOT, MEMBERS, ROOT_ACROSS, USER, HostileHome, places, races_in

FAILING = "exit 65"
NAMES = ("error.txt", "error~1.txt")


@places(USER, ROOT_ACROSS)
def test_the_senders_own_error_files_are_kept(home: HostileHome) -> None:
    home.let(FAILING)
    home.deliver("p", beside=dict.fromkeys(NAMES, b"mine"))
    home.drain()
    assert home.ended()["state"] == "failed"
    failed = home.failed / "p"
    assert [(failed / name).read_bytes() for name in NAMES] == [b"mine", b"mine"]
    assert "65" in (failed / "error~2.txt").read_text()
    home.assert_all_is_well()


@places(USER, ROOT_ACROSS)
def test_what_is_planted_is_not_written_to(home: HostileHome) -> None:
    home.let(FAILING)
    handler = (home.path / "handler.sh").read_text()
    kinds = STRANGE | {"link-to-the-handler": lambda home, path: path.symlink_to(home.path / "handler.sh")}
    for kind, put in kinds.items():
        package = home.deliver(kind, to=home.stash)
        with SENDER.acting():
            for name in NAMES:
                put(home, package / name)
            home.arrive(package)
    home.drain()
    assert {kind: home.ended(kind)["state"] for kind in kinds} == dict.fromkeys(kinds, "failed")
    assert (home.path / "handler.sh").read_text() == handler
    assert not (home.path / "made-by-a-sender").exists()
    home.assert_private_is_private()
    for kind in kinds:
        errors = list((home.failed / kind).glob("error*.txt"))
        assert errors
        assert all(path.is_file() and not path.is_symlink() for path in errors)
    home.assert_all_is_well()


@races_in(USER)
def test_a_link_is_planted_between_the_look_and_the_writing(home: HostileHome) -> None:
    home.let(FAILING)
    handler = (home.path / "handler.sh").read_text()
    packages = [home.deliver(f"p{number}", MEMBERS) for number in range(60)]
    folders = [home.held(package) for package in packages]
    home.race(*planted_and_gone(folders, os.fspath(home.path / "handler.sh")))
    assert (home.path / "handler.sh").read_text() == handler
    home.assert_all_is_well()


@races_in(AS_ROOT)
def test_a_fifo_is_planted_between_the_look_and_the_writing(home: HostileHome) -> None:
    """Whoever opens it to write waits for a reader for ever."""
    home.let(FAILING)
    packages = [home.deliver(f"p{number}", MEMBERS) for number in range(60)]
    folders = [home.held(package) for package in packages]
    home.race(*planted_and_gone(folders, None))
    assert home.counts()["failed"] == len(packages)
    home.assert_all_is_well()


def planted_and_gone(folders: list[int], target: str | None) -> list[Step]:
    """Return the steps: a link to the target, or a FIFO, comes to be in each folder under both names, and goes."""

    def plant() -> None:
        for folder in folders:
            for name in NAMES:
                with suppress(OSError):
                    if target is None:
                        os.mkfifo(name, dir_fd=folder)
                    else:
                        os.symlink(target, name, dir_fd=folder)

    def remove() -> None:
        for folder in folders:
            for name in NAMES:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)

    return [plant, remove]
