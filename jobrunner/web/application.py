"""The addresses, and what each of them answers."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from urllib.parse import parse_qs, quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from jobrunner.domain.change import Action
from jobrunner.domain.errors import ConfigurationError, JobrunnerError, in_words
from jobrunner.domain.package import printable
from jobrunner.web import files, package, programs
from jobrunner.web.actions import BUTTONS, Commands, Done, words_of
from jobrunner.web.doorkeeper import COOKIE, Doorkeeper, form_is_ours
from jobrunner.web.live import Live
from jobrunner.web.logins import Logins
from jobrunner.web.overview import overview
from jobrunner.web.packages import packages, question_of, second_look
from jobrunner.web.refusals import FOR_PROGRAMS, refusal
from jobrunner.web.site import TOKEN_PLACE, Key, Maker, Page, Site, key_of

#: Commands whose words are kept until their page is shown.
_MOST_TOLD = 200

_NOT_THERE = {
    404: ("There is no such page", "The address is another one, or what it led to is gone."),
    405: ("That was not done", "It cannot be done with this address."),
}

Form = dict[str, str]


class Application:
    """Answers requests for the pages of one home."""

    def __init__(self, site: Site, told_of_bug: Callable[[BaseException], None]) -> None:
        """`told_of_bug` hears of an unexpected error."""
        self._site = site
        self._told_of_bug = told_of_bug
        self._live = Live(self._made, lambda: site.reader.ask(lambda home: home.store.database.version()))
        self._commands = Commands(site.settings.home)
        self._logins = Logins(site.users, site.sessions)
        self._told: OrderedDict[str, Done] = OrderedDict()

    def starlette(self) -> Starlette:
        """Return the application for a server."""
        site = self._site
        routes = [
            Route("/", self._page),
            Route("/packages", self._page),
            Route("/all/{action}", self._page, methods=["GET"]),
            Route("/all/{action}", self._act_on_all, methods=["POST"]),
            Route("/packages/{name}", self._page),
            Route("/packages/{name}/files/{path:path}", partial(files.file, site)),
            Route("/packages/{name}/{action}", self._act, methods=["POST"]),
            Route("/pause", self._pause, methods=["POST"]),
            Route("/resume", self._resume, methods=["POST"]),
            Route("/live/{path:path}", self._listen),
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/metrics", partial(programs.metrics, site)),
            Route("/healthz", partial(programs.healthz, site)),
            Route("/api/status", partial(programs.status, site)),
            Route("/api/packages", partial(programs.packages, site)),
            Route("/api/packages/{name}", partial(programs.package, site)),
            Mount("/static", StaticFiles(packages=[("jobrunner.web", "static")])),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(Doorkeeper, site.users, site.sessions, site.settings.web.hosts)],
            exception_handlers={
                HTTPException: self._not_there,
                JobrunnerError: self._wrong,
                OSError: self._wrong,
                Exception: self._bug,
            },
        )

    async def _page(self, request: Request) -> Response:
        page = await self._made(key_of(request, request.scope["path"]))
        done = self._told.pop(request.query_params.get("done", ""), None)
        if done:
            told = self._site.part("told.html", done=done)
            page = page._replace(parts={"told": told, **page.parts})
        return self._site.answer(request, page)

    async def _made(self, key: Key) -> Page:
        maker = self._maker(key)
        return await self._site.reader.ask(lambda home: maker(home, key))

    def _maker(self, key: Key) -> Maker:
        match key.path.strip("/").split("/"):
            case [""]:
                return partial(overview, self._site)
            case ["packages"]:
                return partial(packages, self._site)
            case ["all", word] if (button := BUTTONS.get(word)) and button.takes_filters:
                return lambda home, key: second_look(self._site, home, key, button)
            case ["packages", name]:
                return lambda home, key: package.package(self._site, home, key, name)
        raise HTTPException(404)

    async def _listen(self, request: Request) -> Response:
        key = key_of(request, f"/{request.path_params['path']}")
        self._live.hold_to_limit()
        page = await self._made(key)  # what is wrong with it is answered before the stream begins
        return StreamingResponse(self._heard(request, key, page), media_type="text/event-stream")

    async def _heard(self, request: Request, key: Key, page: Page) -> AsyncIterator[str]:
        async with aclosing(self._live.listen(key, page)) as events:
            async for event in events:
                if not request.scope["is_still_in"]():
                    return
                yield event.replace(TOKEN_PLACE, request.scope["csrf"])

    async def _act(self, request: Request) -> Response:
        button, name = BUTTONS.get(request.path_params["action"]), request.path_params["name"]
        await self._form(request)
        if button is None:
            raise HTTPException(404)
        known = await self._site.reader.ask(lambda home: package.known(home, name))
        back = f"/packages/{quote(name, safe='')}"
        if known is None and button.action is not Action.ACCEPT:
            raise HTTPException(404)
        return await self._do(request, [button.action.value, "--", known or name], back)

    async def _act_on_all(self, request: Request) -> Response:
        button = BUTTONS.get(request.path_params["action"])
        await self._form(request)
        question = question_of(request.url.query)
        fitting = button.narrowed(question.filters()) if button else None
        if button is None or fitting is None:
            raise HTTPException(404)
        given = {
            "name": fitting.name or "",
            "error": fitting.error or "",
            "since": question.since,
            "until": question.until,
            "attempts": question.attempts,
        }
        words = words_of(button.action, given, sorted(fitting.standings))
        return await self._do(request, words, f"/packages?{question.address()}")

    async def _pause(self, request: Request) -> Response:
        form = await self._form(request)
        given = {"reason": form.get("reason", ""), "until": form.get("until", "")}
        options = [f"--{name}={text}" for name, text in given.items() if text.strip()]
        return await self._do(request, ["pause", *options], "/")

    async def _resume(self, request: Request) -> Response:
        await self._form(request)
        return await self._do(request, ["resume"], "/")

    async def _do(self, request: Request, words: list[str], back: str) -> Response:
        done = await self._commands.run(words, request.scope["user"].name)
        key = secrets.token_urlsafe(8)
        self._told[key] = done
        while len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)
        return RedirectResponse(f"{back}{'&' if '?' in back else '?'}done={key}", 303)

    async def _form(self, request: Request) -> Form:
        """Return what a form brings. Raises HTTPException where it is none of ours."""
        try:
            body = await asyncio.wait_for(request.body(), 10)
            form = {word: values[0] for word, values in parse_qs(body.decode(), max_num_fields=20).items()}
        except (TimeoutError, ClientDisconnect, ValueError):
            raise HTTPException(400) from None
        if not form_is_ours(request, form.get("token", "")):
            raise HTTPException(403, "This form is of an earlier session: go back, load the page again, and repeat it.")
        return form

    async def _login(self, request: Request) -> Response:
        if self._site.users is None:
            return RedirectResponse("/", 303)
        error = ""
        if request.method == "POST":
            form = await self._form(request)
            address = request.client.host if request.client else ""
            secret = await self._logins.begin(form.get("name", ""), form.get("password", ""), address)
            if secret:
                answer = RedirectResponse("/", 303)
                is_https = request.url.scheme == "https"
                answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=is_https, path="/")
                return answer
            error = "That name and password do not belong together."
        part = self._site.part("login.html", error=error)
        return self._site.answer(request, Page("Log in", {"login": part}, 403 if error else 200))

    async def _logout(self, request: Request) -> Response:
        await self._form(request)
        self._site.sessions.end(request.scope["session"])
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def _not_there(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        title, words = _NOT_THERE.get(status, ("That was not done", str(getattr(error, "detail", ""))))
        return self._refuse(request, status, title, words)

    async def _wrong(self, request: Request, error: Exception) -> Response:
        status = 400 if isinstance(error, ConfigurationError) else 503
        words = in_words(error) if isinstance(error, OSError) else str(error)
        return self._refuse(request, status, "This cannot be shown now", words)

    async def _bug(self, request: Request, error: Exception) -> Response:
        self._told_of_bug(error)
        return self._refuse(request, 500, "A bug", "This is a bug in jobrunner, which its log has a line of.")

    def _refuse(self, request: Request, status: int, title: str, words: str) -> Response:
        path = request.scope["path"]
        if path.startswith(FOR_PROGRAMS):
            return refusal(path, status, printable(words))
        return self._site.answer(request, Page(title, {"wrong": self._site.part("wrong.html", words=words)}, status))
