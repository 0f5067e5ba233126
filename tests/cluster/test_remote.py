"""A worker's way to the dispatcher, without a cluster behind it."""

import json
import socket
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from jobrunner.cluster.door import Door
from jobrunner.cluster.remote import Remote
from jobrunner.cluster.request import Lost, Setup
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package
from jobrunner.domain.settings import ProcessSettings
from jobrunner.linux.waiting import ready
from jobrunner.process.handler import Call

SETUP = Setup(Path("/home"), ProcessSettings(command=("true",), environment=(("A", None), ("B", "b"))), 7, 0o22)
CALL = Call(Package("p\udcff", Path("/data"), Path("/zip"), 1, Path("/home")), "/log", "/progress")


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def remote(door: Door) -> Remote:
    return Remote(door, SETUP, lambda seconds, descriptor: ready((descriptor,), seconds))


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
    channel.send("hello")
    with opened(door) as connection:
        assert json.loads(connection.recv(200_000)) == "hello"
    assert door.answer() is None


def test_how_the_handler_is_run_goes_with_each_question_and_comes_back_as_it_was(door: Door, remote: Remote) -> None:
    asked: list[dict[str, Any]] = []

    def serve() -> None:
        with opened(door) as connection:
            for answer in ("null", '["done", "", false]'):
                asked.append(json.loads(connection.recv(200_000)))
                connection.send(answer.encode())

    thread = Thread(target=serve)
    thread.start()
    remote.trouble()
    remote.run(CALL)
    thread.join()
    assert [Setup.of(each["setup"]) for each in asked] == [SETUP, SETUP]
    assert ["call" in each for each in asked] == [False, True]
    assert Call.of(asked[1]["call"]) == CALL


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
    remote = Remote(door, SETUP, lambda _seconds, _descriptor: None)
    assert remote.trouble() == "the process that speaks to the cluster does not answer"
