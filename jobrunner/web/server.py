"""The server: its socket, its limits, and the two threads."""

import asyncio
import ipaddress
import logging
import os
import resource
import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.package import shown

#: Connections at one time; seconds for the head of a request to come whole: of the first one; of another, twice as many
#: at most; and seconds for whoever is answered to take some of it.
_MOST_CONNECTIONS = 1_000
_HEAD = 5.0
_TAKING = 20.0
_SOCKET_MODE = 0o660
#: Connections that are taken at one look, before those that are too many are ended.
_BACKLOG = 512


class _Protocol(H11Protocol):
    """One connection: ended where no head of a request comes whole or no answer is taken, or if it is one too many."""

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
            return
        self._untaken, self._taken_at = 0, self.loop.time()
        self._late = self.loop.call_later(_HEAD, self._look, self.cycle)

    def resume_writing(self) -> None:
        """Go on: the client has taken most of what there was."""
        self._taken_at = self.loop.time()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if hasattr(self, "_late"):
            self._late.cancel()
        super().connection_lost(exc)

    def _look(self, before: object) -> None:
        """End it where it is of no use: `before` is what was being answered at the last look.

        That is where all was answered and taken, and nothing has been asked for since; or where nothing is taken.
        """
        now, before_untaken = self.loop.time(), self._untaken
        self._untaken = self.transport.get_write_buffer_size()
        if not self._untaken or self._untaken < before_untaken:
            self._taken_at = now
        is_answered = self.cycle is None or self.cycle.response_complete
        is_silent = is_answered and self.cycle is before and not self._untaken and not before_untaken
        if is_silent or now - self._taken_at >= _TAKING:
            self.transport.abort()
        else:
            self._late = self.loop.call_later(min(_HEAD, _TAKING), self._look, self.cycle)


def bound(listen: str) -> socket.socket:
    """Return the socket for an address such as 127.0.0.1:8321 or [::1]:8321. Raises ConfigurationError."""
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio sets no TCP_NODELAY
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host.strip("[]"), int(port)))
        made.listen(_BACKLOG)
    except (OSError, OverflowError, ValueError) as error:
        made.close()
        why = in_words(error) if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"the pages cannot be served on {shown(listen)}: {why}") from error
    return made


def bound_to_file(path: Path) -> socket.socket:
    """Return the Unix socket at a path, for its user and group. Raises ConfigurationError."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            if path.is_socket():
                try:
                    other.connect(str(path))
                except ConnectionRefusedError:  # whoever made it has ended
                    path.unlink()
        mask = os.umask(0o777 & ~_SOCKET_MODE)
        try:
            made.bind(str(path))
            made.listen(_BACKLOG)
        finally:
            os.umask(mask)
    except OSError as error:
        made.close()
        raise ConfigurationError(f"the pages cannot be served on {shown(str(path))}: {in_words(error)}") from error
    return made


def is_loopback(listen: str) -> bool:
    """Say whether an address is for this machine alone."""
    try:
        return ipaddress.ip_address(listen.rpartition(":")[0].strip("[]")).is_loopback
    except ValueError:
        return False


class Server:
    """Serves an application in a thread of its own."""

    def __init__(self, application: Starlette, listening: socket.socket) -> None:
        _allow_many_files()
        logging.getLogger("uvicorn.error").addHandler(logging.NullHandler())  # it has nothing to say that we do not
        config = uvicorn.Config(
            application,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_keep_alive=int(_HEAD),
            timeout_graceful_shutdown=1,
            backlog=_BACKLOG,
            forwarded_allow_ips="127.0.0.1,::1" if listening.family != socket.AF_UNIX else "*",
            h11_max_incomplete_event_size=32 * 1024,
        )
        self._server = uvicorn.Server(config)
        self._listening = listening
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Let what is being answered be answered for a moment, and end."""
        self._server.should_exit = True
        self._thread.join(5)

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listening]))


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
