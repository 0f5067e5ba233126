"""The answers of `explain` in words."""

import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobrunner.domain.explanation import Elsewhere, Explanation, InInbox, Kind, OfJob, Unknown
from jobrunner.domain.package import shown
from jobrunner.words import answer_of_inbox, answer_of_job
from jobrunner.words.pasted import name_word, place


class Answer(NamedTuple):
    """What is said: a sentence, lines of why, and what to do: words and, unless it is empty, a command."""

    headline: str
    why: Sequence[str]
    to_do: Sequence[tuple[str, str]]


def answer_of(explanation: Explanation) -> Answer:
    """Return an answer in words."""
    match explanation:
        case OfJob():
            of_job = answer_of_job
            return Answer(of_job.headline(explanation), [*of_job.why(explanation)], [*of_job.to_do(explanation)])
        case InInbox():
            inbox = answer_of_inbox
            return Answer(inbox.headline(explanation), [*inbox.why(explanation)], [*inbox.to_do(explanation)])
        case Elsewhere(Kind.PUT_ASIDE, name, _, OfJob() as known):
            headline = f"{shown(name)} in failed/ is an earlier delivery of {shown(known.name)}: it came again since."
            later = f"jobrunner explain {name_word(known.name)}"
            return Answer(headline, [answer_of_job.headline(known)], [("of the later one:", later)])
        case Elsewhere(_, name, path):
            headline = f"{shown(name)} lies in {place(path)}, but the database does not know it."
            return Answer(headline, [], [("to record it:", "jobrunner check --repair")])
        case Unknown():
            find = f"jobrunner list --name {shlex.quote(f'*{shown(explanation.name)}*')}"
            headline = f"Nothing is known of {shown(explanation.name)}."
            return Answer(headline, [*_why_unknown(explanation)], [("names with this in them:", find)])


def _why_unknown(found: Unknown) -> Iterator[str]:
    yield f"It is not in {_listed(found.searched)}."
    if found.unread:
        yield f"You cannot look into {_listed(found.unread)}."
    if found.close:
        yield f"Names like it: {', '.join(map(shown, found.close))}."


def _listed(paths: Sequence[str]) -> str:
    *places, last = map(place, paths)
    return f"{', '.join(places)} or {last}" if places else last
