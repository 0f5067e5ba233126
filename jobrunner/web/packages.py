"""The list of packages: what is asked for stands in the address, and pages follow each other by what was last seen."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from jobrunner.domain import filters
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.filters import EVERY_STANDING, Filters, Sort, Standing
from jobrunner.web.actions import BUTTONS, Button
from jobrunner.web.site import Key, Page, Site
from jobrunner.wiring.home import Home
from jobrunner.words.phrases import counted

#: Packages on a page.
_ON_A_PAGE = 50
#: Characters of each word, and how many words a question has.
_LONGEST = 500
_MOST_FIELDS = 50


class Question(NamedTuple):
    """What an address asks for; the words are as a person wrote them. `after`: the last package that was seen."""

    states: Sequence[str] = ()
    name: str = ""
    error: str = ""
    since: str = ""
    until: str = ""
    attempts: str = ""
    order: str = "newest"
    after: str = ""

    @property
    def is_newest_first(self) -> bool:
        """Whether what reached its state last comes first."""
        return self.order != "oldest"

    def address(self, **changes: str) -> str:
        """Return the part of the address behind the question mark, with changes; without a word that is empty."""
        changed = self._replace(**changes)._asdict()
        pairs = [("state", state) for state in changed.pop("states")]
        pairs += [(word, text) for word, text in changed.items() if text and (word, text) != ("order", "newest")]
        return urlencode(pairs, errors="surrogateescape")

    def filters(self) -> Filters:
        """Return what is meant. Raises ConfigurationError."""
        try:
            states = [Standing(state) for state in self.states]
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        if self.attempts and not self.attempts.isdecimal():
            raise ConfigurationError(f"attempts is {self.attempts!r}, but must be a number")
        start, end = filters.span(self.since or None, self.until or None, time.time())
        return Filters(
            standings=filters.standings(states) if states else EVERY_STANDING,
            name=_pattern(self.name, "{}*"),
            error=_pattern(self.error, "*{}*"),
            since=start,
            until=end,
            attempts=int(self.attempts or 0),
            sort=Sort.TIME,
            is_reversed=not self.is_newest_first,
        )


def question_of(text: str) -> Question:
    """Return what an address asks for. Raises ConfigurationError where that is too much."""
    states, words = [], {}
    try:
        pairs = parse_qsl(text, errors="surrogateescape", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise ConfigurationError(f"a question has {_MOST_FIELDS} words at most") from None
    for word, value in pairs:
        if word == "state":
            states.append(value)
        elif word in Question._fields:
            words[word] = value[:_LONGEST]
    return Question(states, **words)


def packages(site: Site, home: Home, key: Key) -> Page:
    """Return a list of packages. Raises StoreError."""
    question = question_of(key.question)
    try:
        fitting = question.filters()
    except ConfigurationError as error:
        wrong = site.part("packages/wrong.html", error=str(error).removeprefix("--"))
        form = site.part("packages/form.html", question=question, standings=list(Standing))
        return Page("Packages", {"form": form, "list": wrong}, status=400, place="packages")
    page = fitting._replace(limit=_ON_A_PAGE + 1, after=_place(question.after))
    rows = list(home.report.listed(home.report.select(page)))
    shown, following = rows[:_ON_A_PAGE], rows[_ON_A_PAGE:]
    last = f"{shown[-1].reached_at!r},{shown[-1].job.id}" if following else ""
    parts = {
        "form": site.part("packages/form.html", question=question, standings=list(Standing)),
        "list": site.part(
            "packages/list.html",
            rows=shown,
            question=question,
            last=last,
            buttons=[each for each in BUTTONS.values() if key.may_change and each.narrowed(fitting)],
        ),
    }
    is_moving = any(row.standing is Standing.RUNNING for row in shown)
    return Page("Packages", parts, is_moving=is_moving, place="packages")


def second_look(site: Site, home: Home, key: Key, button: Button) -> Page:
    """Return what a button would be pressed for, of all that fits. Raises ConfigurationError, StoreError."""
    question = question_of(key.question)
    fitting = button.narrowed(question.filters())
    count = home.report.count(fitting) if fitting else 0
    rows = list(home.report.listed(home.report.select(fitting._replace(limit=10)))) if fitting else []
    part = site.part(
        "packages/second_look.html", button=button, count=count, rows=rows, question=question, may_change=key.may_change
    )
    return Page(f"{button.label} {counted(count, 'package')}?", {"second-look": part}, place="packages")


def _place(after: str) -> tuple[float, int] | None:
    """Return where a page begins; None, at the start, where that is not said as we say it."""
    at, _, last = after.partition(",")
    with suppress(ValueError):
        moment, job_id = float(at), int(last)
        if math.isfinite(moment) and 0 <= job_id < 2**63:
            return moment, job_id
    return None


def _pattern(text: str, form: str) -> str | None:
    """Return a pattern; where the user has written none, what they look for stands at the start, or anywhere."""
    if not text:
        return None
    return text if any(char in text for char in "*?[") else form.format(text)
