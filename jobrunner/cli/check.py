"""`jobrunner check`: compares the database with the folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from jobrunner.cli.output import complain, say, styled
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.errors import ConfigurationError, DamagedDatabase, LostDatabase, in_words
from jobrunner.domain.findings import REPAIRABLE, Finding, Findings, Kind, Rebuilt
from jobrunner.domain.package import shown
from jobrunner.domain.status import DiskUse
from jobrunner.words.phrases import counted, disk_use

EXAMPLES = ("jobrunner check", "jobrunner check --repair")

_MOST_PATHS = 20
#: Files and folders that are looked at for what they take: more than in a status, as a check takes its time anyway.
_MOST_SIZED = 100_000

#: Of each kind: what it is, and what to do about it.
_WORDS = {
    Kind.DATABASE_DAMAGED: (
        "The database is damaged",
        "stop jobrunner, then: jobrunner check --rebuild; the damaged file is kept",
    ),
    Kind.DATABASE_LOST: (
        "The database is gone, but its packages are there",
        "put the database back from a backup, or: jobrunner check --rebuild",
    ),
    Kind.CANNOT_START: (
        "jobrunner run and work do not start",
        "mend that; packages wait in the inbox meanwhile",
    ),
    Kind.ARCHIVED_WITHOUT_JOB: (
        "In the archive, but not in the database: delivered again, it would be processed again",
        "jobrunner check --repair records it as done",
    ),
    Kind.FAILED_WITHOUT_JOB: (
        "In failed/, but not in the database",
        "jobrunner check --repair records it as failed: jobrunner retry knows it then",
    ),
    Kind.WORK_WITHOUT_JOB: (
        "A package in work/ that is not in the database",
        "jobrunner check --repair queues it: its next attempt goes on from there",
    ),
    Kind.WORK_WITHOUT_NAME: (
        "A package in work/ that is not in the database, and whose name is not known",
        "move the package/ (or copied/) in it to inbox/NAME",
    ),
    Kind.SECOND_IN_WORK: (
        "A package in work/ whose job has ended or goes on elsewhere",
        "compare it with the one in archive/ or failed/, then move it out of work/",
    ),
    Kind.LEFTOVER_IN_WORK: (
        "Left over in work/; no package is in it",
        "jobrunner check --repair removes it",
    ),
    Kind.UNKNOWN_IN_WORK: (
        "Unknown files in work/",
        "move them away: jobrunner uses work/ alone",
    ),
    Kind.LEFTOVER_IN_INBOX: (
        "A sender's folder in the inbox, or a part of it, whose copy is in archive/ or failed/",
        "jobrunner check --repair removes it, and so does the next start",
    ),
    Kind.COPIED_WITHOUT_JOB: (
        "A sender's folder in the inbox that has been copied, but no job goes on with the copy",
        "if the package is in archive/ or failed/, delete this one; else rename it to NAME, and it is delivered again",
    ),
    Kind.QUEUED_WITHOUT_PACKAGE: (
        "Queued, but the package is nowhere",
        "deliver it again, or give it up: jobrunner cancel NAME",
    ),
    Kind.FAILED_WITHOUT_PACKAGE: (
        "Failed, but the package is not in failed/ any more",
        "put it back or deliver it again; if it was removed on purpose: jobrunner retry NAME, and it fails for good",
    ),
    Kind.ARCHIVED_NOT_DONE: (
        "In the archive, but its job is not done",
        "compare the two and move the archived one away, then: jobrunner retry NAME",
    ),
    Kind.WORKER_DEAD: (
        "Running, but the worker is dead, and no jobrunner runs that would recover the job",
        "start jobrunner run or work, which recovers it, or: jobrunner check --repair",
    ),
    Kind.RUNNING_WITHOUT_WORKER: (
        "Running, but its worker has ended without it",
        "jobrunner check --repair queues it again",
    ),
    Kind.LEFTOVER_LOCK: (
        "A lock of a process that is dead",
        "jobrunner check --repair removes it, and so does the next start",
    ),
}

#: What lies in no folder of packages: `reason` says what is wrong.
_WITHOUT_A_PLACE = {Kind.DATABASE_DAMAGED, Kind.DATABASE_LOST, Kind.CANNOT_START}

_REPAIRED = {
    Kind.ARCHIVED_WITHOUT_JOB: "recorded as done",
    Kind.FAILED_WITHOUT_JOB: "recorded as failed",
    Kind.WORK_WITHOUT_JOB: "queued",
    Kind.LEFTOVER_IN_WORK: "removed",
    Kind.LEFTOVER_IN_INBOX: "removed",
    Kind.WORKER_DEAD: "recovered",
    Kind.RUNNING_WITHOUT_WORKER: "queued again",
    Kind.LEFTOVER_LOCK: "removed",
}


def command(
    context: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is safe to mend; no package is deleted.")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make a new database from the folders where it is lost or damaged.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare the database with the folders, and list each difference.

    With each one stands what to do about it.
    """
    from jobrunner.wiring.checking import checking, rebuilding, repairing
    from jobrunner.wiring.configuring import warnings
    from jobrunner.wiring.home import load_settings, open_home

    if repair and rebuild:
        raise ConfigurationError("say --repair or --rebuild: a new database agrees with the folders")
    settings = load_settings(context.obj)
    for warning in warnings(settings):
        complain(str(warning))
    rebuilt = rebuilding(settings, emit_of_command()).rebuild() if rebuild else None
    repaired: list[Finding] = []
    disk: DiskUse | None = None
    try:
        with open_home(settings, emit_of_command()) as home:
            findings, disk = checking(home).check(), home.report.disk_use(_MOST_SIZED)
            if repair and findings.differences:
                for finding, error in repairing(home).repair(findings.differences):
                    place = _place(finding, settings.home)
                    if error:
                        complain(f"{place} cannot be mended ({in_words(error)}): mend it as a user who may")
                        continue
                    repaired.append(finding)
                    if not as_json:
                        say(f"{place}  {_REPAIRED[finding.kind]}")
                findings = checking(home).check()
    except DamagedDatabase as error:
        findings = Findings([Finding(Kind.DATABASE_DAMAGED, str(settings.database_path), reason=error.reason)])
    except LostDatabase as error:
        findings = Findings([Finding(Kind.DATABASE_LOST, str(settings.database_path), reason=error.reason)])
    if as_json:
        from jobrunner.cli.json_output import print_json
        from jobrunner.documents.status import disk_document

        print_json(_document(findings, repaired, rebuilt) | {"disk": disk and disk_document(disk)})
    else:
        _print(findings, rebuilt, settings.home)
        if disk:
            if findings.differences or findings.gone:
                say()
            say(styled(f"On the disk: {disk_use(disk)}.", dim=True))
    raise typer.Exit(int(bool(findings.differences)))


def _print(findings: Findings, rebuilt: Rebuilt | None, home: Path) -> None:
    if rebuilt:
        counts = ", ".join(f"{count:,} {state}" for state, count in rebuilt.counts.items() if count) or "no jobs"
        say(f"The database is new: {counts}. The history of attempts is lost.")
        if rebuilt.kept_as:
            say(f"The old one is kept as {shown(rebuilt.kept_as)}.")
    kinds = dict.fromkeys(finding.kind for finding in findings.differences)
    between = sum(finding.kind not in _WITHOUT_A_PLACE for finding in findings.differences)
    if between:
        say(styled(f"{counted(between, 'difference')} between the database and the folders.", bold=True))
    elif not kinds:
        say(f"All is well: the database and the folders agree on {counted(findings.jobs, 'job')}.")
    for kind in kinds:
        what, advice = _WORDS[kind]
        found = [finding for finding in findings.differences if finding.kind is kind]
        say()
        say(styled(what, fg="yellow", bold=True))
        for finding in found[:_MOST_PATHS]:
            say(f"  {_place(finding, home)}")
        if len(found) > _MOST_PATHS:
            say(styled(f"  … and {len(found) - _MOST_PATHS:,} more: jobrunner check --json has all", dim=True))
        say(styled(f"  → {advice}", dim=True))
    if findings.gone:
        say()
        say(styled(f"{counted(findings.gone, 'package')} done and taken out of the archive: no difference.", dim=True))


def _place(finding: Finding, home: Path) -> str:
    path = Path(finding.path)
    place = shown(str(path.relative_to(home) if path.is_relative_to(home) else path))
    if finding.kind in _WITHOUT_A_PLACE:
        return f"{place}  {finding.reason}"
    return place if finding.name in {None, path.name} else f"{place}  {shown(finding.name or '')}"


def _document(findings: Findings, repaired: Sequence[Finding], rebuilt: Rebuilt | None) -> dict[str, Any]:
    return {
        "jobs": findings.jobs,
        "gone_from_archive": findings.gone,
        "rebuilt": rebuilt and {"counts": rebuilt.counts, "kept_as": rebuilt.kept_as},
        "repaired": [_entry(finding) for finding in repaired],
        "differences": [
            _entry(finding) | {"repairable": finding.kind in REPAIRABLE, "advice": _WORDS[finding.kind][1]}
            for finding in findings.differences
        ],
    }


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "path": finding.path,
        "name": finding.name,
        "what": _WORDS[finding.kind][0],
        "detail": finding.reason or "",
        "state": finding.state,
    }
