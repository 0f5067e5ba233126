"""What a sender puts in the place of its package, or of a part of it, after jobrunner has looked: in races, too."""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hostile.people import SENDER, Name, Pair, deliver_and_swap, swap
from tests.hostile.strange import FILE, STRANGE
from tests.hostile.support import (
    LONG_RACE,
    MEMBERS,
    ROOT_ACROSS,
    USER,
    USER_ACROSS,
    HostileHome,
    places,
    races_in,
)

#: Packages for a race: enough for some to be caught in mid-step.
NAMES = [f"p{number}" for number in range(80)]


@places()
def test_another_thing_takes_the_place_of_a_package_that_is_queued(home: HostileHome) -> None:
    kinds = STRANGE | FILE
    packages = {kind: home.deliver(kind) for kind in ["p", "empty", *kinds]}
    assert home.jobrunner("scan").returncode == 0
    with SENDER.acting():
        for package in packages.values():
            shutil.rmtree(package)
        packages["p"].symlink_to(home.private)  # which has a p.zip
        (packages["empty"] / "empty.zip").mkdir(parents=True)
        for kind, put in kinds.items():
            put(home, packages[kind])
    home.drain()
    home.assert_private_is_private()
    assert {kind: home.ended(kind)["state"] for kind in packages} == dict.fromkeys(packages, "failed")
    assert not (home.path / "made-by-a-sender").exists()
    home.assert_all_is_well()


def test_a_package_is_taken_back_when_it_is_queued(home: HostileHome) -> None:
    package = home.deliver()
    assert home.jobrunner("scan").returncode == 0
    with SENDER.acting():
        package.rename(home.stash / "p")
    home.drain()
    assert home.ended()["state"] == "failed"
    home.assert_all_is_well()


@pytest.fixture
def packages(home: HostileHome) -> list[Path]:
    """As many packages as a race needs, each with folders that its zip has, too."""
    members = MEMBERS | {"sub/member": "m", "sub/deeper/member": "m"}
    return [home.deliver(name, members, {"sub/mine": b"", "sub/deeper/mine": b""}) for name in NAMES]


@races_in(USER)
def test_packages_change_places_with_other_things(home: HostileHome, packages: list[Path]) -> None:
    kinds = [STRANGE["link-to-private"], STRANGE["fifo"], *FILE.values()]
    with SENDER.acting():
        for number, package in enumerate(packages):
            kinds[number % len(kinds)](home, home.stash / package.name)
    home.race(swap((Name(package), Name(home.stash / package.name)) for package in packages))
    home.assert_all_is_well()


@races_in(USER_ACROSS)
def test_packages_change_places_with_others_and_none_is_lost(home: HostileHome, packages: list[Path]) -> None:
    """A delivery that comes while an earlier one is taken is not removed in its place."""
    for package in packages:
        home.deliver(package.name, beside={"second": b""}, to=home.stash)
    home.race(swap((Name(package), Name(home.stash / package.name)) for package in packages))
    kept = [home.inbox, home.stash, home.archive, home.failed]
    for package in packages:
        found = [folder / package.name for folder in kept if (folder / package.name / f"{package.name}.zip").exists()]
        contents = [tuple((path / mine).exists() for mine in ("sub/mine", "second")) for path in found]
        # one that was copied from another disk stays there, too, where it is in doubt whether it is the one
        assert set(contents) == {(False, True), (True, False)}, f"two were delivered, these are left: {found}"
    home.assert_all_is_well()


@races_in(USER)
def test_a_part_of_it_changes_places_with_a_link_wherever_the_package_is(home: HostileHome) -> None:
    stash = home.held(home.stash)
    members = MEMBERS | {"sub/member": "m", "sub/deeper/member": "m"}
    packages = {}
    for number in range(300):
        package = home.deliver(f"p{number}", members, {"sub/mine": b"", "sub/deeper/mine": b""}, to=home.stash)
        path = package / ["sub", "sub/deeper", "sub", "sub/deeper", f"{package.name}.zip"][number % 5]
        trap = f"trap-{number}"
        with SENDER.acting():
            (home.stash / trap).symlink_to(home.private if path.is_dir() else home.private / "p.zip")
        packages[package] = [(Name(path.name, home.held(path.parent)), Name(trap, stash))]
    home.race(deliver_and_swap(packages, home.inbox, [home.archive, home.failed]), seconds=LONG_RACE)
    home.assert_all_is_well()


@races_in(USER)
def test_what_is_being_removed_changes_places_with_a_link(home: HostileHome) -> None:
    """Folders that are moved up while their tree is removed may have names that can be guessed."""
    inner = [f"d{number}" for number in range(8)]
    stash = home.held(home.stash)
    packages: dict[Path, list[Pair]] = {}
    for number in range(150):
        package = home.deliver(f"p{number}", beside={f"{path}/e/f": b"" for path in inner}, to=home.stash)
        folder = home.held(package)
        packages[package] = []
        for guess in [*inner, *(f".{number}" for number in range(4))]:
            trap = f"trap-{number}-{guess}"
            with SENDER.acting():
                (home.stash / trap).symlink_to(home.private)
            packages[package].append((Name(guess, folder), Name(trap, stash)))
    home.race(deliver_and_swap(packages, home.inbox, [home.archive, home.failed]), seconds=LONG_RACE)
    home.assert_all_is_well()


@places(USER, ROOT_ACROSS)
def test_a_folder_is_not_ours_because_it_is_called_so(home: HostileHome) -> None:
    """1 is the job that is done, 2 the one that is next, 3 one that there is not."""
    home.deliver("first")
    home.drain()
    claimed = [home.inbox / f".jobrunner-taken-{number}" for number in (1, 2, 3)]
    with SENDER.acting():
        for folder in claimed:
            folder.mkdir()
            (folder / "mine").write_bytes(b"mine")
    home.deliver("second")
    home.drain()
    home.jobrunner("check", "--repair")
    assert [(folder / "mine").is_file() for folder in claimed] == [True, True, True]
    assert home.counts()["done"] == 2


@races_in(ROOT_ACROSS, USER_ACROSS)
def test_a_folder_that_is_called_like_ours_changes_places_with_a_link(home: HostileHome) -> None:
    for name in NAMES[:40]:
        home.deliver(name)
    home.drain()
    claimed = [home.inbox / f".jobrunner-taken-{number}" for number in range(1, 41)]
    inner = {
        folder / f"mine{number}": home.stash / f"trap-{folder.name}-{number}"
        for folder in claimed
        for number in range(10)
    }

    def plant() -> None:
        for mine, trap in inner.items():
            for link, folder in ((mine, trap), (trap, mine)):
                with suppress(OSError):
                    link.unlink()
                with suppress(OSError):
                    folder.rmdir()
            with suppress(OSError):
                mine.mkdir(parents=True)
                trap.symlink_to(home.private)

    changes = swap((Name(mine), Name(trap)) for mine, trap in inner.items())
    home.deliver("one-more")
    home.race(plant, *[changes] * 20, seconds=LONG_RACE)


@races_in(USER)
def test_a_folder_changes_places_with_a_link_while_files_are_merged_into_it(home: HostileHome) -> None:
    """The files are modules, to land beside the handler."""
    pairs = []
    for number in (1, 2, 3, 4):
        package = home.deliver(f"p{number}", MEMBERS | {"sub/member": "m"}, to=home.stash)
        trap = home.stash / f"trap-{number}"
        with SENDER.acting():
            (package / "sub").mkdir()
            for module in range(1_000):
                (package / "sub" / f"module{number}{module}.py").touch()
            for folder in (package, package / "sub"):
                folder.chmod(0o777)
            trap.symlink_to(home.path)
            home.arrive(package)
        pairs.append((Name(home.work / f"{number}-1" / "flushed" / "sub"), Name(trap)))
    home.race(swap(pairs))
    assert list(home.path.glob("module*")) == []
    home.assert_all_is_well()
