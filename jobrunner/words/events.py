"""Each event in words for people."""

import time

from jobrunner.domain.events import (
    Awaited,
    ClaimGone,
    Ended,
    Event,
    EventsLost,
    GivenUp,
    Held,
    InboxPolled,
    JobCancelled,
    JobDone,
    JobFailed,
    JobPutOff,
    JobRecovered,
    Mended,
    NoticeGivenUp,
    NoticesHeld,
    PackagesFound,
    PackagesMissed,
    Paused,
    Resumed,
    RightsSet,
    SettingsChanged,
    SettingsRefused,
    SettingsTaken,
    Stopping,
    Trouble,
    Unwise,
    Upgraded,
    WorkerDied,
    WorkersStarted,
)
from jobrunner.domain.package import shown
from jobrunner.domain.pause import Pause
from jobrunner.words.phrases import duration, held, packages, pause, soon

_EARLY_DEATHS = 3


def of_event(event: Event) -> tuple[str, str, str]:  # noqa: PLR0912  (a case for each event)
    """Return a label, its colour and the text."""
    match event:
        case WorkersStarted(workers, home):
            return "start", "cyan", f"{workers} worker{'' if workers == 1 else 's'} in {shown(home)}"
        case PackagesFound(new, replaced):
            again = [f"{packages(replaced)} delivered again"] if replaced else []
            return "found", "cyan", ", ".join([packages(new)] * bool(new) + again)
        case Awaited(count, name):
            others = f" and {count - 1:,} more have" if count > 1 else " has"
            return "arriving", "cyan", f"{shown(name)}{others} just changed: the end waits for that"
        case InboxPolled(reason):
            return "polling", "yellow", f"the inbox is scanned every second: {reason}"
        case PackagesMissed(count):
            return "missed", "yellow", f"the watch of the inbox missed {packages(count)}, which a rescan found"
        case JobDone(name, seconds):
            return "done", "green", f"{shown(name)}  {duration(seconds)}"
        case JobFailed(name, error):
            return "failed", "red", f"{shown(name)}  {error}"
        case JobPutOff(name, error, delay):
            return "waiting", "yellow", f"{shown(name)}  {error}; again {soon(delay)}"
        case JobRecovered(name, error, condemned):
            then = "goes to failed/" if condemned else "queued again"
            return "recovered", "yellow", f"{shown(name)}  {error}; {then}"
        case JobCancelled(name, worker_pid):
            return "cancelled", "yellow", f"{shown(name)}  worker {worker_pid} was ended for it"
        case ClaimGone(name):
            return "left", "yellow", f"{shown(name)}  another worker has this job by now"
        case GivenUp(pid, error):
            return "gives up", "red", f"process {pid}: {error}"
        case WorkerDied(role, pid, error, times, delay):
            then = "another one starts"
            if times >= _EARLY_DEATHS:
                then = f"{times} {role}s in a row died while starting; next try {soon(delay)}"
            return "died", "red", f"{role} {pid} {error}; {then}"
        case Upgraded(database, backup):
            return "upgrade", "cyan", f"{shown(database)} is of this version now; as it was before: {shown(backup)}"
        case RightsSet(path, was, mode):
            return "rights", "cyan", f"{shown(path)}: {was}; its mode is {mode:04o} now"
        case SettingsChanged(keys, restart):
            then = (
                ": jobrunner reload takes over what can be, a restart all"
                if restart
                else ": jobrunner reload takes it over"
            )
            return "settings", "yellow", f"jobrunner.toml has changed since the start ({keys}){then}"
        case SettingsRefused(error):
            return "settings", "red", f"jobrunner.toml has changed and is wrong, so nothing of it counts: {error}"
        case SettingsTaken(outcome):
            return "reload", "cyan", outcome
        case Unwise(key, why):
            return "unwise", "yellow", f"{key} {why}"
        case Stopping(grace):
            return (
                "stop",
                "cyan",
                f"running jobs may end within {duration(grace)}; again Ctrl-C or SIGTERM: at once",
            )
        case Held(left, since, reason):
            return "held", "yellow", held(Pause(since, None, reason), left, time.time())
        case Ended(done, failed, seconds):
            ends = [f"{packages(done)} done"] * bool(done or not failed) + [f"{failed:,} failed"] * bool(failed)
            return "end", "cyan", f"{', '.join(ends)} in {duration(seconds)}"
        case Trouble(error):
            return "trouble", "red", error
        case Mended():
            return "mended", "green", "nothing is wrong with the machine any more: the work goes on"
        case Paused():
            return "paused", "yellow", f"{pause(Pause(*event), time.time())}; running jobs end, nothing is claimed"
        case Resumed():
            return "resumed", "green", "the pause is over: the work goes on"
        case NoticesHeld(channel, error):
            return "notice", "yellow", f"the {channel} of [notify] fails, and is tried again: {error}"
        case NoticeGivenUp(channel, kind, error):
            return "notice", "red", f"a notice ({kind}) is given up, as the {channel} of [notify] fails: {error}"
        case EventsLost(lost):
            return "lost", "yellow", f"{lost:,} lines are missing here: they could not be written when they came"
