import json
import os
import typing
from typing import Any

import pytest

from jobrunner.domain.envelope import Emit, Envelope, as_line, of_line
from jobrunner.domain.events import Event, JobDone, JobFailed, Mended, RightsSet
from jobrunner.domain.role import Role

LIMIT = 4096
SAMPLES: dict[Any, Any] = {str: 'a\n\x1b\udcff\ud800🚀"', int: 2**40, float: 0.25, bool: True}
SAMPLES |= {float | None: None, str | None: SAMPLES[str]}


def envelope(event: Event) -> Envelope:
    return Envelope(1_795_478_061.25, 4711, Role.WORKER, 7, 2, event)


@pytest.mark.parametrize("kind", typing.get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_is_the_same_when_it_is_read(kind: type[Event]) -> None:
    event = kind(*(SAMPLES[field] for field in typing.get_type_hints(kind).values()))
    line = as_line(envelope(event), LIMIT)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert of_line(line) == envelope(event)


def test_an_event_has_its_time_its_process_and_its_role_and_each_listener_hears_it() -> None:
    heard: list[list[Envelope]] = [[], []]
    emit = Emit(Role.SCANNER, *(listener.append for listener in heard))
    emit(JobDone("p", 1.0), 7, 2)
    emit.in_role(Role.GUARD)(Mended())
    assert heard[0] == heard[1]
    first, second = heard[0]
    assert first[1:] == (os.getpid(), Role.SCANNER, 7, 2, JobDone("p", 1.0))
    assert second[1:] == (os.getpid(), Role.GUARD, None, None, Mended())
    assert 0 <= second.emitted_at - first.emitted_at < 60
    assert (first.name, second.name) == ("job-done", "mended")


@pytest.mark.parametrize("char", ["x", "é", "🚀", "\udcff", "\n"])
@pytest.mark.parametrize("length", [5000, 100_000])
def test_a_long_text_is_cut_so_that_the_line_has_its_bound(char: str, length: int) -> None:
    line = as_line(envelope(JobFailed("name", char * length, 1.0)), LIMIT)
    assert LIMIT * 0.7 < len(line) <= LIMIT
    read = of_line(line)
    assert read
    assert isinstance(read.event, JobFailed)
    assert read.event.name == "name"
    assert read.event.error.rstrip("…").strip(char) == ""
    assert read.event.error.endswith("…")


def test_several_long_texts_are_cut_too() -> None:
    line = as_line(envelope(RightsSet("x" * 9000, "y" * 8000, 0o600)), LIMIT)
    assert len(line) <= LIMIT
    assert of_line(line)


GOOD = [1.5, 4711, "worker", 7, 2, "job-done", ["p", 1.0]]


#: For each place of a line, values that cannot stand there.
WRONG: list[list[object]] = [
    ["now", None, True, []],
    [1.5, "1", None, True],
    ["cook", 1, None, []],
    ["7", 1.5, True],
    ["2", [], False],
    ["job-eaten", "JobDone", "__class__", None, [], {}],
    [[], ["p"], ["p", 1.0, 2], [1, 1.0], ["p", "1"], ["p", True], None, "p1", {"p": 1}],
]


@pytest.mark.parametrize(("at", "value"), [(at, value) for at, values in enumerate(WRONG) for value in values])
def test_what_is_no_event_of_ours_is_not_read_as_one(at: int, value: object) -> None:
    assert of_line(json.dumps(GOOD).encode()) is not None
    assert of_line(json.dumps([*GOOD[:at], value, *GOOD[at + 1 :]]).encode()) is None


@pytest.mark.parametrize(
    "line", [b"", b"\xff\x00", b"null", b"1", b"[]", b'"job-done"', b"{}", b"[" * 100_000, b'{"a":1}' * 2, b"NaN"]
)
def test_garbage_is_no_event(line: bytes) -> None:
    assert of_line(line) is None
