"""A home whose dashboard is served, and what is asked of it, as a browser or a program would."""

import html
import json
import os
import re
import signal
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests import warm
from tests.support import PATIENCE, TestHome

_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)

    @property
    def words(self) -> str:
        """What a person reads of a page."""
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.text)).split())

    @property
    def token(self) -> str:
        found = _TOKEN.search(self.text)
        assert found, self.text
        return found[1]


class Dashboard:
    """A served home. `cookie` is what has been given to this browser."""

    def __init__(self, home: TestHome, words: Sequence[str], folder: Path) -> None:
        """`folder` is where it writes what it says on stderr."""
        self.home = home
        self.errors = folder / f"errors-{len(list(folder.iterdir()))}"
        said, its = os.pipe()
        with open(os.devnull) as nothing, self.errors.open("w") as errors, open(said, encoding="utf-8") as lines:
            try:
                given = ["--home", str(home.path), "web", *(words or ("--listen", "127.0.0.1:0"))]
                streams = (nothing.fileno(), its, errors.fileno())
                self.process = warm.start(
                    warm.JOBRUNNER, given, environment=home.environment, folder=home.path, streams=streams
                )
            finally:
                os.close(its)
            self.said = lines.readline()
        assert self.said, self.errors.read_text()
        found = re.search(r"http://127.0.0.1:(\d+)/", self.said)
        self.port = int(found[1]) if found else 0
        self.cookie = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        """Send a form as a page of ours does, unless headers say otherwise; an empty one is left out."""
        given = {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded"} | headers
        return self._ask("POST", path, urlencode(form), {name: value for name, value in given.items() if value})

    def press(self, page: str, path: str, **form: str) -> Answer:
        """Press a button of a page, and return the page that follows."""
        answer = self.post(path, {"token": self.get(page).token, **form})
        assert answer.status == 303, answer.text
        return self.get(answer.headers["location"])

    def log_in(self, name: str, password: str) -> Answer:
        form = {"token": self.get("/login").token, "name": name, "password": password}
        return self.post("/login", form)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return how it ended."""
        os.kill(self.process.pid, number)
        return self.process.wait(PATIENCE)

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            given.setdefault("Cookie", self.cookie)
        connection = self.connect()
        connection.request(method, path, body, given)
        response = connection.getresponse()
        answer = Answer(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read().decode("utf-8"),
        )
        connection.close()
        if cookie := answer.headers.get("set-cookie"):
            self.cookie = cookie.partition(";")[0]
        if "location" in answer.headers:
            assert urlsplit(answer.headers["location"]).netloc == ""
        return answer
