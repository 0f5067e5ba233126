"""Lines on their way out, in the order in which they came, and each of them whole."""

import errno

import pytest

from jobrunner.domain.outgoing import Outgoing


class Reader:
    """Takes as many bytes as there is room for."""

    def __init__(self) -> None:
        self.room = 0
        self.read = b""
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error:
            raise self.error
        if not self.room:
            raise BlockingIOError(errno.EAGAIN, "")
        taken = data[: self.room]
        self.read += taken
        self.room -= len(taken)
        return len(taken)


def test_what_cannot_be_written_is_kept_and_written_first() -> None:
    reader = Reader()
    outgoing = Outgoing(reader.write)
    assert all(outgoing.put(line) for line in (b"one\n", b"two\n"))
    assert outgoing.is_behind
    reader.room = 6
    assert outgoing.put(b"three\n")
    assert reader.read == b"one\ntw"
    reader.room = 100
    outgoing.flush()
    assert (reader.read, outgoing.is_behind) == (b"one\ntwo\nthree\n", False)


def test_what_there_is_no_room_for_is_lost_and_what_comes_later_is_not() -> None:
    reader = Reader()
    outgoing = Outgoing(reader.write, most=10)
    assert [outgoing.put(line) for line in (b"12345\n", b"67\n", b"89\n")] == [True, True, False]
    reader.room = 100
    assert outgoing.put(b"much longer than what is kept\n")
    assert reader.read == b"12345\n67\nmuch longer than what is kept\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE])
def test_what_is_wrong_is_known_until_it_is_right_again(number: int) -> None:
    reader = Reader()
    outgoing = Outgoing(reader.write)
    reader.error = OSError(number, "")
    assert outgoing.put(b"one\n")
    assert outgoing.fault is reader.error
    reader.error = None
    outgoing.flush()
    assert outgoing.fault is None, "it only waits for its reader"
    reader.room = 100
    outgoing.flush()
    assert reader.read == b"one\n"
    outgoing.put(b"two\n")
    reader.room = 0
    outgoing.put(b"three\n")
    outgoing.forget()
    assert not outgoing.is_behind
