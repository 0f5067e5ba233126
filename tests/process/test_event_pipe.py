import os
import select
import signal

import pytest

from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.events import EventsLost, JobDone, JobFailed
from jobrunner.domain.role import Role
from jobrunner.process.event_pipe import EventPipe


@pytest.fixture
def pipe() -> EventPipe:
    return EventPipe()


def events(pipe: EventPipe) -> list[object]:
    return [envelope.event for envelope in pipe.receive()]


def test_what_children_send_comes_in_their_order(pipe: EventPipe) -> None:
    children = []
    for child in range(3):
        children.append(os.fork())
        if children[-1] == 0:
            emit = Emit(Role.WORKER, pipe.send)
            for number in range(500):
                emit(JobDone(f"{child}-{number}", float(number)), number, 1)
            os._exit(0)
    for pid in children:
        os.waitpid(pid, 0)
    received: list[Envelope] = pipe.receive()
    assert {envelope.pid for envelope in received} == set(children)
    for pid in children:
        assert [envelope.job_id for envelope in received if envelope.pid == pid] == list(range(500))


def test_nobody_waits_for_whoever_does_not_read_and_what_is_lost_is_counted(pipe: EventPipe) -> None:
    emit = Emit(Role.WORKER, pipe.send)
    sent = 30_000
    for number in range(sent):
        emit(JobDone("p", 1.0), number)
    received = pipe.receive()
    assert [envelope.job_id for envelope in received] == list(range(len(received)))
    assert 0 < len(received) < sent
    emit(JobDone("last", 1.0))
    assert events(pipe) == [EventsLost(sent - len(received)), JobDone("last", 1.0)]
    emit(JobDone("p", 1.0))
    assert events(pipe) == [JobDone("p", 1.0)]


def test_a_child_that_is_killed_while_it_sends_leaves_no_half_line(pipe: EventPipe) -> None:
    long = "x" * 3000
    for _ in range(5):
        child = os.fork()
        if child == 0:
            emit = Emit(Role.WORKER, pipe.send)
            while True:
                emit(JobFailed("p", long, 1.0))
        select.select([pipe], [], [])
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert {event for event in events(pipe) if not isinstance(event, EventsLost)} == {JobFailed("p", long, 1.0)}
    Emit(Role.WORKER, pipe.send)(JobDone("p", 1.0))
    assert events(pipe)[-1] == JobDone("p", 1.0)


def test_what_is_no_event_is_left_out(pipe: EventPipe) -> None:
    emit = Emit(Role.WORKER, pipe.send)
    emit(JobDone("p", 1.0))
    os.write(pipe._writer, b'garbage\n[1]\n{"half": ')
    assert events(pipe) == [JobDone("p", 1.0)]
    os.write(pipe._writer, b"1}\n")
    emit(JobDone("q", 1.0))
    assert events(pipe) == [JobDone("q", 1.0)]
