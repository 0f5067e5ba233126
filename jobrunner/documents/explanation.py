"""The document of `explain`."""

from typing import Any

from jobrunner.documents.pause import pause_document
from jobrunner.documents.progress import extracted_document, progress_document
from jobrunner.documents.times import utc
from jobrunner.domain.explanation import AtWork, Elsewhere, Explanation, InInbox, OfJob, Unknown


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """Return an answer: its name and kind, and what is known beside; times are ISO 8601 in UTC, lengths in seconds."""
    document = {"name": explanation.name, "kind": explanation.kind.value}
    match explanation:
        case InInbox(_, delivery, path, at_work, changed_at, becomes, beside, known, comparison):
            return document | {
                "path": path,
                "reason": delivery.lacking,
                "found": list(delivery.found),
                "becomes": becomes,
                "beside": beside,
                "changed_at": utc(changed_at),
                "unchanged_seconds": delivery.unchanged and round(delivery.unchanged[0], 3),
                "settle_seconds": delivery.unchanged and delivery.unchanged[1],
                "at_work": _at_work(at_work),
                "job": known and explanation_document(known),
                "comparison": comparison and comparison._asdict(),
            }
        case OfJob():
            return document | _of_job(explanation)
        case Elsewhere(_, _, path, known):
            return document | {"path": path, "job": known and explanation_document(known)}
        case Unknown(_, close, searched, unread):
            return document | {"close": list(close), "searched": list(searched), "unread": list(unread)}


def _of_job(explanation: OfJob) -> dict[str, Any]:
    job, running = explanation.story.job, explanation.running
    logs = explanation.story.log_paths
    return {
        "state": job.state.value,
        "verdict": job.verdict and job.verdict.value,
        "since": utc(explanation.since),
        "path": explanation.story.package_path,
        "error": job.error,
        "log_path": logs[max(logs)] if logs else None,
        "attempts": job.attempt,
        "failures": job.failures,
        "max_attempts": explanation.max_attempts,
        "ahead": explanation.ahead,
        "not_before_at": utc(job.not_before_at),
        "running": running
        and {
            "worker_pid": running.worker_pid,
            "node": running.node,
            "seconds": round(running.seconds, 3),
            "step": running.step and running.step.value,
            "extracted": extracted_document(running.progress),
            "progress": progress_document(running.progress),
        },
        "at_work": _at_work(explanation.at_work),
    }


def _at_work(at_work: AtWork) -> dict[str, Any]:
    return {
        "workers": at_work.workers,
        "troubles": list(at_work.troubles),
        "paused": pause_document(at_work.pause),
    }
