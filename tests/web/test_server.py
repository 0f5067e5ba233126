"""The socket and its limits: whoever sends slowly, much, or nothing disturbs nobody else."""

import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from jobrunner.linux.processes import is_stopped
from jobrunner.web import server as module
from jobrunner.web.server import Server
from tests.messages import complaint
from tests.support import PATIENCE, TestHome, wait_until
from tests.web.conftest import Serve
from tests.web.served import Dashboard

#: Opens ten thousand connections to a port, and holds them.
_OPENS_MANY = """
import resource, socket, sys
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
opened = [socket.socket() for _ in range(10_000)]
for each in opened:
    each.setblocking(False)
    each.connect_ex(("127.0.0.1", int(sys.argv[1])))
print(len(opened), flush=True)
sys.stdin.read()
"""
#: The parts of a large answer, and bytes of each.
_PIECES, _PIECE = 200, 65_536


def test_it_says_where_it_is_and_ends_by_a_signal(home: TestHome, serve: Serve) -> None:
    dashboard = serve()
    assert dashboard.said == f"The dashboard of {home.path}: http://127.0.0.1:{dashboard.port}/\n"
    assert dashboard.get("/").status == 200
    assert dashboard.end() == 128 + signal.SIGTERM


def test_a_socket_is_for_its_user_and_group_and_is_gone_at_the_end(home: TestHome, serve: Serve) -> None:
    path = home.path / "web.sock"
    dashboard = serve("--uds", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 503 ")
    assert "Address already in use" in complaint(home.jobrunner("web", "--uds", str(path)))
    dashboard.end(signal.SIGKILL)
    assert path.is_socket()
    again = serve("--uds", str(path))  # what a killed one left is no obstacle
    assert again.end() == 128 + signal.SIGTERM
    assert not path.exists()


def test_whoever_sends_nothing_or_slowly_is_let_go(serve: Serve) -> None:
    dashboard = serve()
    with ExitStack() as open_:
        silent = [open_.enter_context(_connected(dashboard)) for _ in range(100)]
        slow = open_.enter_context(_connected(dashboard))
        slow.sendall(b"GET / HTTP/1.1\r\nHost: local")
        assert dashboard.get("/").status == 200
        for client in (*silent, slow):
            assert client.recv(1) == b""


def test_whoever_goes_on_slowly_with_another_request_is_let_go(serve: Serve) -> None:
    dashboard = serve()
    with _connected(dashboard) as client:
        client.sendall(b"GET /static/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answered = b""
        while not answered.endswith(b"</svg>\n"):
            answered += client.recv(65_536)
        client.sendall(b"GET / HTTP/1.1\r\nHo")
        assert client.recv(1) == b""


def test_whoever_asks_and_is_gone_leaves_nothing_open(home: TestHome, serve: Serve) -> None:
    home.configure("[web]\nfiles = true\n")
    home.package("one", {"large": os.urandom(3_000_000)})
    home.jobrunner("run", "--drain")
    dashboard = serve()
    fds = f"/proc/{dashboard.process.pid}/fd"
    assert dashboard.get("/").status == 200
    before = len(os.listdir(fds))
    for _ in range(600):
        for path in ("/live/", "/packages/one/files/large"):
            with _connected(dashboard) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it is reset
    wait_until(lambda: len(os.listdir(fds)) <= before + 5)

    def another_page_is_kept_true() -> bool:
        with closing(dashboard.connect()) as connection:
            connection.request("GET", "/live/")
            return bool(connection.getresponse().status == 200)

    wait_until(another_page_is_kept_true)  # the last of them are noticed a moment after their connections are closed


def test_it_stops_at_ctrl_z_and_goes_on(serve: Serve) -> None:
    dashboard = serve()
    os.kill(dashboard.process.pid, signal.SIGTSTP)
    wait_until(lambda: is_stopped(dashboard.process.pid))
    os.kill(dashboard.process.pid, signal.SIGCONT)
    assert dashboard.get("/").status == 200


def test_ten_thousand_connections_that_are_opened_and_left_are_let_go(serve: Serve) -> None:
    dashboard = serve()
    assert dashboard.get("/").status == 200
    fds = f"/proc/{dashboard.process.pid}/fd"
    before, used = len(os.listdir(fds)), _memory(dashboard)
    opens = [sys.executable, "-c", _OPENS_MANY, str(dashboard.port)]
    with subprocess.Popen(opens, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout
        assert client.stdout.readline() == "10000\n"
        assert len(os.listdir(fds)) < before + 1_000 + 4 * 512
        wait_until(lambda: len(os.listdir(fds)) < before + 50)  # though the client goes on holding them
        assert dashboard.get("/").status == 200
        assert _memory(dashboard) - used < 64 * 2**20
        client.communicate()


@contextmanager
def large_answers() -> Iterator[tuple[int, list[None]]]:
    """A server of ours in this process whose answers are large; yields its port, and a list with each end."""
    ended: list[None] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            for _ in range(_PIECES):
                yield bytes(_PIECE)
        finally:
            ended.append(None)

    async def answer(_: Request) -> Response:
        return StreamingResponse(pieces())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(Starlette(routes=[Route("/", answer)]), listening)
        server.start()
        yield listening.getsockname()[1], ended
        server.stop()


def test_whoever_does_not_take_the_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAKING", 1.0)
    with large_answers() as (port, ended), ExitStack() as open_:
        clients = [open_.enter_context(_asking(port)) for _ in range(20)]
        wait_until(lambda: len(ended) == len(clients))
        assert all(_rest(client) < _PIECES * _PIECE for client in clients)


def test_whoever_takes_the_answer_slowly_gets_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAKING", 4.0)
    with large_answers() as (port, _), _asking(port) as client:
        taken, began = 0, time.monotonic()
        while piece := client.recv(_PIECE):
            taken += len(piece)
            share = min(taken / (_PIECES * _PIECE), 1.0)
            wait_until(lambda share=share: time.monotonic() - began > share * 5.0)  # type: ignore[misc]
        assert taken > _PIECES * _PIECE


def _memory(dashboard: Dashboard) -> int:
    """Bytes that it has in memory."""
    return int(Path(f"/proc/{dashboard.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def _rest(client: socket.socket) -> int:
    """Take the bytes that are still there for a client, and return how many."""
    taken = 0
    with suppress(ConnectionError):
        while piece := client.recv(_PIECE):
            taken += len(piece)
    return taken


def _asking(port: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    client.settimeout(PATIENCE)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return client


def test_a_body_that_is_too_large_is_refused(serve: Serve) -> None:
    dashboard = serve()
    token = dashboard.get("/").token
    assert dashboard.post("/pause", {"token": token, "reason": "x" * 70_000}).status == 413
    connection = HTTPConnection("127.0.0.1", dashboard.port, timeout=PATIENCE)
    headers = {"Origin": dashboard.origin, "Transfer-Encoding": "chunked"}
    connection.request("POST", "/pause", (b"x" * 10_000 for _ in range(10)), headers, encode_chunked=True)
    assert connection.getresponse().status == 400
    assert dashboard.get("/").status == 200


def test_a_head_that_is_too_large_is_refused(serve: Serve) -> None:
    dashboard = serve()
    assert dashboard.get(f"/?{'x' * 20_000}").status == 414
    assert dashboard.get("/", Cookie="x" * 20_000).status == 431
    with _connected(dashboard) as client, suppress(ConnectionError):
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"x" * 10_000_000)
        assert client.recv(12) == b"HTTP/1.1 400"
    assert dashboard.get("/").status == 200


def _connected(dashboard: Dashboard) -> socket.socket:
    return socket.create_connection(("127.0.0.1", dashboard.port), timeout=PATIENCE)


def test_without_the_extra_one_line_says_what_to_install(home: TestHome, tmp_path: Path) -> None:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "starlette.py").write_text("raise ImportError('there is none')\n")
    said = complaint(home.jobrunner("web", environment={"PYTHONPATH": str(folder)}))
    assert said.startswith("jobrunner: the dashboard needs more: pip install 'jobrunner[web]'")
