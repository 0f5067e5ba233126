"""The document of one job."""

from typing import Any

from jobrunner.documents.progress import progress_document
from jobrunner.documents.times import utc
from jobrunner.domain.status import Story


def story_document(story: Story) -> dict[str, Any]:
    """Return a job with its attempts, where its package lies and where its logs are; times are ISO 8601 in UTC."""
    job, kept, running = story.job, {each.attempt: each for each in story.kept}, story.running
    return {
        "name": job.name,
        "package": job.package,
        "revision": job.revision,
        "source": job.source,
        "state": job.state.value,
        "verdict": job.verdict and job.verdict.value,
        "error": job.error,
        "created_at": utc(job.created_at),
        "finished_at": utc(job.finished_at),
        "not_before_at": utc(job.not_before_at),
        "failures": job.failures,
        "crashes": job.crashes,
        "interruptions": job.interruptions,
        "package_path": story.package_path,
        "step": running and running.step,
        "node": running and running.node,
        "progress": progress_document(running and running.progress),
        "attempts_pruned_at": utc(story.pruned_at.attempts),
        "logs_pruned_at": utc(story.pruned_at.logs),
        "attempts": [
            {
                "number": attempt.number,
                "worker_pid": attempt.worker_pid,
                "waited_seconds": waited,
                "started_at": utc(attempt.started_at),
                "ended_at": utc(attempt.ended_at),
                "outcome": attempt.outcome and attempt.outcome.value,
                "error": attempt.error,
                "extract_seconds": attempt.extract_seconds,
                "handle_seconds": attempt.handle_seconds,
                "archive_seconds": attempt.archive_seconds,
                "encoding": attempt.encoding,
                "node": attempt.node,
                "log_path": story.log_paths.get(attempt.number),
                "kept_path": kept[attempt.number].path if attempt.number in kept else None,
                "kept_until": utc(kept[attempt.number].until) if attempt.number in kept else None,
            }
            for attempt, waited in zip(story.attempts, story.waits, strict=True)
        ],
        "changes": [{"at": utc(each.at), "who": each.who, "action": each.action.value} for each in story.changes],
        "revisions": [
            {
                "name": revision.name,
                "revision": revision.revision,
                "source": revision.source,
                "state": revision.state.value,
                "verdict": revision.verdict and revision.verdict.value,
                "error": revision.error,
                "created_at": utc(revision.created_at),
                "finished_at": utc(revision.finished_at),
            }
            for revision in story.revisions
        ],
    }
