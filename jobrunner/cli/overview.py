"""How things stand, in lines for people: the most important first."""

from collections.abc import Iterable, Iterator, Sequence

from jobrunner.cli.columns import padded, width_of
from jobrunner.cli.output import Line, Styled, styled
from jobrunner.cli.sections import Room, Row, Section, height, laid_out
from jobrunner.domain.package import shown
from jobrunner.domain.status import Delivery, Runner, Status
from jobrunner.domain.values import in_bytes
from jobrunner.words.phrases import TINTS, age, disk_use, estimate, pause, slots, soon, step, undelivered
from jobrunner.words.times import short

_LABEL = 10
_GAP = "  "
#: Rows of each list that may be shown, and the columns that a name is given at most before what follows it.
_MOST = 200
_WIDEST = 32
_MOST_RUNNERS = 3
_ALL = "jobrunner status --json"


def overview(status: Status, room: Room) -> list[Line]:
    """Return how things stand, in as many lines as there is room for."""
    disk = _labelled("disk", disk_use(status.disk))
    foot: list[Line] = [[""], disk]
    left = room if room.lines is None else room._replace(lines=room.lines - sum(height(line, room) for line in foot))
    head = list(_head(status))
    lines = laid_out(head, _sections(status), left)
    return [*lines, *(foot if len(lines) > len(head) else [disk])]


def _head(status: Status) -> Iterator[Line]:
    if status.pause:
        words = f"Paused {pause(status.pause, status.now)}."
        yield [styled(words, fg="yellow", bold=True), " jobrunner resume"]
    yield from _who_works(status)
    for trouble in status.troubles:
        yield _labelled("trouble", trouble, fg="red", bold=True)
    if status.troubles:
        yield _labelled("", styled("What waits for this goes on by itself once it is mended.", dim=True))
    for line in undelivered(status.notices, status.now):
        yield _labelled("notices", line, fg="red", bold=True)
    yield _labelled("packages", *_counts(status))
    yield _labelled("pace", _pace(status))
    if status.oldest:
        waited = age(status.now - status.oldest.since)
        yield _labelled("oldest", f"{shown(status.oldest.job.name)} has been in the queue for {waited}")
    if status.survey.unseen:
        yield _labelled("inbox", f"it holds so much that some {status.survey.unseen:,} more were not looked at")


def _labelled(label: str, *parts: str | Styled, **style: object) -> Line:
    return [styled(f"{label:<{_LABEL}}", **(style or {"dim": True})), *parts]


def _who_works(status: Status) -> Iterator[Line]:
    """Say who works here, and for how long; of those whose workers die, how the last one did."""
    if not status.runners:
        yield [styled("Nothing is running: jobrunner run -n 3", fg="yellow", bold=True)]
    for runner in status.runners[:_MOST_RUNNERS]:
        is_whole = runner.alive >= runner.workers
        yield _labelled(
            "scanning" if runner.command == "scan" else "working",
            styled(_workers(runner), fg=None if is_whole else "red"),
            f"since {short(runner.started_at, status.now)} ({age(status.now - runner.started_at)}), pid {runner.pid}",
        )
        if deaths := runner.deaths:
            yield _labelled(
                "dying",
                f"{deaths.total:,} since {short(deaths.since, status.now)}, each is replaced; the newest "
                f"{age(status.now - deaths.newest_at)} ago: {deaths.newest}",
                fg="red",
                bold=True,
            )
        if runner.settings_changed:
            yield _labelled(
                "settings",
                f"jobrunner.toml is another one than pid {runner.pid} runs with: jobrunner reload",
                fg="yellow",
            )
        if runner.missed:
            yield _labelled("missed", f"the watch of the inbox missed {runner.missed:,}, which its rescans found")
    if (more := len(status.runners) - _MOST_RUNNERS) > 0:
        yield _labelled("", f"… and {more:,} more: {_ALL}")
    commands = {runner.command for runner in status.runners}
    if commands == {"scan"}:
        yield [styled("No worker is running: jobrunner work -n 3", fg="yellow", bold=True)]
    elif commands == {"work"}:
        yield _labelled("", styled("No scanner is running: jobrunner scan --watch queues what arrives.", dim=True))


def _workers(runner: Runner) -> str:
    """Return what goes on, with a space behind it: how many workers are alive, and whether it scans."""
    if runner.command == "scan":
        return ""
    some = f"{runner.workers:,} worker{'s' * (runner.workers != 1)}"
    return (some if runner.alive >= runner.workers else f"{runner.alive:,} of {some}") + (
        " and the scanner " if runner.command == "run" else " "
    )


def _counts(status: Status) -> Iterator[str | Styled]:
    interrupted = len(status.interrupted)
    numbers = dict(status.counts, running=max(status.counts["running"] - interrupted, 0))
    if interrupted:
        numbers["interrupted"] = interrupted
    for place, (state, number) in enumerate(numbers.items()):
        yield _GAP * bool(place)
        if number:
            yield from (styled(f"{number:,}", bold=True), " ", styled(state, fg=TINTS[state]))
        else:
            yield styled(f"0 {state}", dim=True)


def _pace(status: Status) -> str:
    done = f"{status.done_last_hour:,} done in the last hour, {status.done_last_minute:,} in the last minute"
    return done if status.seconds_left is None else f"{done}; the queue takes {estimate(status.seconds_left)}"


def _sections(status: Status) -> Iterator[Section]:
    survey = status.survey
    yield Section("Running", len(status.running), _running(status), _ALL, tint="blue")
    yield Section(
        "Nodes", len(status.nodes), _named([(node.name, slots(node, status)) for node in status.nodes[:_MOST]]), _ALL
    )
    yield Section(
        "Left by dead workers",
        len(status.interrupted),
        _named(
            [
                (entry.job.name, f"attempt {entry.job.attempt}, by worker {entry.worker_pid}, which is dead")
                for entry in status.interrupted[:_MOST]
            ]
        ),
        _ALL,
        [f"queued again {'in a moment' if any(each.workers for each in status.runners) else 'at the next start'}"],
        "magenta",
    )
    yield Section(
        "Waiting for another try",
        status.counts["waiting"],
        _named(
            [
                (job.name, f"{soon((job.not_before_at or status.now) - status.now)}: {job.error or ''}")
                for job in status.waiting[:_MOST]
            ]
        ),
        "jobrunner list --state waiting",
        tint="yellow",
    )
    yield _failed(status)
    for title, deliveries, tint, hints in (
        ("Incomplete deliveries", survey.incomplete, "yellow", ()),
        ("Duplicates", survey.duplicates, "yellow", ("held in the inbox: their names are known already",)),
        ("New, not scanned yet", survey.new, "cyan", ("jobrunner scan queues them",)),
    ):
        rows = _named([(each.name, _delivery(each, status.now)) for each in deliveries[:_MOST]])
        yield Section(title, len(deliveries), rows, _ALL, hints, tint)
    yield Section(
        "Look alike, but are two packages",
        len(status.lookalikes),
        _named([(name, f"looks like {shown(other)}") for name, other in status.lookalikes[:_MOST]]),
        _ALL,
        ["was one of them sent twice?"],
        "yellow",
    )
    yield Section(
        "Left over",
        len(status.left_over),
        [Row([shown(path)]) for path in status.left_over[:_MOST]],
        _ALL,
        ["not ours to remove: remove it as a user who may, and unmount what is mounted there"],
        "yellow",
    )


def _named(pairs: Sequence[tuple[str, str]]) -> list[Row]:
    """Return rows of a name and a text; the texts stand below each other, unless a name is very long."""
    column = _column(name for name, _ in pairs)
    return [Row([padded(shown(name), column), _GAP], text) for name, text in pairs]


def _column(names: Iterable[str]) -> int:
    return min(max((width_of(shown(name)) for name in names), default=0), _WIDEST)


def _running(status: Status) -> list[Row]:
    entries = status.running[:_MOST]
    column = _column(entry.job.name for entry in entries)
    steps = [step(entry) for entry in entries]
    longest = max(map(len, steps), default=0)
    lengths = [f"for {age(entry.seconds)}" for entry in entries]
    longest_length = max(map(len, lengths), default=0)
    return [
        Row(
            [padded(shown(entry.job.name), column), _GAP],
            f"{what:<{longest}}{_GAP * bool(longest)}{length:<{longest_length}}{_GAP}{entry.place}"
            + (f", attempt {entry.job.attempt}" if entry.job.attempt > 1 else ""),
        )
        for entry, what, length in zip(entries, steps, lengths, strict=True)
    ]


def _failed(status: Status) -> Section:
    """Return the failures of the last day by their reasons; where that day has none, how many there are."""
    failures, failed = status.failures, status.counts["failed"]
    widest = len(f"{max((group.total for group in failures.groups), default=0):,}")
    rows = [
        Row(
            [styled(f"{group.total:>{widest},}", bold=True), "x "],
            group.reason,
            f"{_GAP}({shown(group.newest.name)}, {short(group.newest.finished_at or status.now, status.now)})",
        )
        for group in failures.groups[:_MOST]
    ]
    has_more = failures.total + failures.cancelled == len(status.failed) < failed
    hints = [
        *[f"and {failures.cancelled:,} cancelled"] * bool(failures.cancelled),
        *["and more"] * has_more,
        "jobrunner list --state failed names each",
        "jobrunner retry NAME",
    ]
    return Section(
        "Failed in the last day" if rows else "Failed, but not in the last day",
        failures.total if rows else failed - failures.cancelled,
        rows,
        _ALL,
        hints,
        "red",
        len(failures.groups),
    )


def _delivery(delivery: Delivery, now: float) -> str:
    """Return for how long a delivery has been as it is, what it lacks, and how much it holds."""
    contents = delivery.contents
    if contents is None:
        return delivery.lacking or ""
    files = f"{contents.files:,} file{'s' * (contents.files != 1)}" + " and more" * (not contents.is_all)
    held = f" ({files}, {in_bytes(contents.size)})" if contents.files else ""
    lacking = f": {delivery.lacking}" if delivery.lacking else ""
    return f"for {age(now - contents.changed_at)}{lacking}{held}"
