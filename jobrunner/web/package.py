"""One package: its story, what to do next, its receipt, its files and what its handler prints."""

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from jobrunner.domain.errors import NotKnown, in_words
from jobrunner.domain.explanation import Elsewhere, Explanation, InInbox, Kind, OfJob
from jobrunner.domain.package import shown
from jobrunner.domain.status import Story
from jobrunner.web import charts
from jobrunner.web.actions import BUTTONS
from jobrunner.web.site import Key, Page, Site
from jobrunner.wiring import dashboard
from jobrunner.wiring.explaining import explaining
from jobrunner.wiring.home import Home
from jobrunner.words.answers import answer_of
from jobrunner.words.phrases import standing

#: Lines of a log on the page, and those that are searched.
_LINES = 200
_SEARCHED = 100_000
_LONGEST = 200
#: What an answer begins with its time for, which is the reader's here.
_ENDED = frozenset({Kind.DONE, Kind.FAILED, Kind.CANCELLED})


def package(site: Site, home: Home, key: Key, name: str) -> Page:
    """Return all that is known of a package, also of one that is only looked for. Raises StoreError."""
    explanation = explaining(home).explain(name)
    ended_at = explanation.since if isinstance(explanation, OfJob) and explanation.kind in _ENDED else None
    answer = site.part(
        "package/answer.html",
        answer=answer_of(explanation),
        kind=explanation.kind,
        ended_at=ended_at,
        moments=_moments(explanation),
    )
    known = explanation if isinstance(explanation, OfJob) else getattr(explanation, "known", None)
    offered = [BUTTONS["accept"]] if explanation.kind is Kind.DUPLICATE else []
    if known is None:
        status = 404 if explanation.kind is Kind.UNKNOWN else 200
        return Page(shown(explanation.name), {"answer": answer}, status, place="packages")
    story = known.story
    state = standing(story.job, home.store.now().wall)
    offered += [button for button in BUTTONS.values() if button.is_for(state)]
    name, log = story.job.name, _log(home, story, key)
    parts = {
        "answer": answer,
        "actions": site.part("package/actions.html", name=name, buttons=offered if key.may_change else []),
        "attempts": site.part("package/attempts.html", story=story, longest=_longest(story)),
        "log": site.part("package/log.html", story=story, **log),
    }
    aside = {
        "facts": site.part("package/facts.html", story=story, job=story.job, state=state, running=known.running),
        "receipt": site.part("package/receipt.html", receipt=dashboard.receipt_of(story)),
        "files": site.part("package/files.html", story=story, opens=site.settings.web.files, **_files(story)),
    }
    is_moving = known.running is not None
    return Page(shown(name), parts | aside, is_moving=is_moving, place="packages", aside=[*aside])


def _moments(explanation: Explanation) -> set[float | None]:
    """Return the moments that an answer may tell of."""
    match explanation:
        case OfJob():
            job, pause = explanation.story.job, explanation.at_work.pause
            told = {explanation.since, job.not_before_at, explanation.story.pruned_at.attempts}
            return told | ({pause.since, pause.until} if pause else set())
        case InInbox():
            known = _moments(explanation.known) if explanation.known else set()
            return known | {explanation.changed_at}
        case Elsewhere(known=OfJob() as known):
            return _moments(known)
    return set()


def _longest(story: Story) -> float:
    return max((charts.length(*each) for each in zip(story.attempts, story.waits, strict=True)), default=0.0)


def _log(home: Home, story: Story, key: Key) -> dict[str, Any]:
    """Return the last lines of an attempt's log, or those with what is searched for in it."""
    asked = parse_qs(key.question)
    find = asked.get("find", [""])[0][:_LONGEST]
    wanted = asked.get("attempt", [""])[0]
    newest = max(story.log_paths, default=0)
    number = next((number for number in story.log_paths if str(number) == wanted), newest)
    lines, error = [], ""
    if number:
        try:
            lines = home.report.lines_of(story.log_paths[number], _SEARCHED if find else _LINES)
        except OSError as fault:
            error = in_words(fault)
    if find:
        lines = [line for line in lines if find.casefold() in line.casefold()]
    return {"number": number, "find": find, "lines": lines[-_LINES:], "error": error}


def _files(story: Story) -> dict[str, Any]:
    try:
        files, is_all = dashboard.files(story)
    except FileNotFoundError:  # the package is on its way to another folder
        return {"files": [], "is_all": True, "files_error": ""}
    except OSError as fault:
        return {"files": [], "is_all": True, "files_error": in_words(fault)}
    return {"files": files, "is_all": is_all, "files_error": ""}


def known(home: Home, name: str) -> str | None:
    """Return the name of a job as a command takes it, None where there is none."""
    with suppress(NotKnown):
        return shown(home.report.find(name).name)
    return None
