"""Nobody waits who writes to what others share, and its flags stay as they are."""

import fcntl
import os
import pty
import socket
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from jobrunner.linux.outlet import Outlet

PIECE = b"." * 1000
Pair = tuple[int, int]


def pipe() -> Pair:
    return os.pipe()


def stream() -> Pair:
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def terminal() -> Pair:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    return ours, theirs


def fill(outlet: Outlet) -> int:
    """Write until there is no room, and return how many bytes there was room for."""
    written = 0
    with suppress(BlockingIOError):
        while True:
            written += outlet.write(PIECE)
    return written


def taken(reader: int, count: int) -> int:
    """Read up to so many bytes."""
    left = count
    while left and (piece := os.read(reader, left)):
        left -= len(piece)
    return count - left


@pytest.fixture(params=[pipe, stream, terminal])
def ends(request: pytest.FixtureRequest) -> Iterator[Pair]:
    make: Callable[[], Pair] = request.param
    pair = make()
    yield pair
    for end in pair:
        os.close(end)


def test_it_never_waits_and_goes_on_when_there_is_room(ends: Pair) -> None:
    reader, writer = ends
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    outlet = Outlet(writer)
    written = fill(outlet)
    assert written >= 4000
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags
    assert taken(reader, written) == written
    assert outlet.write(PIECE) > 0


def test_a_pipe_that_is_another_users_is_asked_before() -> None:
    reader, writer = os.pipe()
    os.fchmod(writer, 0)
    user = os.geteuid()
    if user == 0:  # whom no mode keeps from opening it
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            os.open(f"/proc/self/fd/{writer}", os.O_WRONLY)
        outlet = Outlet(writer)
        written = fill(outlet)
        assert written % 1000 == 0, "a line is written whole"
        assert taken(reader, written) == written
        assert outlet.write(b"." * 9000) == 4096, "for so many there is room"
    finally:
        os.seteuid(user)
        os.close(reader)
    with pytest.raises(BrokenPipeError):
        outlet.write(PIECE)
    os.close(writer)


def test_a_terminal_that_is_stopped_is_not_waited_for() -> None:
    ours, theirs = terminal()
    outlet = Outlet(theirs)
    termios.tcflow(theirs, termios.TCOOFF)
    with pytest.raises(BlockingIOError):
        outlet.write(PIECE)
    termios.tcflow(theirs, termios.TCOON)
    assert outlet.write(PIECE) == len(PIECE)
    os.close(ours)
    with pytest.raises(OSError, match="Input/output"):
        outlet.write(PIECE)
    os.close(theirs)


def test_what_is_closed_is_said_at_once() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Outlet(writer)
