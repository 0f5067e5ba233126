"""What happens while jobrunner runs, as named values. The command line turns them into words."""

from typing import NamedTuple


class HeldUp(str):
    """A trouble that holds up one package and its worker, and no other: another worker can take its place."""

    __slots__ = ()


class WorkersStarted(NamedTuple):
    """A supervisor starts `workers` workers in `home`."""

    workers: int
    home: str


class PackagesFound(NamedTuple):
    """A scan queued `new` packages and `replaced` new deliveries of failed ones."""

    new: int
    replaced: int


class Awaited(NamedTuple):
    """Nothing is to be processed, but so many `deliveries` are still arriving, `name` among them."""

    deliveries: int
    name: str


class InboxPolled(NamedTuple):
    """The kernel does not tell what comes into the inbox, for this `reason`: it is scanned every second."""

    reason: str


class PackagesMissed(NamedTuple):
    """So many packages came without a word of the kernel's, and were found by looking through the inbox."""

    packages: int


class JobDone(NamedTuple):
    """A package is in the archive, `seconds` after its claim."""

    name: str
    seconds: float


class JobFailed(NamedTuple):
    """A package is in the failed folder, `seconds` after its last claim."""

    name: str
    error: str
    seconds: float


class JobPutOff(NamedTuple):
    """A job will be tried again in `delay` seconds; this is said `seconds` after its claim."""

    name: str
    error: str
    delay: float
    seconds: float


class JobRecovered(NamedTuple):
    """What a dead worker was doing is in the queue again; `error` says how the worker died.

    `condemned`: the next worker only puts it in the failed folder.
    """

    name: str
    error: str
    condemned: bool
    worker_pid: int


class JobCancelled(NamedTuple):
    """A running job was cancelled: its worker was ended, and the next one puts the package in the failed folder."""

    name: str
    worker_pid: int


class ClaimGone(NamedTuple):
    """A worker found that its job had been given to another, and left it alone."""

    name: str


class GivenUp(NamedTuple):
    """A process cannot go on, for this reason, and is about to end."""

    pid: int
    error: str


class WorkerDied(NamedTuple):
    """A worker or scanner, which `role` says, ended by itself and is replaced in `delay` seconds.

    So many `times` in a row one ended soon after its start.
    """

    role: str
    pid: int
    error: str
    times: int
    delay: float


class Upgraded(NamedTuple):
    """The database got the schema of this version; `backup` is the file that holds it as it was."""

    database: str
    backup: str


class RightsSet(NamedTuple):
    """A file or folder of the home has got another mode; `was` says what had been wrong with it."""

    path: str
    was: str
    mode: int


class SettingsChanged(NamedTuple):
    """The settings file has changed since it was read; `restart`: some of that needs one, else a reload takes it over.

    `keys` names what has changed.
    """

    keys: str
    restart: bool


class SettingsRefused(NamedTuple):
    """The settings file has changed and is wrong: the settings stay as they are."""

    error: str


class SettingsTaken(NamedTuple):
    """A reload was asked for, and this is what became of it, in words."""

    outcome: str


class Unwise(NamedTuple):
    """A setting, or an option, is legal and unwise; `why` says what it leads to."""

    key: str
    why: str


class Stopping(NamedTuple):
    """A signal came: running jobs have `grace` seconds to end."""

    grace: float


class Held(NamedTuple):
    """The workers end, though so many packages are `left`: a pause without an end holds them, `since` and why."""

    left: int
    since: float
    reason: str | None


class Ended(NamedTuple):
    """The workers have ended, `seconds` after they began; so many packages were done and have failed meanwhile."""

    done: int
    failed: int
    seconds: float


class Trouble(NamedTuple):
    """Something is wrong with the machine: what needs it waits, and looks again."""

    error: str


class Mended(NamedTuple):
    """What was wrong with the machine is not any more: the work goes on."""


class Paused(NamedTuple):
    """The home is paused, and nothing is claimed. Times are seconds since 1970; without `until` a resume ends it."""

    since: float
    until: float | None
    reason: str | None


class Resumed(NamedTuple):
    """The pause is over: the work goes on."""


class NoticesHeld(NamedTuple):
    """A channel, command or webhook, does not take notices any more: each is tried again for about a day."""

    channel: str
    error: str


class NoticeGivenUp(NamedTuple):
    """A notice of this kind never got to its receiver."""

    channel: str
    kind: str
    error: str


class EventsLost(NamedTuple):
    """So many events could not be told: whoever hears them was too slow, or a disk was full."""

    lost: int


PackageEvent = JobDone | JobFailed | JobPutOff | JobRecovered | JobCancelled | ClaimGone
InboxEvent = PackagesFound | Awaited | InboxPolled | PackagesMissed
ProcessEvent = WorkersStarted | GivenUp | WorkerDied | Stopping | Held | Ended | EventsLost
HomeEvent = Upgraded | RightsSet | Trouble | Mended | Paused | Resumed | NoticesHeld | NoticeGivenUp
SettingsEvent = SettingsChanged | SettingsRefused | SettingsTaken | Unwise
Event = PackageEvent | InboxEvent | ProcessEvent | HomeEvent | SettingsEvent
