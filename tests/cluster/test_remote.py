"""A worker's way to the dispatcher, without a cluster behind it."""

import json
import socket
from pathlib import Path
from threading import Thread

import pytest

from jobrunner.cluster.door import Door
from jobrunner.cluster.remote import Remote
from jobrunner.cluster.request import QUESTION, Lost
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package
from jobrunner.linux.waiting import ready
from jobrunner.process.handler import Call

CALL = Call(Package("p\udcff", Path("/data"), Path("/zip"), 1, Path("/home")), "/log", "/progress")


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def remote(door: Door) -> Remote:
    return Remote(door, lambda seconds, descriptor: ready((descriptor,), seconds))


def opened(door: Door) -> socket.socket:
    """Wait at the door as a dispatcher does."""
    ready((door.fileno(),), 60)
    connection = door.answer()
    assert connection
    return connection


def answering(door: Door, *answers: str) -> Thread:
    """A dispatcher that gives these answers to one worker, and then ends."""

    def serve() -> None:
        with opened(door) as connection:
            for answer in answers:
                assert connection.recv(200_000)
                connection.send(answer.encode())

    thread = Thread(target=serve)
    thread.start()
    return thread


def test_who_has_knocked_before_the_dispatcher_lives_is_let_in(door: Door) -> None:
    channel = door.knock()
    channel.send(QUESTION)
    with opened(door) as connection:
        assert json.loads(connection.recv(200_000)) == QUESTION
    assert door.answer() is None


def test_it_asks_and_is_answered(door: Door, remote: Remote) -> None:
    thread = answering(door, '"no node"', "null", '["done", "", false]', '{"lost": "the node n1 was lost"}')
    assert remote.trouble() == "no node"
    assert remote.trouble() is None
    assert remote.run(CALL) == HandlerResult(Outcome.DONE, "", False)
    assert remote.run(CALL) == Lost("the node n1 was lost")
    thread.join()


def test_a_dispatcher_that_ends_meanwhile_is_a_loss_and_its_successor_is_asked(door: Door, remote: Remote) -> None:
    thread = answering(door, "null")
    assert remote.trouble() is None
    thread.join()
    thread = answering(door, "null")  # the connection that has ended is not asked again
    assert remote.trouble() is None
    thread.join()

    def die() -> None:
        with opened(door) as connection:
            assert connection.recv(200_000)

    thread = Thread(target=die)
    thread.start()
    assert remote.run(CALL) == Lost("the process that speaks to the cluster has ended")
    thread.join()


@pytest.mark.parametrize("garbage", ["{", "[]", '["done"]', "7", '["undone", "", false]'])
def test_garbage_is_a_loss(door: Door, remote: Remote, garbage: str) -> None:
    thread = answering(door, garbage)
    assert isinstance(remote.run(CALL), Lost)
    thread.join()


def test_a_stop_ends_the_wait_for_an_answer(door: Door) -> None:
    remote = Remote(door, lambda _seconds, _descriptor: None)
    assert remote.trouble() == "the process that speaks to the cluster does not answer"
