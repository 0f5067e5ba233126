"""What stands before every page: which requests are let in, as whom, and what every answer says to the browser."""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobrunner.domain.web import LOCAL, User
from jobrunner.web.refusals import FOR_PROGRAMS, refusal
from jobrunner.web.users import Sessions, Users

COOKIE = "jobrunner"
#: Bytes of a request's body.
MOST_BODY = 64 * 1024
#: And of its address and of all headers together.
_MOST_ADDRESS, _MOST_HEADERS = 8 * 1024, 16 * 1024
#: Whatever a page holds, it loads and runs nothing but ours, and stands in no other page.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with "no-referrer", a browser says "Origin: null" of our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_OPEN = ("/login", "/healthz", "/static/")


class Doorkeeper:
    """Lets in whoever may come in. `scope["user"]` is who it is; None only where no user has to be known.

    `scope["is_still_in"]` says, for what takes longer, whether they may still come in.
    """

    def __init__(self, app: ASGIApp, users: Users | None, sessions: Sessions, hosts: Sequence[str]) -> None:
        """`hosts`: the names by which the pages may be asked for, beside addresses of the loopback."""
        self._app = app
        self._users = users
        self._sessions = sessions
        self._hosts = set(hosts)
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["session"] = session = _session_of(headers)
        scope["user"] = user = self._user_of(headers, session)
        scope["is_still_in"] = lambda: self._user_of(headers, session) == user
        scope["csrf"] = self.csrf_of(session)
        if refusal := self._refusal(scope, headers, user):
            await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, _bounded(receive), _with_headers(send))

    def csrf_of(self, session: str) -> str:
        """Return what a form of this session has to bring: another site's form cannot know it."""
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def _user_of(self, headers: Headers, session: str) -> User | None:
        if self._users is None:
            return LOCAL
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._users.by_token(token.strip())
        user = self._sessions.user(session)
        return user if self._users.knows(user) else None

    def _refusal(self, scope: Scope, headers: Headers, user: User | None) -> Response | None:
        path, method = scope["path"], scope["method"]
        host = headers.get("host", "")
        if not self._is_ours(host):
            return refusal(path, 421, "This server is not asked for by that name: [web] hosts says by which it is.")
        if len(path) + len(scope["query_string"]) > _MOST_ADDRESS:
            return refusal(path, 414, "That is more than an address of these pages has.")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _MOST_HEADERS:
            return refusal(path, 431, "That is more than a browser says.")
        if method not in {"GET", "HEAD", "POST"}:
            return refusal(path, 405, "Only GET, HEAD and POST.")
        if method == "POST":
            if not _is_same_origin(headers, host):
                return refusal(path, 403, "This came from another site's page, and was not done.")
            if int(headers.get("content-length", "0") or 0) > MOST_BODY:
                return refusal(path, 413, "That is more than a form of these pages has.")
        if path.startswith(_OPEN):
            return None
        if user is None:
            if path.startswith(FOR_PROGRAMS):
                refused = refusal(path, 401, "A token is needed: Authorization: Bearer …")
                refused.headers["www-authenticate"] = "Bearer"
                return refused
            return RedirectResponse("/login", 303)
        if method == "POST" and path != "/logout" and not user.may_change:
            return refusal(path, 403, "You may look, but change nothing.")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name == "localhost" or name in self._hosts or ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def form_is_ours(request: Request, given: str) -> bool:
    """Say whether a form brings what a page of ours gave to this session."""
    return hmac.compare_digest(given.encode(), request.scope["csrf"].encode())


def _session_of(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _is_same_origin(headers: Headers, host: str) -> bool:
    try:
        return urlsplit(headers.get("origin", "")).netloc == host
    except ValueError:
        return False


def _bounded(receive: Receive) -> Receive:
    """Return what receives no more than a form may have: the rest of a longer one is taken for its end."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > MOST_BODY:
                return {"type": "http.disconnect"}
        return message

    return bounded


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
