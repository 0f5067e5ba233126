"""Builds what tells people: the process that sends notices, and what it hears."""

import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.events import JobFailed, Mended, Paused, Trouble
from jobrunner.domain.notice import Origin, of_test
from jobrunner.domain.settings import ProcessSettings, Settings
from jobrunner.files import secret
from jobrunner.linux.locks import Waiting
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.process.delivering import Channel, Delivering, by_command, by_webhook
from jobrunner.process.environment import environment_of
from jobrunner.process.event_pipe import EventPipe
from jobrunner.process.starting import obstacle
from jobrunner.process.title import Title
from jobrunner.services.machine import Tell
from jobrunner.services.noticing import Noticing
from jobrunner.services.notifier import Notifier
from jobrunner.services.slot import Main
from jobrunner.store.store import Store
from jobrunner.wiring.home import Home, store_of

#: Seconds that a test may take.
_TEST = 30.0
#: Seconds between two failures that the notifier is told of: the first one wakes it, and it reads of all.
_APART = 1.0


class Overheard:
    """What the notifier hears of a supervisor's events; it listens as long as one is wanted."""

    def __init__(self) -> None:
        self.pipe = EventPipe()
        self.is_wanted = False
        self._told_at = -math.inf

    def hear(self, envelope: Envelope) -> None:
        """Hand an event on that may be worth a notice."""
        if not self.is_wanted:
            return
        if isinstance(envelope.event, Trouble | Mended | Paused):
            self.pipe.send(envelope)
        elif isinstance(envelope.event, JobFailed) and time.monotonic() - self._told_at >= _APART:
            self._told_at = time.monotonic()
            self.pipe.send(envelope)


def check(settings: Settings) -> None:
    """Raise ConfigurationError where notices are certain not to be sent."""
    command = settings.notify.command
    if command and (why := obstacle(command[0], settings.home, _environment(settings))):
        raise ConfigurationError(f"notify.command: {why}")
    _secret(settings)


def channels(settings: Settings) -> list[Channel]:
    """Return the ways that notices go. Raises ConfigurationError."""
    notify = settings.notify
    found = []
    if notify.command:
        found.append(by_command(notify.command, settings.home, _environment(settings)))
    if notify.webhook:
        found.append(by_webhook(notify.webhook, _secret(settings)))
    return found


def noticing(home: Home) -> Noticing:
    """Return what records notices of a home."""
    return _noticing(home.store, home.settings)


def notifier_main(settings: Settings, overheard: Overheard) -> Main | None:
    """Return the main function of the process that sends notices; None where no notices are sent."""
    overheard.is_wanted = bool(settings.notify.channels)
    if not overheard.is_wanted:
        return None

    def main(_supervisor: str, _number: int, tell: Tell, emit: Emit) -> None:
        Title("notifier").take()
        notifier(settings, Waiting(tell), emit).run(overheard.pipe)

    return main


def notifier(settings: Settings, waiting: Waiting, emit: Emit) -> Notifier:
    """Return what sends notices, until SIGTERM comes. Raises ConfigurationError."""
    store = store_of(settings, waiting)
    stop = BlockedSignals({signal.SIGTERM})
    return Notifier(
        store, _noticing(store, settings), channels(settings), settings.notify, _origin(settings), emit, stop
    )


class Tested(NamedTuple):
    """A test was sent by a channel: what went wrong, None where nothing has, and the seconds that it took."""

    channel: str
    error: str | None
    seconds: float


def send_test(settings: Settings) -> Iterator[Tested]:
    """Send a notice by each channel that says that it is a test. Raises ConfigurationError, OSError."""
    delivering = Delivering(BlockedSignals(()))
    document = of_test(time.time(), str(settings.home)).document(_origin(settings))
    for channel in channels(settings):
        began = time.monotonic()
        error = delivering.deliver(channel, document, _TEST)
        yield Tested(channel.name, error, time.monotonic() - began)


def _noticing(store: Store, settings: Settings) -> Noticing:
    return Noticing(store, settings.notify.channels, _origin(settings))


def _origin(settings: Settings) -> Origin:
    return Origin(str(settings.home), socket.gethostname())


def _environment(settings: Settings) -> dict[str, str]:
    return environment_of(ProcessSettings(), None, os.environ) | {"JOBRUNNER_HOME": str(settings.home)}


def _secret(settings: Settings) -> bytes | None:
    path = settings.notify.secret_file
    return None if path is None else secret.read("notify.secret_file", str(settings.home / path))
