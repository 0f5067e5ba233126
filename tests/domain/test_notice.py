"""Notices as values, as JSON, and as settings name them."""

import json
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.notice import CHOICES, Kind, Notice, Origin, of_backlog, of_pause, of_stop, of_troubles
from jobrunner.domain.pause import Pause
from jobrunner.domain.settings_file import build
from jobrunner.domain.settings_telling import NotifySettings
from jobrunner.domain.unwise import unwise

ORIGIN = Origin("/srv/home", "host")


def notify(**keys: object) -> NotifySettings:
    return build(Path("/srv/home"), {"notify": keys}, {}, source="a test").notify


def test_a_notice_is_json_in_ascii_with_an_id_of_its_own() -> None:
    notice = Notice(Kind.STOPPED, 0.0, "é stopped\n\x1b[2J", {"by": "SIGTERM"})
    first, second = (json.loads(notice.document(ORIGIN)) for _ in range(2))
    assert notice.document(ORIGIN).isascii()
    assert first["id"] != second["id"]
    assert first | {"id": ""} == {
        "schema": 1,
        "id": "",
        "kind": "stopped",
        "time": "1970-01-01T00:00:00.000+00:00",
        "home": "/srv/home",
        "host": "host",
        "text": r"é stopped\n\x1b[2J",
        "details": {"by": "SIGTERM"},
    }


def test_what_others_have_named_is_shown_in_each_text() -> None:
    home, name = "/srv/a\nb", "--help\udcff\n"
    texts = [
        of_backlog(name, 0, 7, 9, home).document(Origin(home, "h\n")),
        of_pause(Pause(0, 60, "la nuit\n"), home).document(Origin(home, "h")),
        of_troubles(["no room in /srv/\x1b"], 14, 9, home).document(Origin(home, "h")),
        of_stop("run", None, "the database\nis gone", 9, home).document(Origin(home, "h")),
    ]
    for document in map(json.loads, texts):
        assert document["text"].isprintable()
        assert document["home"] == r"/srv/a\nb"
    assert json.loads(texts[0])["details"]["explain"] == r"jobrunner --home '/srv/a\nb' explain -- '--help\xff\n'"
    assert "(14 times by now)" in texts[2]


def test_nobody_is_told_anything_without_a_channel() -> None:
    assert notify().channels == ()
    assert not notify().wants(Kind.FAILED)
    told = notify(command="mail", webhook="https://x.test/a", on="failed, stopped")
    assert told.channels == ("command", "webhook")
    assert [kind for kind in Kind if told.wants(kind)] == [Kind.FAILED, Kind.STOPPED]
    assert notify(command="mail").on == CHOICES


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("webhook", "ftp://x.test/", "must be a URL that begins with https://"),
        ("webhook", "https://user:word@x.test/", "without a user name"),
        ("webhook", "https://x.test/a b", "must be a URL"),
        ("webhook", "https://x.test/a\r\nHost: y", "must be a URL"),
        ("webhook", "file:///etc/passwd", "must be a URL"),
        ("on", ["failed", "failures"], "a list of some of these: failed, trouble, mended, paused, backlog, stopped"),
        ("on", 7, "a list of some of these"),
        ("backlog", "60", "with its unit"),
        ("command", [], "a list of words"),
    ],
)
def test_what_cannot_be_meant_is_refused(key: str, value: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        notify(**{key: value})
    assert f"notify.{key}" in str(refused.value)


def test_what_tells_nobody_is_unwise() -> None:
    settings = build(Path("/srv"), {"notify": {"on": ["failed"], "secret_file": "key"}}, {}, source="a test")
    assert [str(each).split(" ")[0] for each in unwise(settings, 2)] == ["notify.on", "notify.secret_file"]
