"""Who gets in, and what every answer tells the browser."""

import asyncio
import re
import socket
import time

import pytest

from jobrunner.web.logins import Logins
from jobrunner.web.users import Sessions, Users
from tests.messages import complaint
from tests.support import TestHome
from tests.web.conftest import Serve
from tests.web.served import Dashboard

ANNA, BEN = "anna's password", "ben's password"


@pytest.fixture
def guarded(home: TestHome, serve: Serve) -> Dashboard:
    """A dashboard with an operator, a reader and a token."""
    lines = [
        home.jobrunner("web-user", "anna", input=f"{ANNA}\n").stdout,
        home.jobrunner("web-user", "--reader", "ben", input=f"{BEN}\n").stdout,
    ]
    (home.path / "users").write_text("".join(lines))
    (home.path / "users").chmod(0o600)
    home.configure("[web]\nusers_file = 'users'\n")
    return serve()


def test_every_answer_forbids_what_the_pages_do_not_need(home: TestHome, serve: Serve) -> None:
    home.package("one")
    home.jobrunner("scan")
    dashboard = serve()
    for path in ("/", "/packages", "/packages/one", "/nope", "/api/status", "/metrics", "/healthz", "/static/live.js"):
        headers = dashboard.get(path).headers
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    for path in ("/", "/packages", "/packages/one", "/nope"):
        assert not re.search(r"<script(?! src=\"/static)|\son\w+=|\sstyle=|javascript:", dashboard.get(path).text)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "10.0.0.1", "[", "[::1", "a]b", "\xe9"]
)
def test_a_name_that_is_not_ours_is_refused(serve: Serve, host: str) -> None:
    dashboard = serve()
    assert dashboard.get("/", Host=host).status in {400, 421}
    assert dashboard.get("/", Host=f"localhost:{dashboard.port}").status == 200


def test_a_name_of_the_settings_is_ours(home: TestHome, serve: Serve) -> None:
    home.configure("[web]\nhosts = ['jobs.example.org']\n")
    assert serve().get("/", Host="jobs.example.org").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
    ],
)
def test_another_sites_form_changes_nothing(home: TestHome, serve: Serve, headers: dict[str, str]) -> None:
    dashboard = serve()
    form = {"token": dashboard.get("/").token, "reason": "evil"}
    assert dashboard.post("/pause", form, **headers).status == 403
    assert home.status()["paused"] is None
    assert dashboard.post("/pause", form).status == 303
    assert home.status()["paused"]["reason"] == "evil"


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_form_without_our_token_changes_nothing(home: TestHome, serve: Serve, token: str) -> None:
    dashboard = serve()
    assert dashboard.post("/pause", {"token": token}).status == 403
    assert home.status()["paused"] is None


def test_whoever_has_not_logged_in_sees_nothing(guarded: Dashboard) -> None:
    for path in ("/", "/packages", "/packages/x", "/packages/x/files/y", "/nope"):
        answer = guarded.get(path)
        assert (answer.status, answer.headers["location"], answer.text) == (303, "/login", "")
    for path in ("/api/status", "/api/packages", "/metrics", "/live/"):
        answer = guarded.get(path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"].startswith("application/json" if "/api/" in path else "text/plain")
    healthz = guarded.get("/healthz")
    assert (healthz.status, healthz.text) == (503, "not well\n")
    assert guarded.post("/pause", {"token": "0" * 64}).status == 303


def test_an_operator_may_press_and_a_reader_may_look(home: TestHome, guarded: Dashboard) -> None:
    answer = guarded.log_in("anna", ANNA)
    assert answer.status == 303
    assert re.fullmatch(r"jobrunner=[\w-]{43}; HttpOnly; Path=/; SameSite=strict", answer.headers["set-cookie"])
    assert "Paused since" in guarded.press("/", "/pause").words
    guarded.press("/", "/logout")
    assert guarded.get("/").status == 303
    guarded.log_in("ben", BEN)
    page = guarded.get("/")
    assert "Paused since" in page.words
    assert "Resume" not in page.words
    assert guarded.post("/resume", {"token": page.token}).status == 403
    assert home.status()["paused"] is not None


def test_wrong_passwords_are_slowed(guarded: Dashboard) -> None:
    took = 1.0
    while took >= 1:  # on a busy machine the time is over before the next try
        began = time.monotonic()
        assert guarded.log_in("anna", "wrong").status == 403
        answer = guarded.log_in("anna", ANNA)
        took = time.monotonic() - began
    assert answer.status == 403  # so soon after a wrong one, the right one does not count either
    assert guarded.cookie == ""


def test_a_guess_does_not_pass_by_another_that_is_under_way(home: TestHome, guarded: Dashboard) -> None:
    async def at_once() -> list[str | None]:
        logins = Logins(Users(str(home.path / "users")), Sessions())
        return await asyncio.gather(*(logins.begin("anna", password, "::1") for password in ("wrong", ANNA)))

    assert guarded.port
    assert asyncio.run(at_once()) == [None, None]


def test_a_user_who_is_struck_out_is_out(home: TestHome, guarded: Dashboard) -> None:
    guarded.log_in("anna", ANNA)
    assert guarded.get("/").status == 200
    users = home.path / "users"
    everybody = users.read_text()
    users.write_text(everybody.splitlines()[1] + "\n")
    assert guarded.get("/").status == 303
    users.write_text(everybody)
    assert guarded.get("/").status == 200
    users.write_text("")
    assert guarded.get("/").status == 303


def test_a_token_is_for_programs(home: TestHome, serve: Serve) -> None:
    made = home.jobrunner("web-user", "--token", "--reader", "prometheus")
    (home.path / "users").write_text(made.stdout)
    (home.path / "users").chmod(0o600)
    home.configure("[web]\nusers_file = 'users'\n")
    dashboard, token = serve(), made.stderr.split()[-1]
    assert token not in made.stdout
    assert dashboard.get("/metrics", Authorization=f"Bearer {token}").status == 200
    assert dashboard.get("/api/status", Authorization=f"bearer {token}").document["counts"]["queued"] == 0
    assert "nobody works here" in dashboard.get("/healthz", Authorization=f"Bearer {token}").text
    assert dashboard.get("/metrics", Authorization="Bearer wrong").status == 401
    assert dashboard.get("/metrics", Authorization=f"Basic {token}").status == 401


def test_an_address_of_others_wants_users(home: TestHome) -> None:
    said = complaint(home.jobrunner("web", "--listen", "0.0.0.0:0"))
    assert "set web.users_file" in said


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0o600, "web.users_file cannot be read"),
        ("anna operator scrypt:x\n", 0o600, "is not NAME reader|operator SECRET"),
        ("anna boss token:00\n", 0o600, "is not NAME reader|operator SECRET"),
        ("# nobody yet\n", 0o644, "chmod 600"),
    ],
)
def test_a_users_file_that_is_wrong_is_one_plain_line(home: TestHome, text: str | None, mode: int, said: str) -> None:
    if text is not None:
        (home.path / "users").write_text(text)
        (home.path / "users").chmod(mode)
    home.configure("[web]\nusers_file = 'users'\n")
    assert said in complaint(home.jobrunner("web", "--listen", "127.0.0.1:0"))


def test_an_address_that_is_taken_is_one_plain_line(home: TestHome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = complaint(home.jobrunner("web", "--listen", f"127.0.0.1:{other.getsockname()[1]}"))
    assert "Address already in use" in said
