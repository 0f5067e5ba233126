"""What all addresses share: the home's settings, its reader, and the pages made of it."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from jobrunner.domain.settings import Settings
from jobrunner.domain.web import User
from jobrunner.web.reader import Reader
from jobrunner.web.users import Sessions, Users
from jobrunner.wiring.home import Home

#: Stands for a session's own token in pages that several are shown.
TOKEN_PLACE = f"csrf-{secrets.token_hex(16)}"


class Page(NamedTuple):
    """A page in parts, each of which may change by itself while it is open.

    `is_moving`: there is something on it that changes without a commit, such as progress. `place`: where it stands
    among the pages; what has none is not kept true. `aside`: the names of parts that stand beside the others, where
    there is room.
    """

    title: str
    parts: Mapping[str, str]
    status: int = 200
    is_moving: bool = False
    place: str = ""
    aside: Sequence[str] = ()


class Key(NamedTuple):
    """Which page it is: its address below the root, what is asked there, and whether whoever looks may press."""

    path: str
    question: str
    may_change: bool


class Site(NamedTuple):
    """The pages of one home."""

    settings: Settings
    reader: Reader
    templates: Environment
    users: Users | None
    sessions: Sessions

    def part(self, template: str, **values: object) -> str:
        """Return a part of a page."""
        return self.templates.get_template(template).render(token=TOKEN_PLACE, **values)

    def answer(self, request: Request, page: Page) -> Response:
        """Return a page for whoever has asked for it."""
        user: User | None = request.scope["user"]
        text = self.templates.get_template("page.html").render(
            page=page,
            user=user,
            has_login=self.users is not None,
            home=str(self.settings.home),
            live=f"/live{quote(request.scope['path'])}" if page.place else "",
            question=request.url.query,
            token=TOKEN_PLACE,
        )
        return HTMLResponse(text.replace(TOKEN_PLACE, request.scope["csrf"]), page.status)


#: Makes a page of what is found in the home.
Maker = Callable[[Home, Key], Page]


def key_of(request: Request, path: str) -> Key:
    """Return which page a request asks for."""
    user: User | None = request.scope["user"]
    return Key(path, request.url.query, bool(user and user.may_change))
