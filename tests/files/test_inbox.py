import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from jobrunner.domain.settings import IntakeSettings
from jobrunner.domain.status import Contents, Delivery, by_arrival
from jobrunner.files.inbox import Inbox
from jobrunner.files.lacking import MOST_LOOKED_AT
from jobrunner.linux import at
from jobrunner.unzip.end import unfinished
from tests.support import wait_until
from tests.users import NOBODY, without_privileges

SETTINGS = IntakeSettings()
NO_MEMBERS = b"PK\5\6" + bytes(18)  # a zip
NOW = 2e9  # after anything that a test writes


def deliver(inbox: Path, name: str, arrived_at: float = 1000.0) -> Path:
    package = inbox / name
    package.mkdir()
    (package / f"{name}.zip").write_bytes(NO_MEMBERS)
    os.utime(package / f"{name}.zip", (arrived_at, arrived_at))
    return package


def look(inbox: Path, settings: IntakeSettings = SETTINGS, now: float = NOW) -> list[Delivery]:
    reader = Inbox(str(inbox), settings, unfinished)
    return by_arrival(reader.look_at(reader.names(), now))


def lacking(inbox: Path, name: str, settings: IntakeSettings = SETTINGS, now: float = NOW) -> str | None:
    (delivery,) = Inbox(str(inbox), settings, unfinished).look_at([name], now)
    assert delivery.name == name
    return delivery.lacking


def test_deliveries_come_in_the_order_of_their_zips(tmp_path: Path) -> None:
    for name, arrived_at in (("late", 3000.0), ("b", 2000.0), ("a", 2000.0), ("early", 1000.0)):
        deliver(tmp_path, name, arrived_at)
    assert look(tmp_path) == [
        Delivery("early", None, 1000.0),
        Delivery("a", None, 2000.0),
        Delivery("b", None, 2000.0),
        Delivery("late", None, 3000.0),
    ]


def test_hidden_names_are_not_looked_at(tmp_path: Path) -> None:
    deliver(tmp_path, ".hidden")
    deliver(tmp_path, "...")
    (tmp_path / ".DS_Store").write_text("")
    assert look(tmp_path) == []


def test_names_can_be_left_out(tmp_path: Path) -> None:
    for name in ("known", "new", os.fsdecode(b"\xff")):
        deliver(tmp_path, name)
    reader = Inbox(str(tmp_path), SETTINGS, unfinished)
    assert list(reader.names(besides=["known", "gone", os.fsdecode(b"\xff")])) == ["new"]


def test_what_has_gone_meanwhile_is_left_out(tmp_path: Path) -> None:
    deliver(tmp_path, "p")
    assert [one.name for one in Inbox(str(tmp_path), SETTINGS, unfinished).look_at(["gone", "p"], NOW)] == ["p"]


def test_each_incomplete_delivery_says_what_it_waits_for(tmp_path: Path) -> None:
    deliver(tmp_path, "p-downloading")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/ANOTHER.zip").write_bytes(b"")
    (tmp_path / "file.zip").write_bytes(b"")
    (tmp_path / "link").symlink_to(deliver(tmp_path, "p"))
    (tmp_path / ("n" * 252)).mkdir()
    (tmp_path / ("測" * 84)).mkdir()  # three bytes each
    expected = {
        "p-downloading": "still being received",
        "empty": "its zip is not there: its folder is empty",
        "other": 'its zip is not there: ANOTHER.zip is not named like the folder (intake.zip_name = "only" takes a zip '
        "of any name)",
        "file.zip": "not a folder: a package is a folder NAME with NAME.zip in it",
        "link": "not a folder: a package is a folder NAME with NAME.zip in it",
        "n" * 252: "its name has over 251 bytes: no zip in it can be named like it",
        "測" * 84: "its name has over 251 bytes: no zip in it can be named like it",
        "p": None,
    }
    assert {one.name: one.lacking for one in look(tmp_path)} == expected


@pytest.mark.parametrize("name", ["n" * 251, "é" * 125, os.fsdecode(b"\xff\xfe"), "new\nline", " ", "-x"])
def test_any_name_that_linux_can_hold_is_a_name(tmp_path: Path, name: str) -> None:
    deliver(tmp_path, name)
    assert look(tmp_path) == [Delivery(name, None, 1000.0)]


def test_another_suffix_can_mark_what_is_being_received(tmp_path: Path) -> None:
    deliver(tmp_path, "p.part")
    deliver(tmp_path, "p-downloading")
    settings = replace(SETTINGS, incomplete_suffix=(".part",))
    assert lacking(tmp_path, "p.part", settings) == "still being received"
    assert lacking(tmp_path, "p-downloading", settings) is None


@pytest.mark.parametrize("change", ["p.zip", "deep/er/file", "deep/er/"])
def test_a_package_has_to_be_still_for_as_long_as_settle_says(tmp_path: Path, change: str) -> None:
    package = deliver(tmp_path, "p")
    (package / "deep/er").mkdir(parents=True)
    (package / "deep/er/file").write_text("")
    changed = package / change
    for path in (package, *package.rglob("*"), changed):  # what a sender says of its times does not count
        os.utime(path, (0, 0))
    changed_at = os.lstat(changed).st_ctime
    settings = replace(SETTINGS, settle=60.0)
    expected = "settling: unchanged for 59 of 60 s"
    assert lacking(tmp_path, "p", settings, changed_at + 59) == expected
    assert lacking(tmp_path, "p", settings, changed_at + 61) is None


def test_a_zip_without_its_end_is_not_still_while_a_file_beside_it_changes(tmp_path: Path) -> None:
    package = deliver(tmp_path, "p")
    (package / "p.zip").write_bytes(b"")  # as a browser makes it, which writes beside it at first
    zip_at = (package / "p.zip").stat().st_ctime

    def write_beside() -> float | None:
        (package / "p.zip.part").write_bytes(b"")
        changed_at = (package / "p.zip.part").stat().st_ctime
        return changed_at if changed_at > zip_at else None

    beside_at = wait_until(write_beside)
    settings = replace(SETTINGS, broken_after=60.0)
    assert "unchanged for" in (lacking(tmp_path, "p", settings, (zip_at + beside_at) / 2 + 60) or "")
    assert lacking(tmp_path, "p", settings, beside_at + 61) is None


@pytest.mark.parametrize("content", [None, NO_MEMBERS[:10], NO_MEMBERS], ids=["no zip", "without its end", "whole"])
def test_a_delivery_whose_files_are_renamed_all_the_time_is_arriving(tmp_path: Path, content: bytes | None) -> None:
    package = tmp_path / "inbox" / "p"
    package.mkdir(parents=True)
    if content is not None:
        (package / "p.zip").write_bytes(content)
    for number in range(100):
        (package / f"{number}").write_bytes(b"")
    renaming = "import os\nwhile True:\n    for name in range(100):\n        os.rename(f'{name}', f'.{name}')\n"
    renaming += "        os.rename(f'.{name}', f'{name}')\n"
    sender = subprocess.Popen([sys.executable, "-c", renaming], cwd=package)
    try:
        wait_until(lambda: time.time() - package.stat().st_ctime < 0.01)
        reader = Inbox(str(package.parent), replace(SETTINGS, settle=60.0, broken_after=60.0), unfinished)
        looks = [reader.look_at(["p"], time.time()) for _ in range(200)]
    finally:
        sender.kill()
        sender.wait()
    assert {tuple((one.name, one.is_arriving) for one in look) for look in looks} == {(("p", True),)}


def test_a_change_in_the_future_counts_as_just_now(tmp_path: Path) -> None:
    deliver(tmp_path, "p")
    words = lacking(tmp_path, "p", replace(SETTINGS, settle=60.0), now=1000.0)
    assert words == "settling: unchanged for 0 of 60 s"


def test_an_inbox_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(Inbox(str(tmp_path / "nothing"), SETTINGS, unfinished).names())


@pytest.mark.parametrize("settle", [0.0, 1.0])
def test_a_delivery_that_may_not_be_read_does_not_hold_up_the_others(tmp_path: Path, settle: float) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    deliver(inbox, "p")
    os.chmod(deliver(inbox, "locked"), 0o000)
    if os.getuid() == 0:
        for path in (inbox, *inbox.rglob("*")):
            os.chown(path, NOBODY.uid, -1)
    os.chdir(inbox)  # conftest brings us back; the way to tmp_path is root's only
    with without_privileges():
        deliveries = Inbox(".", replace(SETTINGS, settle=settle), unfinished).look_at(["locked", "p"], NOW)
    assert {one.name: one.lacking is None for one in deliveries} == {"p": True, "locked": False}


class Watch:
    """An inbox whose packages must be still for 10 s, looked at with two clocks that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.ticks = 1000.0
        self._inbox = Inbox(str(folder), replace(SETTINGS, settle=10.0), unfinished, ticks=lambda: self.ticks)
        self._wall = deliver(folder, "p").lstat().st_ctime + 4  # changed 4 s ago

    def sees_it_complete_after(self, seconds: float, *, jump: float = 0) -> bool:
        self.ticks += seconds
        self._wall += seconds + jump
        (delivery,) = self._inbox.look_at(self._inbox.names(), self._wall)
        return delivery.lacking is None


@pytest.mark.parametrize("jump", [-86400, 0, 86400])
def test_stillness_is_watched_by_a_clock_that_does_not_jump(tmp_path: Path, jump: float) -> None:
    watch = Watch(tmp_path)
    assert not watch.sees_it_complete_after(0)
    assert not watch.sees_it_complete_after(5.9, jump=jump)
    assert watch.sees_it_complete_after(0.2)


def test_a_change_in_the_future_holds_a_package_no_longer_than_others(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    assert not watch.sees_it_complete_after(0, jump=-86400)
    assert not watch.sees_it_complete_after(9.9)
    assert watch.sees_it_complete_after(0.2)


def test_a_change_while_it_is_watched_starts_the_wait_again(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    assert not watch.sees_it_complete_after(5)
    before = (tmp_path / "p" / "p.zip").stat().st_ctime

    def change() -> bool:
        (tmp_path / "p").touch()
        return (tmp_path / "p").stat().st_ctime > before

    wait_until(change)
    assert not watch.sees_it_complete_after(5.5, jump=86400)  # it changed at some time in these 5.5 s
    assert not watch.sees_it_complete_after(4.4)
    assert watch.sees_it_complete_after(5.7)


def test_what_was_seen_incomplete_must_be_still_for_a_second(tmp_path: Path) -> None:
    ticks = [1000.0]
    inbox = Inbox(str(tmp_path), SETTINGS, unfinished, ticks=lambda: ticks[0])
    package = tmp_path / "p"
    package.mkdir()
    now = os.lstat(package).st_ctime
    [seen] = inbox.look_at(inbox.names(), now)
    assert (seen.lacking, seen.is_arriving) == ("its zip is not there: its folder is empty", True)
    (package / "p.zip").write_bytes(NO_MEMBERS)
    [seen] = inbox.look_at(inbox.names(), now)
    assert (seen.lacking, seen.is_arriving) == ("settling: unchanged for 0 of 1 s", True)
    ticks[0] += 1.1
    [seen] = inbox.look_at(inbox.names(), now + 1.1)
    assert seen.lacking is None


def test_what_lies_deeper_and_may_not_be_read_does_not_hide_what_is_missing(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    (inbox / "p" / "locked").mkdir(parents=True)
    (inbox / "p" / "locked").chmod(0o000)
    if os.getuid() == 0:
        for path in (inbox, *inbox.rglob("*")):
            os.chown(path, NOBODY.uid, -1)
    os.chdir(inbox)  # conftest brings us back; the way to tmp_path is root's only
    with without_privileges():
        assert lacking(Path(), "p") == "its zip is not there: only locked"


class Opened:
    """Counts the folders of deliveries that are opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._count = 0
        self._open = at.open_folder
        monkeypatch.setattr(at, "open_folder", self._counted)

    def _counted(self, folder: int, name: str) -> int:
        self._count += 1
        return self._open(folder, name)

    def within(self, call: Callable[[], object]) -> int:
        self._count = 0
        call()
        return self._count


def test_what_was_seen_incomplete_is_known_in_the_next_pass_however_few_there_are(tmp_path: Path) -> None:
    inbox = Inbox(str(tmp_path), SETTINGS, unfinished)
    (tmp_path / "p").mkdir()
    for content in (None, NO_MEMBERS):
        if content:
            (tmp_path / "p" / "p.zip").write_bytes(content)  # it is written where it lies
        for names in inbox.batches(only_changed=True):
            assert not inbox.look_at(names, NOW, only_complete=True)


def test_whoever_looks_only_once_finds_the_same(tmp_path: Path) -> None:
    for name in ("p", "q-downloading"):
        deliver(tmp_path, name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "another.zip").write_bytes(NO_MEMBERS)
    inbox = Inbox(str(tmp_path), SETTINGS, unfinished)
    names = list(inbox.names())
    found = inbox.look_at(names, NOW, only_complete=True, only_once=True)
    assert [delivery.name for delivery in found] == ["p"]
    assert found == inbox.look_at(names, NOW, only_complete=True)


def test_of_very_many_incomplete_deliveries_those_that_change_are_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = MOST_LOOKED_AT + 50
    for number in range(count):
        (tmp_path / f"p{number}").mkdir()
    ticks = [1000.0]
    inbox = Inbox(str(tmp_path), SETTINGS, unfinished, ticks=lambda: ticks[0])
    complete: list[Delivery] = []

    def scan() -> None:
        ticks[0] += 0.6
        complete.extend(inbox.look_at(chain.from_iterable(inbox.batches(only_changed=True)), NOW, only_complete=True))

    opened = Opened(monkeypatch)
    looks = [opened.within(scan) for _ in range(5)]
    assert looks[0] == count
    assert sum(looks[1:3]) == sum(looks[3:5]) == count
    assert looks[1] < 0.6 * count
    deliver(tmp_path, "new")
    for number in range(100):
        (tmp_path / f"p{number}" / f"p{number}.zip").write_bytes(NO_MEMBERS)
    scan()
    assert [delivery.name for delivery in complete] == ["new"]
    scan()
    scan()
    assert {delivery.name for delivery in complete} == {"new", *(f"p{number}" for number in range(100))}
    assert len(list(inbox.names())) == count + 1


def test_what_a_delivery_holds_is_counted_with_its_newest_change(tmp_path: Path) -> None:
    package = deliver(tmp_path, "p")
    (package / "deep").mkdir()
    newest = package / "deep" / "image.raw"
    newest.write_bytes(bytes(1000))
    (tmp_path / "loose.zip").write_bytes(b"PK")
    reader = Inbox(str(tmp_path), SETTINGS, unfinished)
    changed_at = max(newest.lstat().st_ctime, package.lstat().st_ctime)
    assert reader.contents("p") == Contents(2, len(NO_MEMBERS) + 1000, changed_at, is_all=True)
    loose = reader.contents("loose.zip")
    assert loose is not None
    assert (loose.files, loose.size, loose.is_all) == (1, 2, True)
    assert reader.contents("gone") is None
    assert Inbox(str(tmp_path / "nothing"), SETTINGS, unfinished).contents("p") is None


def test_of_a_delivery_that_holds_very_much_only_some_is_counted(tmp_path: Path) -> None:
    package = deliver(tmp_path, "p")
    for number in range(200):
        (package / f"{number}.raw").write_bytes(b"x")
    found = Inbox(str(tmp_path), SETTINGS, unfinished).contents("p")
    assert found is not None
    assert (found.files, found.is_all) == (200, False)
