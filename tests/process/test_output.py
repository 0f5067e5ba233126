"""The log of an attempt: all of what was printed, or its beginning and its end with one line between."""

import errno
import os
import random
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from jobrunner.process import output
from jobrunner.process.output import Log, LogReader, Output, Room

LIMIT = 1 << 16
NOTE = re.compile(rb"--- jobrunner left out ([\d,]+) bytes here: ([a-z._ ]+) -*\n")

needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes pieces into a log."""

    def log(*pieces: bytes) -> Path:
        path = tmp_path / "log"
        written = Log(str(path), Room(LIMIT))
        for piece in pieces:
            written.write(piece)
            assert path.stat().st_size <= LIMIT
        written.close()
        return path

    return log


def lines(count: int, first: int = 0) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, first + count))


def parts(log: bytes) -> tuple[bytes, int, bytes]:
    """Return the beginning, the number of bytes in the note, the end."""
    (note,) = NOTE.finditer(log)
    return log[: note.start()], int(note[1].replace(b",", b"")), log[note.end() :]


def all_of(path: Path) -> bytes:
    reader, read = LogReader(str(path)), b""
    while piece := reader.read():
        read += piece
    return read


def test_what_fits_is_there_byte_for_byte(write: Callable[..., Path]) -> None:
    printed = random.Random(1).randbytes(LIMIT)
    assert write(printed[:7], b"", printed[7:]).read_bytes() == printed


def test_a_log_that_is_opened_again_goes_on(write: Callable[..., Path]) -> None:
    write(b"one\n")
    assert write(b"two\n").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("size", [1, 100, 60_000, 200_000])
def test_of_more_the_beginning_and_the_end_are_kept_in_whole_lines(write: Callable[..., Path], size: int) -> None:
    printed = lines(12_000 if size < 100 else 40_000)
    log = write(*(printed[start : start + size] for start in range(0, len(printed), size))).read_bytes()
    beginning, left_out, end = parts(log)
    assert printed.startswith(beginning)
    assert printed.endswith(end)
    assert len(beginning) + left_out + len(end) == len(printed)
    assert beginning.endswith(b"\n")
    assert end.startswith(b"line ")
    assert len(beginning) >= LIMIT // 2
    assert len(end) >= LIMIT // 5
    assert b"here: process.max_log -" in log


def test_the_note_has_a_line_of_its_own_where_there_are_no_lines(write: Callable[..., Path]) -> None:
    log = write(*[b"x" * 10_000] * 30).read_bytes()
    assert re.fullmatch(rb"x+\n--- jobrunner left out [\d,]+ bytes here: process.max_log -+\nx+", log)


def write_until_killed(path: Path, printed: bytes, killed_at: int) -> None:
    """Write a log in this process, which is killed before so many of its writes; it moves the end in small pieces."""
    left, real = iter(range(killed_at)), os.pwrite

    def pwrite(file: int, piece: bytes, place: int) -> int:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(file, piece, place)

    patch = pytest.MonkeyPatch()
    patch.setattr(os, "pwrite", pwrite)
    patch.setattr(output, "_STEP", 4096)
    log = Log(str(path), Room(LIMIT))
    for start in range(0, len(printed), 4000):
        log.write(printed[start : start + 4000])
    os._exit(0)


def test_what_is_killed_leaves_a_log_that_can_be_read(tmp_path: Path) -> None:
    """At whichever of its writes: the beginning and the newest lines are there, and the note is whole."""
    printed = lines(9_000)
    path = tmp_path / "log"
    for killed_at in range(20, 60):
        path.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            write_until_killed(path, printed, killed_at)
        os.waitpid(child, 0)
        kept = path.read_bytes()
        assert len(kept) <= LIMIT
        assert kept.startswith(printed[: LIMIT // 2])
        assert kept[-1000:] in printed
        odd = [line for line in kept.split(b"\n") if not re.fullmatch(rb"line \d+|" + NOTE.pattern[:-2], line)]
        assert len(odd) <= 3  # the last line, and where two halves of the end meet


@pytest.mark.parametrize("lag", [1, 7, 40])
@pytest.mark.parametrize("seed", range(6))
def test_who_follows_a_log_reads_each_line_once_or_a_note_in_its_place(tmp_path: Path, seed: int, lag: int) -> None:
    generator = random.Random(seed)
    path = tmp_path / "log"
    log, number, read = Log(str(path), Room(LIMIT)), 0, b""
    reader = LogReader(str(path))
    for step in range(200):
        count = generator.randrange(300)
        log.write(lines(count, number))
        number += count
        while step % lag == 0 and (piece := reader.read()):
            read += piece
    log.close()
    while piece := reader.read():
        read += piece
    assert number * 10 > 2 * LIMIT
    seen = [int(line.split()[1]) for line in NOTE.sub(b"", read).splitlines()]
    assert seen == sorted(set(seen))
    assert (seen[0], seen[-1]) == (0, number - 1)
    gaps = sum(later != earlier + 1 for earlier, later in pairwise(seen))
    assert gaps == len(NOTE.findall(read))
    assert lag > 1 or gaps == 0


def test_who_comes_later_reads_what_is_kept(write: Callable[..., Path]) -> None:
    path = write(*[lines(1000, first) for first in range(0, 50_000, 1000)])
    assert all_of(path) == path.read_bytes()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def free(disk: Path) -> int:
    space = os.statvfs(disk)
    return space.f_bavail * space.f_frsize


def fill(disk: Path, leaving: int) -> None:
    (disk / "full").write_bytes(bytes(free(disk) - leaving))


def print_a_lot(path: Path, room: Room) -> bytes:
    """Print 5 MB and return the log."""
    log = Log(str(path), room)
    for first in range(0, 400_000, 5000):
        log.write(lines(5000, first))
    log.close()
    return path.read_bytes()


@needs_mounts
def test_a_log_takes_no_more_than_its_share_of_what_is_free(disk: Path) -> None:
    beginning, left_out, end = parts(print_a_lot(disk / "log", Room(keep_free=1 << 20)))
    assert free(disk) > 3 << 20
    assert 100_000 < len(beginning) + len(end) < 400_000
    assert left_out > 4_000_000
    assert end.endswith(b"line 399999\n")
    assert print_a_lot(disk / "another", Room(keep_free=1 << 20))
    assert free(disk) > 3 << 20


@needs_mounts
@pytest.mark.parametrize("leaving", [4096 * 10, 4096 * 3, 4096, 0])
def test_on_a_full_disk_the_note_stands_for_what_cannot_be_written(disk: Path, leaving: int) -> None:
    (disk / "log").write_bytes(b"before\n")
    fill(disk, leaving)
    log = print_a_lot(disk / "log", Room())
    (note,) = NOTE.finditer(log)
    assert note[2] == b"the disk has little room"
    kept = len(log) - len(note[0])
    assert abs(int(note[1].replace(b",", b"")) + kept - len(lines(400_000))) < 100
    assert b"line 399999\n" in log or leaving < 4096 * 3


def test_what_the_disk_does_not_take_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, broken = os.pwrite, True

    def pwrite(file: int, piece: bytes, place: int) -> int:
        if broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(file, piece, place)

    monkeypatch.setattr(os, "pwrite", pwrite)
    log = Log(str(tmp_path / "log"), Room())
    log.write(b"lost\n")
    broken = False
    log.write(b"kept\n")
    log.close()
    assert (tmp_path / "log").read_bytes().startswith(b"kept\n--- jobrunner left out 5 bytes here: ")


def test_a_pump_takes_what_is_there_and_does_not_wait(tmp_path: Path) -> None:
    pipe, log = Output(), Log(str(tmp_path / "log"), Room())
    try:
        assert not pipe.pump(log)
        os.write(pipe.writing, b"a line\n")
        assert not pipe.pump(log)
        os.write(pipe.writing, bytes(500_000))
        assert pipe.pump(log)
    finally:
        os.close(pipe.reading)
        os.close(pipe.writing)
        log.close()
    assert (tmp_path / "log").read_bytes() == b"a line\n" + bytes(500_000)


def test_the_end_of_a_log_is_read_in_whole_lines_and_without_the_note(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), Room(LIMIT))
    assert log.end(100) == b""
    log.write(lines(40_000))
    assert log.end(30) == b"line 39998\nline 39999\n"
    assert NOTE.search((tmp_path / "log").read_bytes())
    assert log.end(LIMIT).startswith(b"line ")
    assert not NOTE.search(log.end(LIMIT))
    log.write(b"x" * 1000)
    assert log.end(10) == b"x" * 10
    log.close()
    assert log.end(10) == b""


def test_the_end_of_a_log_is_what_has_been_added_since_it_was_opened(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\n")
    log = Log(str(tmp_path / "log"), Room(LIMIT))
    assert log.end(100) == b""
    log.write(b"two\n")
    assert log.end(100) == b"two\n"
    log.close()


def test_the_last_lines_of_a_log_are_read_and_then_what_comes(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), Room())
    assert LogReader(str(tmp_path / "log")).last(3) == b""
    log.write(lines(100_000) + b"begun")
    reading = LogReader(str(tmp_path / "log"))
    assert reading.last(3) == b"line 99998\nline 99999\nbegun"
    log.write(b" and ended\n")
    assert reading.read() == b" and ended\n"
    assert LogReader(str(tmp_path / "log")).last(1) == b"begun and ended\n"
    assert LogReader(str(tmp_path / "log")).last(1_000_000).startswith(b"line 0\n")
    log.write(b"x" * (3 << 20))
    assert LogReader(str(tmp_path / "log")).last(2) == b"begun and ended\n" + b"x" * (3 << 20)
    log.close()
