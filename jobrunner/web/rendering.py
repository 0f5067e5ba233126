"""Pages as text: the templates, and how times, names and lengths stand in them."""

import re
import time
from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from jobrunner.domain.package import printable, shown
from jobrunner.domain.values import in_bytes
from jobrunner.web import charts
from jobrunner.words import phrases
from jobrunner.words.times import local, short


def environment() -> Environment:
    """Return the templates. Whatever is put into one is escaped; what is not there is an error."""
    made = Environment(
        loader=PackageLoader("jobrunner.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "shown": shown,
        "printable": printable,
        "lines": lambda text: printable(text, keep="\n\t"),
        "url": lambda name: quote(shown(name), safe=""),
        "path": lambda text: quote(text, safe="/"),
        "question": urlencode,
        "bytes": in_bytes,
        "roughly": _roughly,
        "duration": phrases.duration,
        "estimate": phrases.estimate,
        "counted": phrases.counted,
        "count": lambda number: f"{number:,}",
        "at": _at,
        "timed": _timed,
        "ago": _ago,
        "in": _in,
        "progress": phrases.progress,
    }
    made.globals |= {"version": version("jobrunner"), "charts": charts, "step": phrases.step, "slots": phrases.slots}
    return made


def _roughly(size: int) -> str:
    """Return a number of bytes that changes all the time, so that it is the same text for a while."""
    for unit, of in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20)):
        if size >= of:
            return f"{size / of:.1f} {unit}"
    return f"{size / 2**10:.0f} KiB"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@lru_cache(4096)  # pages are made again and again, mostly of the same moments
def _at(seconds: float | None) -> Markup:
    """Return a time: the browser shows it in its reader's zone, and without scripts it is the server's."""
    if seconds is None:
        return Markup("")
    iso = _iso(seconds)
    return Markup(f'<time datetime="{iso}" title="{iso}">{local(seconds)}</time>')


def _timed(text: str, moments: Collection[float | None]) -> Markup:
    """Return a text in which these moments, as the server writes them, are times that the browser shows."""
    known = {words: moment for moment in moments if moment is not None for words in (local(moment), _today(moment))}
    pattern = "|".join(re.escape(words) for words in sorted(known, key=len, reverse=True))
    parts = re.split(f"({pattern})", printable(text)) if pattern else [printable(text)]
    return Markup("").join(_at(known[part]) if part in known else part for part in parts)


def _today(moment: float) -> str:
    return short(moment, time.time())


def _ago(seconds: float | None) -> Markup:
    """Return for how long something has been so; the browser counts on."""
    if seconds is None:
        return Markup("")
    words = phrases.age(time.time() - seconds)
    return Markup('<time class="ago" datetime="{}" title="{}">{}</time>').format(_iso(seconds), local(seconds), words)


def _in(seconds: float | None) -> Markup:
    if seconds is None:
        return Markup("")
    words = phrases.soon(seconds - time.time())
    return Markup('<time class="soon" datetime="{}" title="{}">{}</time>').format(
        _iso(seconds), local(seconds), escape(words)
    )
