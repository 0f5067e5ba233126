"""What a handler prints: it goes through one pipe, which the guard pumps into the log of the attempt.

A log holds all of it, or its beginning and its end with one line of ours between. It can be read at every instant: if
the guard is killed while it moves the end, some lines are there twice.
"""

import errno
import fcntl
import os
import re
from collections import deque
from contextlib import suppress
from typing import NamedTuple

#: A log takes at most one part in so many of what its disk has free: it is never what fills it.
_SHARE = 10
#: The bytes for which a log asks at once whether its disk has room; the first are just written.
_STEP = 1 << 20
_UNASKED = 1 << 16
#: What a pipe holds and a pump moves at a time.
_PIPE_SIZE = 1 << 20
_PIECE = 1 << 16
#: The most bytes of the end that are moved at once, and the fewest that are worth it.
_MOST_MOVED = 32 << 20
_LEAST_MOVED = 1 << 11
#: Within so many bytes a line is looked for that begins there.
_LINE = 1 << 10

_NOTE_SIZE = 80
_NOTE = re.compile(rb"^--- jobrunner left out ([\d,]+) bytes here: [a-z._ ]+-*\n", re.MULTILINE)
_BY_SETTING = "process.max_log"
_BY_DISK = "the disk has little room"


class Room(NamedTuple):
    """The most bytes of a log, and how many of its disk it leaves free in any case.

    `is_shared`: another machine reads it over the network, so each write gets there at once.
    """

    max_log: int = 100 << 20
    keep_free: int = 0
    is_shared: bool = False


DEFAULT_ROOM = Room()


class Output:
    """The pipe, for the life of a guard: its handlers run one after the other."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        with suppress(OSError):  # beyond what one user may have in pipes: a small one does, too
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)

    def pump(self, log: "Log") -> bool:
        """Move what has been printed into a log, at most as much as a pipe holds; say whether that was a lot."""
        moved = 0
        with suppress(BlockingIOError):
            while moved < _PIPE_SIZE:
                piece = os.read(self.reading, _PIECE)
                log.write(piece)
                moved += len(piece)
                if len(piece) < _PIECE:
                    break
        return moved >= _PIECE


class Log:
    """A log that is written. What its disk refuses is left out: no handler fails, or waits, for that."""

    def __init__(self, path: str, room: Room) -> None:
        """Open the log, or go on with one. Raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_DSYNC if room.is_shared else 0), 0o666)
        self._keep_free = room.keep_free
        self._limit = room.max_log
        self._granted = _UNASKED
        self._size = self._begun = os.fstat(self._file).st_size
        self._why = _BY_SETTING
        self._left_out = 0
        self._noted = 0
        self._beginning: int | None = None

    def close(self) -> None:
        """Note what has been left out, and close the log."""
        with suppress(OSError):
            if self._left_out > self._noted:
                self._note_the_rest()
        with suppress(OSError):  # some disks say only now what they have not taken
            os.close(self._file)

    def write(self, piece: bytes) -> None:
        """Add what was printed."""
        with suppress(OSError):
            while piece:
                if self._size >= self._granted:
                    self._ask()
                room = min(self._granted, self._limit) - self._size
                if room > 0:
                    piece = piece[self._append(piece[:room]) :]
                elif not self._cut():
                    break
        self._left_out += len(piece)

    def end(self, most: int) -> bytes:
        """Return the last lines that were added, in at most so many bytes and without notes; empty if they are lost."""
        place = max(self._size - most, self._begun)
        try:
            piece = b"" if self._left_out > self._noted else os.pread(self._file, self._size - place, place)
        except OSError:
            return b""
        _, newline, lines = piece.partition(b"\n") if place > self._begun else (b"", b"", b"")
        return _NOTE.sub(b"", lines if newline else piece)

    def _ask(self) -> None:
        disk = os.fstatvfs(self._file)
        share = (disk.f_bavail * disk.f_frsize - self._keep_free) // _SHARE
        if share <= self._size:
            self._has_no_more_than(self._size)
        else:
            self._granted = min(share, self._size + _STEP)

    def _append(self, piece: bytes) -> int:
        try:
            written = os.pwrite(self._file, piece, self._size)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise
            written = 0
        self._size += written
        if written < len(piece):
            self._has_no_more_than(self._size)
        return written

    def _has_no_more_than(self, size: int) -> None:
        self._limit = size
        self._why = _BY_DISK

    def _cut(self) -> bool:
        """Leave out the older part of the end, to make room for what comes; False where there is too little of it."""
        is_first = self._beginning is None
        beginning = self._line_from(self._limit // 2) if self._beginning is None else self._beginning
        kept = min((self._limit - beginning - _NOTE_SIZE) // 2, _MOST_MOVED)
        if kept < _LEAST_MOVED:
            return False
        source, target = self._line_from(self._size - kept), beginning + _NOTE_SIZE
        left_out = self._left_out + source - (beginning if is_first else target)
        self._note(beginning, left_out)
        while piece := os.pread(self._file, _STEP, source):
            self._put(piece, target)
            source += len(piece)
            target += len(piece)
        os.ftruncate(self._file, target)
        self._beginning, self._size, self._left_out, self._noted = beginning, target, left_out, left_out
        self._begun = min(self._begun, beginning)
        return True

    def _note_the_rest(self) -> None:
        """Note what could not be written since the last note, in place of the last that could, if need be."""
        if self._beginning is not None:
            self._note(self._beginning, self._left_out)
            return
        place = max(self._size - _NOTE_SIZE, 0) if self._why is _BY_DISK else self._size
        self._note(place, self._left_out + self._size - place)

    def _line_from(self, place: int) -> int:
        """Return where the first line begins that does so at a place or soon behind it, else the place itself."""
        return place + os.pread(self._file, _LINE, place).find(b"\n") + 1

    def _note(self, place: int, left_out: int) -> None:
        lead = b"\n" if place and os.pread(self._file, 1, place - 1) != b"\n" else b""
        words = lead + f"--- jobrunner left out {left_out:,} bytes here: {self._why} ".encode()
        self._put(words.ljust(_NOTE_SIZE - 1, b"-") + b"\n", place)

    def _put(self, piece: bytes, place: int) -> None:
        if os.pwrite(self._file, piece, place) < len(piece):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class LogReader:
    """A log that may be written at the same time: it is read once, and a note stands for what is left out by then."""

    def __init__(self, path: str) -> None:
        """Open the log. Raises OSError."""
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._place = 0  # in the file
        self._passed = 0  # of all that was printed
        self._last = b""
        self._mark = (0, b"")  # what is no longer there once more is left out: the note, before there is one the last

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def read(self) -> bytes:
        """Return the next piece, empty where there is none yet. Raises OSError."""
        place, mark = self._mark
        if os.pread(self._file, len(mark), place) != mark:
            self._find_place()
        piece = os.pread(self._file, _PIECE, self._place)
        if self._passed == self._place and (note := _NOTE.search(self._last + piece)):
            self._passed += _count(note) - _NOTE_SIZE
            self._mark = (self._place - len(self._last) + note.start(), note[0])
        self._place += len(piece)
        self._passed += len(piece)
        self._last = (self._last + piece)[-_LINE:]
        if self._passed == self._place:
            self._mark = (self._place - len(self._last), self._last)
        return piece

    def last(self, count: int) -> bytes:
        """Read on to the present end, and return the last `count` lines. Raises OSError."""
        pieces, ends = deque[bytes](), 0
        while piece := self.read():
            pieces.append(piece)
            ends += piece.count(b"\n")
            while ends - (first := pieces[0].count(b"\n")) > count:
                pieces.popleft()
                ends -= first
        text = b"".join(pieces)
        parts = count + text.endswith(b"\n")
        return b"\n".join(text.rsplit(b"\n", parts)[-parts:])

    def _find_place(self) -> None:
        """Find what comes next in a log out of which more has been left meanwhile."""
        place, last = 0, b""
        while piece := os.pread(self._file, _STEP, place):
            if note := _NOTE.search(last + piece):
                end = place - len(last) + note.end()
                self._mark = (end - len(note[0]), note[0])
                self._place = self._passed - _count(note) + _NOTE_SIZE
                if self._place < end:
                    self._place = self._passed = end - _NOTE_SIZE
                    self._last = b""
                return
            place += len(piece)
            last = piece[-_NOTE_SIZE:]
        self._place = self._passed = min(self._place, place)  # another process has cut it off
        self._mark = (0, b"")


def _count(note: re.Match[bytes]) -> int:
    return int(note[1].replace(b",", b""))
