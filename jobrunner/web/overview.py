"""The first page: what is wrong, what runs, what has ended lately, and what waits for a person."""

from urllib.parse import parse_qs

from jobrunner.domain.chart import Span
from jobrunner.domain.last_words import as_pattern
from jobrunner.domain.status import Status
from jobrunner.web.site import Key, Page, Site
from jobrunner.wiring.home import Home

#: Rows of each list.
_MOST = 50


def overview(site: Site, home: Home, key: Key) -> Page:
    """Return how a home stands. Raises StoreError."""
    status = home.report.status()
    span = _span(key)
    slots = home.store.charts.of(span, status.now)
    values = {"status": status, "most": _MOST, "may_change": key.may_change}
    parts = {
        "troubles": site.part("overview/troubles.html", **values),
        "counts": site.part("overview/counts.html", counts=_counts(status), **values),
        "running": site.part("overview/running.html", **values),
        "lately": site.part("overview/lately.html", span=span, spans=list(Span), slots=slots, **values),
        "failures": site.part("overview/failures.html", pattern=as_pattern, **values),
        "inbox": site.part("overview/inbox.html", **values),
        "machine": site.part("overview/machine.html", **values),
    }
    return Page("Overview", parts, is_moving=bool(status.running), place="overview", aside=["machine"])


def _span(key: Key) -> Span:
    try:
        return Span(parse_qs(key.question).get("span", ["hour"])[0])
    except ValueError:
        return Span.HOUR


def _counts(status: Status) -> dict[str, int]:
    """Return jobs by the words that lists know."""
    return dict(status.counts, running=max(status.counts["running"] - len(status.interrupted), 0))
