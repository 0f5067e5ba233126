"""A notice is posted to a webhook, and what does not take it is said without its URL."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobrunner.process.webhook import Refused, post
from tests.receiver import Receiver, receiving

PAGE = Path(__file__).parents[2] / "docs" / "notices.md"
DOCUMENT = b'{"schema": 1}'


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def refusal(url: str) -> str:
    with pytest.raises(Refused) as refused:
        post(url, None, DOCUMENT)
    assert "secret" not in str(refused.value)
    assert str(refused.value).isprintable()
    return str(refused.value)


def test_it_arrives_as_json(receiver: Receiver) -> None:
    post(receiver.url, None, DOCUMENT)
    [got] = receiver.posts
    assert (got.path, got.body) == ("/hook?token=secret", DOCUMENT)
    assert got.headers["Content-Type"] == "application/json"
    assert "X-Jobrunner-Signature" not in got.headers


def test_its_receiver_can_verify_who_has_sent_it_and_when_as_documented(receiver: Receiver) -> None:
    *_, verifies = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    page: dict[str, Any] = {}
    exec(verifies, page)
    is_genuine = page["is_genuine"]
    post(receiver.url, b"key", DOCUMENT)
    [got] = receiver.posts
    headers = dict(got.headers)
    assert is_genuine(b"key", headers, got.body)
    assert not is_genuine(b"another", headers, got.body)
    assert not is_genuine(b"key", headers, got.body + b" ")
    old = str(int(headers["X-Jobrunner-Timestamp"]) - 1000)
    assert not is_genuine(b"key", headers | {"X-Jobrunner-Timestamp": old}, got.body)
    later = str(int(headers["X-Jobrunner-Timestamp"]) + 1)
    assert not is_genuine(b"key", headers | {"X-Jobrunner-Timestamp": later}, got.body)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (500, r"HTTP 500 Internal Server Error: no \x1b[31mroom"),
        (404, r"HTTP 404 Not Found: no \x1b[31mroom"),
        (302, "HTTP 302 Found, a redirect, which is not followed"),
        (307, "HTTP 307 Temporary Redirect, a redirect, which is not followed"),
        ("dies", "it cannot be reached: BadStatusLine: HTTP/1.1 20"),
    ],
)
def test_an_answer_that_is_none_of_success_is_said(receiver: Receiver, answer: int | str, words: str) -> None:
    receiver.answers = [answer]
    assert refusal(receiver.url) == words
    assert len(receiver.posts) == 1


def test_nobody_there_is_said() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert refusal(f"http://127.0.0.1:{bound.getsockname()[1]}/secret") == (
            "it cannot be reached: Connection refused"
        )


def test_a_certificate_that_is_not_to_be_trusted_is_refused(receiver: Receiver) -> None:
    assert refusal(receiver.url.replace("http:", "https:")).startswith("it cannot be reached: ")
    assert receiver.posts == []
