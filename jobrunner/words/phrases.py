"""Words for people: of lengths of time, counts, and how something stands."""

from collections.abc import Iterator

from jobrunner.domain.cluster import Node
from jobrunner.domain.job import Job, Outcome, State
from jobrunner.domain.notice import Undelivered
from jobrunner.domain.pause import Pause
from jobrunner.domain.progress import Progress
from jobrunner.domain.status import DiskUse, RunningJob, Status
from jobrunner.domain.values import in_bytes
from jobrunner.words.times import short

_NOW = 0.005  # seconds

#: The colour of each state.
TINTS = {
    "queued": "cyan",
    "waiting": "yellow",
    "running": "blue",
    "done": "green",
    "failed": "red",
    "cancelled": "magenta",
    "interrupted": "magenta",
}


def duration(seconds: float) -> str:
    """Return a length of time as people say it: 0.12 s, 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 10:
        return f"{max(seconds, 0):.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, small_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def age(seconds: float) -> str:
    """Return for how long something has been so, in whole seconds: 4 s, 3 min 20 s."""
    return f"{max(seconds, 0):.0f} s" if seconds < 60 else duration(seconds)


def estimate(seconds: float) -> str:
    """Return about how long something will take, no more exactly than it can be known: about 6 min."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {seconds:.0f} s" if seconds >= 1 else "under 1 s"


def soon(seconds: float) -> str:
    """Return how long it is until something happens: now, in 45 s."""
    return f"in {duration(seconds)}" if seconds >= _NOW else "now"


def progress(progress: Progress) -> str:
    """Return how far something is, in words: "aligning, 40%"; without a total, "aligning, 40"."""
    amount = f"{progress.done:,.15g}" if progress.fraction is None else f"{progress.fraction:.0%}"
    return f"{progress.text}, {amount}" if progress.text else amount


def pause(of: Pause, now: float) -> str:
    """Return since when a home is paused, until when and why, as far as that was said."""
    until = f", until {short(of.until, now)}" if of.until is not None else ""
    return f"since {short(of.since, now)}{until}{f': {of.reason}' if of.reason else ''}"


def held(by: Pause, count: int, now: float) -> str:
    """Return what keeps so many packages from being processed."""
    return f"paused {pause(by, now)}; {packages(count)} left: jobrunner resume"


def step(entry: RunningJob) -> str:
    """Return what is done with a running job, and how far that is, where it is known."""
    if entry.progress is None:
        return entry.step or ""
    told = progress(entry.progress)
    return told if entry.progress.is_bytes else f"{entry.step}: {told}"


def slots(of: Node, status: Status) -> str:
    """Return how many handlers run on a node, or why none does."""
    if of.trouble:
        return f"gets no package: {of.trouble}"
    return f"{status.runs_on(of):,} of {counted(of.slots, 'slot')} in use, since {short(of.since_at, status.now)}"


def standing(job: Job, now: float) -> str:
    """Return where a job stands, by the word that status counts it under, or cancelled."""
    if job.verdict is Outcome.CANCELLED and job.state is State.FAILED:
        return "cancelled"
    if job.state is State.QUEUED and job.not_before_at is not None and job.not_before_at > now:
        return "waiting"
    return job.state.value


def counted(count: int, noun: str) -> str:
    """Return a number with what is counted: 1 package, 1,200 packages."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def packages(count: int) -> str:
    """Return "1 package" or "N packages"."""
    return counted(count, "package")


def disk_use(use: DiskUse) -> str:
    """Return what the parts of a home take, and how much is free on the work folder's disk."""
    parts = [
        f"{part} {'' if taken.is_all else 'more than '}{in_bytes(taken.size)}"
        for part, taken in use._asdict().items()
        if taken
    ]
    return ", ".join(parts) + (f"; {in_bytes(use.work.free)} free" if use.work else "")


def undelivered(notices: Undelivered, now: float) -> Iterator[str]:
    """Yield what is said of notices that a channel does not take, and of those that were given up."""
    for each in notices.waiting:
        if each.error:
            some = f"{each.total:,} wait{'s' * (each.total == 1)} since {short(each.since, now)}"
            yield f"{some}, as the {each.channel} fails: {each.error}"
    if newest := next(iter(notices.given_up), None):
        yield (
            f"{notices.given_up_count:,} given up, the newest {short(newest.given_up_at, now)}, as the "
            f"{newest.channel} failed ({newest.error}): {newest.text}"
        )
