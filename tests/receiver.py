"""A webhook that does as a test says, in a thread of it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Post(NamedTuple):
    path: str
    headers: Message
    body: bytes

    @property
    def notice(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


class Receiver:
    """`answers` to the next posts: a status, "dies" (the connection ends without one) or "hangs"; then all is well."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answers: list[int | str] = []
        self.over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append(Post(self.path, self.headers, body))
                answer = receiver.answers.pop(0) if receiver.answers else 204
                if answer == "hangs":
                    receiver.over.wait()
                elif answer == "dies":
                    self.wfile.write(b"HTTP/1.1 20")
                elif isinstance(answer, int):
                    self.send_response(answer)
                    self.send_header("Location", "/elsewhere")
                    self.end_headers()
                    if answer >= 400:
                        self.wfile.write(b"no \x1b[31mroom\r\nsecond line" + bytes(10_000))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?token=secret"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def notices(self) -> list[dict[str, Any]]:
        return [post.notice for post in self.posts]

    def kinds(self) -> list[str]:
        return [notice["kind"] for notice in self.notices]

    def end(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.end()
