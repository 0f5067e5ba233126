"""Pictures made of figures, as SVG without a style of its own: a page's policy allows no other."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from jobrunner.domain.chart import Slot
from jobrunner.domain.job import Attempt

_WIDTH, _HEIGHT, _LOW = 720.0, 120.0, 28.0
_LONG = 600.0
#: Pixels of a step that took any time at all.
_LEAST = 1.0


def bars(slots: Sequence[Slot]) -> Markup:
    """Return a bar for each slot: what was done, and what failed on top of it."""
    peak = most(slots) or 1
    width = _WIDTH / max(len(slots), 1)
    parts = []
    for number, slot in enumerate(slots):
        done, failed = slot.done / peak * _HEIGHT, slot.failed / peak * _HEIGHT
        parts += [
            _rect("done", number * width + 1, _HEIGHT - done, width - 2, done),
            _rect("failed", number * width + 1, _HEIGHT - done - failed, width - 2, failed),
        ]
    return _svg("chart", _WIDTH, _HEIGHT, parts)


def most(slots: Sequence[Slot]) -> int:
    """Return how many ended in the slot in which most did."""
    return max((slot.done + slot.failed for slot in slots), default=0)


def medians(slots: Sequence[Slot]) -> Markup:
    """Return a bar for each slot: how long half of what was done took."""
    longest, width = longest_median(slots) or 1.0, _WIDTH / max(len(slots), 1)
    heights = [(slot.median or 0.0) / longest * _LOW for slot in slots]
    parts = [
        _rect("median", number * width + 1, _LOW - height, width - 2, height) for number, height in enumerate(heights)
    ]
    return _svg("medians", _WIDTH, _LOW, parts)


def longest_median(slots: Sequence[Slot]) -> float:
    """Return the longest median of the slots, in seconds."""
    return max((slot.median or 0.0 for slot in slots), default=0.0)


class _Part(NamedTuple):
    kind: str
    seconds: float


def timeline(attempt: Attempt, waited: float | None, longest: float) -> Markup:
    """Return a line for the steps of an attempt; `longest` is how many seconds the whole width stands for."""
    parts, x = [], 0.0
    for kind, seconds in _steps(attempt, waited):
        width = max(seconds / (longest or 1.0) * _LONG, _LEAST)
        parts.append(_rect(kind, x, 0, width, 12, f"{kind} {seconds:.3g} s"))
        x += width
    return _svg("timeline", _LONG, 12, parts)


def length(attempt: Attempt, waited: float | None) -> float:
    """Return how many seconds a timeline of an attempt stands for."""
    return sum(part.seconds for part in _steps(attempt, waited))


def _steps(attempt: Attempt, waited: float | None) -> list[_Part]:
    steps = (
        ("waited", waited),
        ("extract", attempt.extract_seconds),
        ("handler", attempt.handle_seconds),
        ("archive", attempt.archive_seconds),
    )
    parts = [_Part(kind, seconds) for kind, seconds in steps if seconds is not None]
    if attempt.ended_at is None:
        known = sum(part.seconds for part in parts if part.kind != "waited")
        parts.append(_Part("until-now", max(time.time() - attempt.started_at - known, 0.0)))
    return parts


def _rect(kind: str, x: float, y: float, width: float, height: float, title: str = "") -> str:
    if height <= 0 or width <= 0:
        return ""
    told = f"<title>{escape(title)}</title>" if title else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place}>{told}</rect>'


def _svg(kind: str, width: float, height: float, parts: Sequence[str]) -> Markup:
    """Return a picture. Its parts are ours: 180 of them take 4 ms where each is a Markup."""
    head = f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(f"{head}{''.join(parts)}</svg>")
