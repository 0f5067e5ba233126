import itertools
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobrunner.domain.errors import MachineError, PackageError, UnfinishedZip
from jobrunner.domain.settings import ExtractSettings
from jobrunner.unzip.extraction import extract
from jobrunner.unzip.streams import PIECE
from tests.scripts import outcomes
from tests.support import TestHome, wait_until
from tests.users import without_privileges
from tests.zip_builder import BZIP2, DEFLATE64, DEFLATED, LZMA, MIB, STORED, TEXT, Member, archive
from tests.zips import zeros

SETTINGS = ExtractSettings(keep_free=0)
#: Bytes of a thread's stack that no machine has, so that none can be started.
TOO_LARGE = 1 << 46
WITHOUT_INFLATE64 = """
import sys
sys.modules["inflate64"] = None
from jobrunner.domain.settings import ExtractSettings
from jobrunner.unzip.extraction import extract
extract(sys.argv[1], sys.argv[2], ExtractSettings(keep_free=0), print)
"""


class Place:
    """A zip to be and an empty folder beside it."""

    def __init__(self, root: Path) -> None:
        self.zip = root / "p.zip"
        self.target = root / "data"
        self.target.mkdir()
        self.progress: list[tuple[int, int, int | None]] = []

    def extract(self, settings: ExtractSettings = SETTINGS) -> list[str]:
        extract(str(self.zip), str(self.target), settings, lambda *progress: self.progress.append(progress))
        return self.paths()

    def paths(self) -> list[str]:
        return sorted(str(path.relative_to(self.target)) for path in self.target.rglob("*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_members_are_laid_out_with_content_and_time(place: Place) -> None:
    place.zip.write_bytes(archive(Member("a"), Member("b/c/d", b"deep"), Member("b/e"), Member("empty/", b"")))
    assert place.extract() == ["a", "b", "b/c", "b/c/d", "b/e", "empty"]
    assert (place.target / "b/c/d").read_bytes() == b"deep"
    assert (place.target / "a").stat().st_mtime == time.mktime((2001, 2, 3, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_permissions_are_those_of_the_zip_less_the_umask(place: Place, umask: int) -> None:
    place.zip.write_bytes(archive(Member("d/a", mode=stat.S_IFREG | 0o6777)))
    before = os.umask(umask)
    try:
        place.extract()
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((place.target / path).stat().st_mode) for path in ("d", "d/a")]
    assert modes == [0o777 & ~umask] * 2


@pytest.mark.parametrize(("size", "reports"), [(1, 0), (32, 4), (40, 5), (41, 5)])
def test_progress_is_told_now_and_then_in_bytes_of_all(place: Place, size: int, reports: int) -> None:
    content = bytes(size * MIB)
    place.zip.write_bytes(archive(Member("a", content, STORED), Member("b", content, STORED)))
    place.extract()
    done = [done for done, _, file in place.progress if file is not None]
    assert done == sorted(set(done))
    assert len(done) == reports
    assert {total for _, total, _ in place.progress} <= {2 * size * MIB}
    assert place.progress[-1:] == ([(2 * size * MIB, 2 * size * MIB, None)] if reports else [])


def test_with_progress_comes_the_file_that_is_being_written(place: Place) -> None:
    sizes = []

    def look(_done: int, _total: int, file: int | None) -> None:
        sizes.append(None if file is None else os.fstat(file).st_size // MIB)

    place.zip.write_bytes(archive(Member("small", b"x"), Member("large", bytes(40 * MIB)), Member("empty", b"")))
    extract(str(place.zip), str(place.target), SETTINGS, look)
    assert sizes == [16, 32, None]


@pytest.mark.parametrize("running", [0, 99])
def test_members_of_any_size_come_out_whole_wherever_what_is_read_ahead_ends(
    place: Place, running: int, say_running: Callable[[int], Path]
) -> None:
    say_running(running)
    sizes = [0, 100_000, PIECE - 100_000, 1, PIECE, PIECE + 1, 0, 3 * PIECE, *[0] * 600, *range(1, 600), 2 * PIECE]
    methods = itertools.cycle([STORED, DEFLATED, BZIP2])
    members = [Member(f"{number}", os.urandom(size), next(methods)) for number, size in enumerate(sizes)]
    place.zip.write_bytes(archive(*members))
    assert len(place.extract()) == len(sizes)
    assert all((place.target / f"{number}").read_bytes() == member.content for number, member in enumerate(members))


@pytest.mark.parametrize(
    "broken", [Member("broken", both={"crc": 1}), Member("broken", packed=b"\7")], ids=["crc", "data"]
)
def test_what_is_wrong_with_a_member_in_the_middle_ends_the_reading_ahead(
    place: Place, broken: Member, say_running: Callable[[int], Path]
) -> None:
    say_running(0)
    before, after = ([Member(f"{number}", bytes(PIECE), STORED) for number in numbers] for numbers in ("123", "456"))
    place.zip.write_bytes(archive(*before, broken, *after))
    threads = threading.active_count()
    with pytest.raises(PackageError, match="the zip's member broken"):
        place.extract()
    assert threading.active_count() == threads
    assert not {"4", "5", "6"} & set(place.paths())


def test_deflate64_is_refused_by_its_name_where_its_library_is_not_installed(place: Place) -> None:
    place.zip.write_bytes(archive(Member("a"), Member("b", method=DEFLATE64)))
    words = [sys.executable, "-c", WITHOUT_INFLATE64, str(place.zip), str(place.target)]
    run = subprocess.run(words, capture_output=True, check=False)
    assert b"PackageError: the zip's member b is compressed with deflate64, which Windows Explorer uses" in run.stderr
    assert place.paths() == []


def test_where_no_thread_can_be_started_a_large_zip_is_tried_again(
    place: Place, say_running: Callable[[int], Path]
) -> None:
    say_running(0)
    place.zip.write_bytes(archive(Member("a", bytes(PIECE)), Member("b", bytes(1))))
    threading.stack_size(TOO_LARGE)
    try:
        with pytest.raises(MachineError, match="no second thread could be started to read its zip"):
            place.extract()
        place.zip.write_bytes(archive(Member("a", bytes(PIECE))))
        assert place.extract() == ["a"], "a small one needs none"
    finally:
        threading.stack_size(0)


def test_with_one_processor_there_is_no_second_thread(place: Place) -> None:
    place.zip.write_bytes(archive(*[Member(f"{number}", bytes(PIECE)) for number in range(3)]))
    threading.stack_size(TOO_LARGE)
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        assert place.extract() == ["0", "1", "2"]
    finally:
        os.sched_setaffinity(0, processors)
        threading.stack_size(0)


@pytest.mark.parametrize("keep_free", [2**60, 2**40])
def test_no_room_on_the_disk_is_the_machines_fault_and_nothing_is_written(place: Place, keep_free: int) -> None:
    place.zip.write_bytes(archive(Member("a")))
    words = rf"bytes free, but the package needs 4,096 more and extract.keep_free {keep_free:,}: make room"
    with pytest.raises(MachineError, match=words):
        place.extract(replace(SETTINGS, keep_free=keep_free))
    assert place.paths() == []


def write_with_hole(path: Path, member: Member, hole: int, end: dict[str, int]) -> None:
    """Write a zip of one member that has a hole behind its local record, and nothing else there."""
    local, whole = len(member.local_bytes()), archive(member, end=end)
    with path.open("wb") as file:
        file.write(whole[:local])
        file.seek(hole, os.SEEK_CUR)
        file.write(whole[local:])


def test_a_hole_of_the_zip_is_nothing_that_was_sent(place: Place) -> None:
    size = 3 * 1024 * MIB
    member = Member("a", b"", STORED, both={"size": size, "compressed": size})
    write_with_hole(place.zip, member, size, {"offset": len(member.local_bytes()) + size})
    with pytest.raises(PackageError, match=r"declares 3,221,225,472 bytes in [1-8],\d{3}, over extract.max_ratio"):
        place.extract()
    assert place.paths() == []


def test_of_a_zip_of_over_4_gib_the_finder_loses_where_its_members_lie(place: Place) -> None:
    member = Member("a", descriptor="signed")
    write_with_hole(place.zip, member, 2**32, {})
    with pytest.raises(PackageError, match="not zip64: so the macOS Finder writes it, and where") as caught:
        place.extract()
    assert not isinstance(caught.value, UnfinishedZip)
    assert str(caught.value).endswith("have it packed with zip -r in the Terminal, or in several zips")


def test_of_a_member_of_over_4_gib_the_finder_writes_a_wrong_size(place: Place) -> None:
    packed = zeros(4200)
    place.zip.write_bytes(archive(Member("a", b"0123456789", packed=packed, descriptor="signed")))
    with pytest.raises(
        PackageError, match="declared: of over 4 GiB the macOS Finder writes a wrong size: have it packed"
    ):
        place.extract()
    place.zip.write_bytes(archive(Member("b", b"0123456789", packed=packed)))
    with pytest.raises(PackageError, match="more than the 10 bytes declared: it is malformed; have it packed again"):
        place.extract()


def link(path: Path) -> None:
    path.with_name("elsewhere.zip").write_bytes(archive(Member()))
    path.symlink_to("elsewhere.zip")


def listen(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


@pytest.mark.timeout(20)  # a FIFO must not be waited for
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (link, "its zip is a symbolic link: the file itself has to be delivered"),
        (lambda path: path.symlink_to("nowhere"), "its zip is a symbolic link"),
        (Path.mkdir, "its zip is not a file"),
        (os.mkfifo, "its zip is not a file"),
        (listen, "its zip is not a file"),
        (Path.touch, "its zip is not a zip but an empty file"),
        (lambda path: None, "its zip is not there: deliver it again"),
    ],
    ids=["link", "dangling", "folder", "fifo", "socket", "empty", "missing"],
)
def test_a_zip_that_is_no_file_is_the_senders_fault(place: Place, make: Callable[[Path], None], words: str) -> None:
    make(place.zip)
    with pytest.raises(PackageError) as caught:
        place.extract()
    assert words in str(caught.value)
    assert place.paths() == []


def test_a_path_that_is_too_long_only_below_the_target_is_the_senders_fault(place: Place) -> None:
    place.zip.write_bytes(archive(Member("/".join(["m" * 200] * 18))))
    place.target = place.target / "t" / ("t" * 255) / ("t" * 255)
    place.target.mkdir(parents=True)
    with pytest.raises(PackageError, match="a member's path is too long below the work folder: shorten it"):
        place.extract()


def test_a_zip_that_may_not_be_read_is_the_machines_fault(place: Place) -> None:
    place.zip.write_bytes(archive(Member()))
    place.zip.chmod(0)
    with without_privileges(), pytest.raises(PermissionError):
        place.extract()


def cut(path: Path) -> None:
    os.truncate(path, 20 * MIB)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(100))


def swap(path: Path) -> None:
    path.with_name("new").write_bytes(archive(Member("other")))
    path.with_name("new").rename(path)


def write_into(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(30 * MIB)
        file.write(b"changed")


def write_where_it_has_been_read(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(MIB)
        file.write(b"changed")


@pytest.mark.parametrize("change", [cut, grow, swap, write_into, write_where_it_has_been_read])
def test_a_zip_that_changes_while_it_is_read_is_tried_again(place: Place, change: Callable[[Path], None]) -> None:
    place.zip.write_bytes(archive(Member(content=bytes(40 * MIB), method=STORED)))
    os.utime(place.zip, (0, 0))
    pending = [change]

    def progress(*_: object) -> None:
        while pending:
            pending.pop()(place.zip)

    with pytest.raises(MachineError, match="its zip was changed while it was read: is it still being written"):
        extract(str(place.zip), str(place.target), SETTINGS, progress)
    assert not pending


def test_a_zip_that_is_taken_away_while_it_is_read_is_no_success(place: Place) -> None:
    place.zip.write_bytes(archive(Member(content=bytes(20 * MIB), method=STORED)))
    with pytest.raises(FileNotFoundError):
        extract(str(place.zip), str(place.target), SETTINGS, lambda *_: place.zip.unlink())


@pytest.mark.parametrize("method", [STORED, DEFLATED, BZIP2, LZMA])
@pytest.mark.parametrize("kept", [0, 1, 3, 40, -1, -22, -23])
def test_a_zip_that_is_cut_anywhere_may_still_be_on_its_way(place: Place, method: int, kept: int) -> None:
    inner = archive(Member(method=method))
    place.zip.write_bytes(archive(Member("nested.zip", inner, STORED), Member("b", method=method))[:kept])
    with pytest.raises(UnfinishedZip):
        place.extract()


@pytest.mark.parametrize("room", [0, 5000])
def test_a_zip_that_is_cut_where_a_zip_within_it_ends_may_still_be_on_its_way(place: Place, room: int) -> None:
    inner = archive(Member())
    whole = archive(Member("nested.zip", inner, STORED), Member("b"))
    place.zip.write_bytes(whole[: whole.find(inner) + len(inner)] + bytes(room))
    with pytest.raises(UnfinishedZip, match="begins before what it lists"):
        place.extract()


#: A zip without its end is queued at once; else the scan waits until it is still.
AT_ONCE = '[intake]\nbroken_after = "0s"\n'


def test_a_zip_that_has_lost_its_end_just_now_is_tried_again_before_it_is_broken(home: TestHome) -> None:
    home.package("p", beside={"p.zip": archive(Member())[:-10]})
    home.configure(AT_ONCE)
    home.jobrunner("scan")
    retry = '[retry]\nbackoff = "0.1s"\nmax_backoff = "0.1s"\n'
    home.configure(f'[intake]\nbroken_after = "1h"\n{retry}')
    worker = home.start("work", "-n", "1")
    wait_until(lambda: outcomes(home, "p")[:2] == ["fault", "fault"])
    worker.terminate()
    worker.wait()
    assert "it has changed within intake.broken_after" in home.show("p")["attempts"][0]["error"]
    home.configure(AT_ONCE + retry)
    home.jobrunner("work", "-n", "1", "--drain")
    assert outcomes(home, "p")[-1] == "rejected"
    error = "its zip is followed by other bytes, or its comment is cut: it is not as it was sent"
    assert home.show("p")["error"].startswith(f"{error}; deliver it again")
    assert {"NAME-downloading", "intake.settle"} < set(home.show("p")["error"].split())


def test_a_zip_whose_rest_comes_after_it_was_queued_is_processed(home: TestHome) -> None:
    whole = archive(Member())
    retry = '[retry]\nbackoff = "1s"\nmax_backoff = "1s"\n'
    home.configure(AT_ONCE + retry)
    package = home.package("p", beside={"p.zip": whole[:-10]})
    with (package / "p.zip").open("ab") as still_being_sent:
        home.jobrunner("scan")
        home.configure(f'[intake]\nbroken_after = "1h"\n{retry}')
        process = home.start("work", "-n", "1", "--drain")
        wait_until(lambda: home.counts()["waiting"])
        still_being_sent.write(whole[-10:])
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert [attempt["outcome"] for attempt in home.show("p")["attempts"]][-1] == "done"
    assert (home.archive / "p" / "a").read_bytes() == TEXT
