"""What programs ask for: the documents of --json, Prometheus' text, and whether all is well."""

import math
from importlib.metadata import version
from itertools import islice

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from jobrunner.documents.listing import listed_document
from jobrunner.documents.metrics import metrics_text
from jobrunner.documents.status import status_document
from jobrunner.documents.story import story_document
from jobrunner.domain.errors import ConfigurationError, JobrunnerError, NotKnown
from jobrunner.web.packages import question_of
from jobrunner.web.refusals import document, refusal
from jobrunner.web.site import Site
from jobrunner.wiring.health import health
from jobrunner.wiring.home import Home
from jobrunner.wiring.measuring import measuring
from jobrunner.words.phrases import age

#: Packages in one answer.
_MOST = 1000


async def status(site: Site, _: Request) -> Response:
    """Return the document of `jobrunner status --json`."""
    return document(await site.reader.ask(lambda home: status_document(home.report.status())))


async def packages(site: Site, request: Request) -> Response:
    """Return the document of `jobrunner list --json` for what the address asks for, up to a thousand."""

    def found(home: Home) -> list[object]:
        fitting = question_of(request.url.query).filters()
        listed = home.report.listed(home.report.select(fitting._replace(limit=_MOST)))
        return [listed_document(each) for each in islice(listed, _MOST)]

    try:
        return document({"jobs": await site.reader.ask(found)})
    except ConfigurationError as error:
        return refusal(request.scope["path"], 400, str(error).removeprefix("--"))


async def package(site: Site, request: Request) -> Response:
    """Return the document of `jobrunner show --json`."""
    name = request.path_params["name"]
    try:
        return document(await site.reader.ask(lambda home: story_document(home.report.story(home.report.find(name)))))
    except NotKnown as error:
        return refusal(request.scope["path"], 404, str(error))


async def metrics(site: Site, _: Request) -> Response:
    """Return what `jobrunner metrics` prints."""
    measures = await site.reader.ask(lambda home: measuring(home).measure())
    text = metrics_text(measures, str(site.settings.home), version("jobrunner"))
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


async def healthz(site: Site, request: Request) -> Response:
    """Return 200 where packages are worked on, else 503; why only to whoever may know it."""
    try:
        illness = await site.reader.ask(lambda home: health(home).illness() or _backlog(site, home))
    except (JobrunnerError, OSError) as error:
        illness = str(error)
    if illness is None:
        return PlainTextResponse("ok\n")
    return PlainTextResponse(f"{illness}\n" if request.scope["user"] else "not well\n", 503)


def _backlog(site: Site, home: Home) -> str | None:
    oldest, limit = home.store.jobs.oldest(), site.settings.notify.backlog
    if oldest is None or limit == math.inf or home.store.now().wall - oldest.since < limit:
        return None
    return f"a package has been in the queue for {age(home.store.now().wall - oldest.since)}"
