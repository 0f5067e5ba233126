"""The document of one job in a list."""

from typing import Any

from jobrunner.documents.progress import progress_document
from jobrunner.documents.times import utc
from jobrunner.domain.filters import ListedJob, Standing


def listed_document(listed: ListedJob) -> dict[str, Any]:
    """Return a job in a list; times are ISO 8601 in UTC. What was cancelled has failed, as its verdict says."""
    job = listed.job
    return {
        "name": job.name,
        "state": Standing.FAILED.value if listed.standing is Standing.CANCELLED else listed.standing.value,
        "verdict": job.verdict and job.verdict.value,
        "reached_at": utc(listed.reached_at),
        "created_at": utc(job.created_at),
        "not_before_at": utc(job.not_before_at),
        "attempts": job.attempt,
        "progress": progress_document(listed.progress),
        "node": listed.node,
        "error": job.error,
    }
