"""The document of `status`."""

from typing import Any

from jobrunner.documents.pause import pause_document
from jobrunner.documents.progress import extracted_document, progress_document
from jobrunner.documents.times import utc
from jobrunner.domain.notice import Undelivered
from jobrunner.domain.status import Delivery, DiskUse, Status


def disk_document(use: DiskUse) -> dict[str, Any]:
    """Return what the parts of a home take, in bytes; None for what may not be looked into."""
    return {
        part: taken and {"bytes": taken.size, "is_all": taken.is_all, "free": taken.free}
        for part, taken in use._asdict().items()
    }


def status_document(status: Status) -> dict[str, Any]:
    """Return how things stand; times are ISO 8601 in UTC, lengths in seconds."""
    return {
        "runners": [
            {
                "command": runner.command,
                "pid": runner.pid,
                "started_at": utc(runner.started_at),
                "workers": runner.workers,
                "alive": runner.alive,
                "deaths": runner.deaths
                and {
                    "count": runner.deaths.total,
                    "since": utc(runner.deaths.since),
                    "newest_at": utc(runner.deaths.newest_at),
                    "newest": runner.deaths.newest,
                },
                "settings_changed": runner.settings_changed,
                "missed": runner.missed,
            }
            for runner in status.runners
        ],
        "paused": pause_document(status.pause),
        "counts": status.counts,
        "troubles": list(status.troubles),
        "throughput": {"last_minute": status.done_last_minute, "last_hour": status.done_last_hour},
        "seconds_left": status.seconds_left and round(status.seconds_left),
        "oldest": status.oldest and {"name": status.oldest.job.name, "queued_at": utc(status.oldest.since)},
        "running": [
            {
                "name": entry.job.name,
                "attempt": entry.job.attempt,
                "worker_pid": entry.worker_pid,
                "node": entry.node,
                "started_at": utc(entry.started_at),
                "seconds": round(entry.seconds, 3),
                "step": entry.step,
                "extracted": extracted_document(entry.progress),
                "progress": progress_document(entry.progress),
            }
            for entry in status.running
        ],
        "interrupted": [
            {
                "name": entry.job.name,
                "attempt": entry.job.attempt,
                "worker_pid": entry.worker_pid,
                "started_at": utc(entry.started_at),
            }
            for entry in status.interrupted
        ],
        "waiting": [
            {"name": job.name, "not_before_at": utc(job.not_before_at), "error": job.error} for job in status.waiting
        ],
        "failed": [
            {
                "name": job.name,
                "verdict": job.verdict and job.verdict.value,
                "error": job.error,
                "failed_at": utc(job.finished_at),
                "folder": job.failed_name,
            }
            for job in status.failed
        ],
        "failures": {
            "since": utc(status.failures.since),
            "count": status.failures.total,
            "cancelled": status.failures.cancelled,
            "reasons": [
                {
                    "reason": group.reason,
                    "count": group.total,
                    "newest": group.newest.name,
                    "newest_at": utc(group.newest.finished_at),
                }
                for group in status.failures.groups
            ],
        },
        "duplicates": [{"name": each.name, "holds": _contents(each)} for each in status.survey.duplicates],
        "incomplete": [
            {"name": each.name, "reason": each.lacking, "holds": _contents(each)} for each in status.survey.incomplete
        ],
        "new": [{"name": each.name, "holds": _contents(each)} for each in status.survey.new],
        "unseen": status.survey.unseen,
        "lookalikes": [{"name": name, "looks_like": other} for name, other in status.lookalikes],
        "left_over": [{"path": path} for path in status.left_over],
        "disk": disk_document(status.disk),
        "notices": _notices(status.notices),
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "slots": node.slots,
                "running": status.runs_on(node),
                "since": utc(node.since_at),
                "trouble": node.trouble,
            }
            for node in status.nodes
        ],
    }


def _contents(delivery: Delivery) -> dict[str, Any] | None:
    """Return what a delivery holds, None where it was not looked into."""
    contents = delivery.contents
    return contents and {
        "files": contents.files,
        "bytes": contents.size,
        "changed_at": utc(contents.changed_at),
        "is_all": contents.is_all,
    }


def _notices(undelivered: Undelivered) -> dict[str, Any]:
    """Return which notices wait, by the way that they go, and which were given up."""
    return {
        "waiting": [
            {"channel": each.channel, "count": each.total, "since": utc(each.since), "error": each.error}
            for each in undelivered.waiting
        ],
        "given_up": {
            "count": undelivered.given_up_count,
            "newest": [each._asdict() | {"given_up_at": utc(each.given_up_at)} for each in undelivered.given_up],
        },
    }
