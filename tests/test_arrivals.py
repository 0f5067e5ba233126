"""Deliveries that are written in place: each is taken once, and whole, however its sender tells that it is complete."""

import re
import signal
import subprocess
from itertools import count
from pathlib import Path

import pytest

from jobrunner.domain.envelope import Emit
from jobrunner.domain.role import Role
from jobrunner.files.inbox import Inbox
from jobrunner.services.intake import Intake
from jobrunner.unzip.end import unfinished
from tests.support import PATIENCE, TestHome, wait_until
from tests.zip_builder import Member, archive

WHOLE = archive(Member("a", b"content " * 1000))
HALF = WHOLE[: len(WHOLE) // 2]


def reason(home: TestHome, name: str = "p") -> str | None:
    return next((entry["reason"] for entry in home.status()["incomplete"] if entry["name"] == name), None)


def is_new(home: TestHome) -> bool:
    return [entry["name"] for entry in home.status()["new"]] == ["p"]


def begin(home: TestHome, *, file: str = "p.zip", content: bytes = HALF) -> Path:
    (home.inbox / "p").mkdir()
    (home.inbox / "p" / file).write_bytes(content)
    return home.inbox / "p"


class Draining:
    """`jobrunner run --drain`, once it waits for what is still arriving; until then a file of that is changed."""

    def __init__(self, home: TestHome, changing: Path | None = None) -> None:
        self._log = home.path / "run.log"
        with self._log.open("w") as log:
            self.process = home.start("run", "-n", "2", "--drain", stderr=log)
        changing = changing or home.inbox / "p" / "changing"

        def is_waiting() -> bool:
            changing.touch()
            return "arriving" in self.said

        wait_until(is_waiting)

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8")

    def ends(self) -> int:
        return self.process.wait(PATIENCE)


def assert_done_at_once(home: TestHome) -> None:
    assert [attempt["outcome"] for attempt in home.show("p")["attempts"]] == ["done"]
    assert (home.archive / "p" / "p.zip").read_bytes() == WHOLE
    assert (home.archive / "p" / "a").read_bytes() == b"content " * 1000


def test_a_zip_that_is_written_in_place_is_waited_for_until_it_has_its_end(home: TestHome) -> None:
    home.configure('[intake]\nbroken_after = "1h"\n')
    package = begin(home)
    draining = Draining(home)
    assert re.fullmatch(r"its zip has no end: .*; its rest may come: unchanged for \d+ of 3600 s", reason(home) or "")
    assert home.counts()["queued"] == 0
    with (package / "p.zip").open("ab") as file:
        file.write(WHOLE[len(HALF) :])
    assert draining.ends() == 0
    assert "arriving   p" in draining.said
    assert_done_at_once(home)


def test_a_zip_that_stays_without_its_end_is_broken_and_its_sender_is_told(home: TestHome) -> None:
    home.configure('[intake]\nbroken_after = "1s"\n')
    begin(home)
    assert Draining(home, home.inbox / "p" / "p.zip").ends() == 1
    said = (home.failed / "p" / "error.txt").read_text()
    assert said.startswith("its zip has no end")
    assert {"NAME-downloading", "intake.settle\n"} <= set(said.split(" "))


def test_what_has_only_a_partial_file_is_waited_for_while_that_grows(home: TestHome) -> None:
    home.configure('[intake]\nbroken_after = "1h"\n')
    package = begin(home, file=".p.zip.AbCdEf")
    draining = Draining(home)
    assert reason(home) == "its zip is not there: only .p.zip.AbCdEf, changing"
    (package / ".p.zip.AbCdEf").write_bytes(WHOLE)
    (package / ".p.zip.AbCdEf").rename(package / "p.zip")
    assert draining.ends() == 0
    assert_done_at_once(home)


def test_a_drain_does_not_wait_for_what_lacks_something_and_is_still(home: TestHome) -> None:
    home.configure('[intake]\nbroken_after = "0s"\n')
    begin(home, file="notes.txt")
    home.package("q").rename(home.inbox / "q-downloading")
    assert home.jobrunner("run", "--drain").returncode == 0


@pytest.mark.parametrize("file", ["other.filepart", ".~tmp~", ".syncthing.other.tmp", "other.dat.PART"])
def test_a_partial_file_beside_the_zip_keeps_the_package_from_being_taken(home: TestHome, file: str) -> None:
    home.configure(
        '[intake]\nincomplete_suffix = ["-downloading", "*.part", ".filepart", ".~tmp~", ".syncthing.*.tmp"]\n'
    )
    package = home.package("p", beside={file: b""})
    assert reason(home) == f"still being received: {file} is in it"
    (package / file).rename(package / "other")
    assert is_new(home)
    home.package("q").rename(home.inbox / "q.part")
    assert reason(home, "q.part") == "still being received"


def test_with_still_a_package_is_taken_once_nothing_changes_any_more(home: TestHome) -> None:
    home.configure('[intake]\ncomplete_when = "still"\n')
    package = home.package("p")
    assert (reason(home) or "").endswith("of 10 s")
    home.configure('[intake]\ncomplete_when = "still"\nsettle = "1s"\n')
    draining = Draining(home)
    (package / "last").write_bytes(b"of the sender's files")
    assert draining.ends() == 0
    assert (home.archive / "p" / "last").read_bytes() == b"of the sender's files"


@pytest.mark.parametrize(
    ("marker", "file"), [("CopyComplete.txt", "CopyComplete.txt"), ("final_summary_*.txt", "final_summary_x7.txt")]
)
def test_with_marker_a_package_is_complete_once_that_file_is_there(home: TestHome, marker: str, file: str) -> None:
    home.configure(f'[intake]\ncomplete_when = "marker"\nmarker = "{marker}"\nbroken_after = "0s"\n')
    package = home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert reason(home) == f"its marker is not there yet: {marker}"
    (package / file).write_bytes(b"")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert (home.archive / "p" / file).exists()


def test_a_stop_ends_the_wait_for_what_is_arriving(home: TestHome) -> None:
    home.configure('[intake]\nbroken_after = "1h"\n')
    begin(home)
    draining = Draining(home)
    draining.process.send_signal(signal.SIGTERM)
    assert draining.ends() == 143


def test_what_becomes_still_between_two_looks_is_not_left_behind(home: TestHome) -> None:
    home.configure('[intake]\nsettle = "1s"\n')
    home.package("p")
    service = home.open()
    ticks = count(step=2)  # at each look, two seconds later
    inbox = Inbox(service.folders.inbox, service.settings.intake, unfinished, ticks=lambda: next(ticks))
    intake = Intake(service.store, service.folders, inbox, Emit(Role.COMMAND))
    assert intake.wait_for_arrivals(()) is None
    assert service.store.jobs.any_pending()


def test_what_a_first_scan_saw_without_its_zip_must_be_still_in_the_next(home: TestHome) -> None:
    service = home.open()
    ticks = [0.0]
    inbox = Inbox(service.folders.inbox, service.settings.intake, unfinished, ticks=lambda: ticks[0])
    intake = Intake(service.store, service.folders, inbox, Emit(Role.COMMAND))
    (home.inbox / "p").mkdir()
    assert intake.scan().new == 0
    (home.inbox / "p" / "p.zip").write_bytes(WHOLE)  # its end may have come before its middle
    assert intake.scan().new == 0
    ticks[0] += 1.1
    assert intake.scan().new == 1


def test_copies_in_place_are_each_processed_once_and_whole(home: TestHome, tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(6)]
    for name in names:
        home.package(name, {"a": name * 100_000}, folder=tmp_path)
    home.configure('[intake]\ncomplete_when = "still"\nsettle = "1s"\n')
    begin(home)  # so that it waits for what is arriving
    draining = Draining(home)
    subprocess.run(["cp", "-r", *names, str(home.inbox)], cwd=tmp_path, check=True)
    (home.inbox / "p" / "p.zip").write_bytes(WHOLE)
    assert draining.ends() == 0
    for name in names:
        assert [attempt["outcome"] for attempt in home.show(name)["attempts"]] == ["done"]
        assert (home.archive / name / "a").read_text() == name * 100_000
