import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package
from jobrunner.process.channel import Channel, Garbage, result_of
from jobrunner.process.handler import Call
from jobrunner.process.killing import Left

Ends = tuple[Channel, Channel]


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.file),)


@pytest.fixture
def ends() -> Iterator[Ends]:
    pair = Channel.pair()
    yield pair
    for end in pair:
        end.close()


def test_who_has_ended_an_end_is_heard_to_and_hears_what_comes(ends: Ends) -> None:
    ours, theirs = ends
    ours.send("last")
    ours.end()
    assert theirs.receive() == "last"
    with pytest.raises(EOFError):
        theirs.receive()
    theirs.send("goodbye")
    assert ours.receive() == "goodbye"
    with pytest.raises(BrokenPipeError):
        ours.send("more")


@pytest.mark.parametrize("name", ["p", "\udcff\udc80 not UTF-8", "\U0001f600", 'quo"te\n\x1b\\', "x" * 251])
def test_a_call_arrives_as_it_was_sent_whatever_the_name(ends: Ends, name: str) -> None:
    folder = Path("/", *["\udcff" * 250] * 15, name)
    call = Call(
        Package(name, folder / "data", folder / f"{name}.zip", 7, folder),
        str(folder / "1.log"),
        str(folder / "progress"),
    )
    ends[0].send(call.as_message())
    assert Call.of(ends[1].receive()) == call


@pytest.mark.parametrize("outcome", Outcome)
def test_a_result_arrives_as_it_was_sent(ends: Ends, outcome: Outcome) -> None:
    for is_bare in (False, True):
        ends[0].send_result(HandlerResult(outcome, "why \udcff", is_bare))
        assert result_of(ends[1].receive()) == HandlerResult(outcome, "why \udcff", is_bare)


def test_a_reason_without_end_is_cut(ends: Ends) -> None:
    ends[0].send_result(HandlerResult(Outcome.FAILED, "\U0001f600" * 1_000_000))
    assert set(result_of(ends[1].receive()).error) == {"\U0001f600"}


def test_a_message_is_read_whole_and_alone(ends: Ends) -> None:
    for number in range(3):
        ends[0].send([number])
    assert [ends[1].receive() for _ in range(3)] == [[0], [1], [2]]


def test_nothing_that_comes_is_executed_or_breaks_anything(ends: Ends, tmp_path: Path) -> None:
    trap = pickle.dumps(Trap(tmp_path / "executed"))
    for garbage in (b"\0", b"\xff" * 100, b"{", b"[" * 100_000, b'"' + b"x" * 150_000, trap, b"NaN" * 9):
        os.write(ends[0].fileno(), garbage)
        with pytest.raises(Garbage):
            ends[1].receive()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "message",
    [
        None,
        True,
        7,
        "done",
        [],
        ["done"],
        ["done", 1],
        ["well", "", False],
        ["done", "", ""],
        ["done", "", 1],
        {"left": []},
        [[], {}],
    ],
)
def test_what_is_json_but_no_message_of_ours_is_garbage(message: object) -> None:
    message = json.loads(json.dumps(message))
    for reading in (result_of, Call.of, Left.of):
        with pytest.raises(Garbage):
            reading(message)


def test_the_end_of_the_other_end_is_told() -> None:
    ours, theirs = Channel.pair()
    theirs.close()
    with pytest.raises(EOFError):
        ours.receive()
    with pytest.raises(OSError):
        ours.send([])
    ours.close()
