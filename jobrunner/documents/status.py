"""The document of `status`."""

from typing import Any

from jobrunner.documents.progress import extracted_document, progress_document
from jobrunner.documents.times import utc
from jobrunner.domain.status import Status


def status_document(status: Status) -> dict[str, Any]:
    """Return how things stand; times are ISO 8601 in UTC, lengths in seconds."""
    return {
        "counts": status.counts,
        "troubles": list(status.troubles),
        "throughput": {"last_minute": status.done_last_minute, "last_hour": status.done_last_hour},
        "running": [
            {
                "name": entry.job.name,
                "attempt": entry.job.attempt,
                "worker_pid": entry.worker_pid,
                "started_at": utc(entry.started_at),
                "seconds": round(entry.seconds, 3),
                "extracted": extracted_document(entry.progress),
                "progress": progress_document(entry.progress),
            }
            for entry in status.running
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
        "duplicates": [{"name": name} for name in status.survey.duplicates],
        "incomplete": [{"name": delivery.name, "reason": delivery.lacking} for delivery in status.survey.incomplete],
        "new": [{"name": name} for name in status.survey.new],
        "unseen": status.survey.unseen,
        "lookalikes": [{"name": name, "looks_like": other} for name, other in status.lookalikes],
        "left_over": [{"path": path} for path in status.left_over],
    }
