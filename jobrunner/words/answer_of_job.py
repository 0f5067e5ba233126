"""What `explain` says of a job: a sentence, why it is so, and what to do."""

import time
from collections.abc import Iterator

from jobrunner.domain.explanation import AtWork, Kind, OfJob
from jobrunner.domain.job import Outcome
from jobrunner.domain.package import shown
from jobrunner.domain.status import Step, Story
from jobrunner.words.pasted import name_word, place
from jobrunner.words.phrases import counted, duration, pause, progress, soon, standing
from jobrunner.words.times import local

#: What to do where no worker runs: words, and a command.
START = ("to start workers:", "jobrunner run -n 3")
#: What to do in a pause.
RESUME = ("to end the pause:", "jobrunner resume")
_STEPS = {
    Step.TAKING: "it is being taken into work/",
    Step.EXTRACTING: "its zip is being extracted",
    Step.NODE: "its handler waits for a node of the cluster",
    Step.HANDLER: "the handler works on it",
    Step.ARCHIVING: "it is being archived",
}
#: Where the package of a job lies that has ended so.
_ENDED = {Kind.DONE: "the archive", Kind.FAILED: "failed/", Kind.CANCELLED: "failed/"}


def headline(found: OfJob) -> str:
    """Return where a job stands."""
    job, name = found.story.job, shown(found.name)
    match found.kind:
        case Kind.QUEUED if found.ahead:
            return f"{name} is queued, behind {_others(found)}."
        case Kind.QUEUED:
            return f"{name} is queued, and the next one."
        case Kind.PAUSED:
            return f"{name} is queued, but jobrunner is paused."
        case Kind.NO_WORKER:
            return f"{name} is queued, but no worker is running."
        case Kind.HELD_UP:
            return f"{name} is queued, but the workers wait until something is mended."
        case Kind.WAITING:
            at = job.not_before_at or found.since
            return f"{name} waits for its next try, {soon(at - time.time())}, at {local(at)}."
        case Kind.RUNNING:
            running = found.running
            step = f": {_STEPS[running.step]}" if running and running.step else ""
            told = f" ({progress(running.progress)})" if running and running.progress else ""
            return f"{name} is running{step}{told}."
        case Kind.WORKER_DEAD:
            return f"{name} was running when its worker died, and is to be queued again."
        case Kind.CONDEMNED:
            ended = "was cancelled" if job.verdict is Outcome.CANCELLED else "has failed"
            return f"{name} {ended}, and is to be moved to failed/."
        case Kind.FAILED:
            return f"{name} failed at {local(found.since)}."
        case Kind.CANCELLED:
            return f"{name} was cancelled at {local(found.since)}."
    return f"{name} was done at {local(found.since)}."


def why(found: OfJob) -> Iterator[str]:
    """Yield why that is so, and what belongs to it."""
    job, running = found.story.job, found.running
    match found.kind:
        case Kind.QUEUED:
            yield f"It has been in the queue since {since(found.since)}."
        case Kind.NO_WORKER | Kind.HELD_UP | Kind.PAUSED:
            behind = f", behind {_others(found)}" if found.ahead else ""
            yield f"It has been in the queue since {since(found.since)}{behind}."
        case Kind.WAITING:
            yield job.error or ""
            yield _counted_tries(found)
        case Kind.RUNNING if running:
            yield f"It is attempt {job.attempt}, by {running.place}, for {duration(running.seconds)}."
        case Kind.WORKER_DEAD if running:
            yield f"Attempt {job.attempt}, by {running.place}, began {duration(running.seconds)} ago."
        case Kind.FAILED:
            yield job.error or ""
        case Kind.CONDEMNED if job.verdict is not Outcome.CANCELLED:
            yield job.error or ""
        case Kind.DONE if job.attempt > 1:
            yield f"It took {job.attempt} attempts."
    yield from _history(found.story)
    if found.kind in _ENDED:
        path = found.story.package_path
        yield f"It lies in {place(path)}." if path else f"It has been taken out of {_ENDED[found.kind]}."
    elif found.kind is not Kind.RUNNING:
        if found.story.package_path is None:
            yield "Its package is nowhere: deliver it again."
        yield from who_works(found.at_work) if found.kind is not Kind.NO_WORKER else _troubles(found.at_work)


def _history(story: Story) -> Iterator[str]:
    for revision in story.revisions:
        yield f"Its revision {shown(revision.name)} is {standing(revision, time.time())}."
    if story.pruned_at.attempts and not story.attempts:
        yield f"Its attempts were pruned at {local(story.pruned_at.attempts)}."


def to_do(found: OfJob) -> Iterator[tuple[str, str]]:
    """Yield what can be done: words and, unless it is empty, a command."""
    name, running = name_word(found.name), found.running
    if found.kind is not Kind.RUNNING and found.kind not in _ENDED and not found.at_work.workers:
        yield START
    if found.kind is not Kind.RUNNING and found.kind not in _ENDED and found.at_work.pause:
        yield RESUME
    if found.kind is Kind.RUNNING and running and running.step is Step.HANDLER:
        yield "what it prints:", f"jobrunner logs -f {name}"
    elif found.story.log_paths and found.kind in {Kind.WAITING, Kind.FAILED}:
        yield "what its handler printed:", f"jobrunner logs {name}"
    if found.kind in {Kind.FAILED, Kind.CANCELLED}:
        yield "to try it again (a new delivery replaces it):", f"jobrunner retry {name}"


def who_works(at_work: AtWork) -> Iterator[str]:
    """Yield how many work, whether they pause, and what is wrong with the machine."""
    if at_work.pause:
        yield f"Paused {pause(at_work.pause, time.time())}."
    if not at_work.workers:
        yield "No worker is running."
    elif not at_work.troubles:
        yield f"{counted(at_work.workers, 'worker')} {'is' if at_work.workers == 1 else 'are'} at work."
    yield from _troubles(at_work)


def _troubles(at_work: AtWork) -> Iterator[str]:
    return (f"Trouble: {trouble}." for trouble in at_work.troubles)


def since(seconds: float) -> str:
    """Return a time, and how long ago that was."""
    return f"{local(seconds)}, {duration(time.time() - seconds)} ago"


def _counted_tries(found: OfJob) -> str:
    """Return what its attempts have cost of what a job may fail."""
    job = found.story.job
    if job.delays:
        return f"That does not count: it is tried again until it works ({counted(job.attempt, 'attempt')} so far)."
    return f"That was failure {job.failures} of {found.max_attempts}; at the last one it fails for good."


def _others(found: OfJob) -> str:
    return counted(found.ahead or 0, "other")
