"""The document of one event."""

import os
from typing import Any

from jobrunner.documents.times import utc
from jobrunner.domain.envelope import Envelope
from jobrunner.domain.role import Role


def event_document(envelope: Envelope, message: str) -> dict[str, Any]:
    """Return an event with what it says to people; each has all keys, with None where one does not apply."""
    values = envelope.event._asdict()
    return {
        "time": utc(envelope.emitted_at),
        "level": envelope.level.name.lower(),
        "event": envelope.name,
        "package": values.get("name"),
        "job": envelope.job_id,
        "attempt": envelope.attempt,
        "worker": _worker(envelope, values),
        "node": os.uname().nodename,
        "seconds": round(values["seconds"], 3) if "seconds" in values else None,
        "error": values.get("error"),
        "message": message,
    }


def _worker(envelope: Envelope, values: dict[str, Any]) -> int | None:
    """Return the process of the worker that an event concerns, else of the one that tells it."""
    if "worker_pid" in values:
        return int(values["worker_pid"])
    if values.get("role") == Role.WORKER:
        return int(values["pid"])
    return envelope.pid if envelope.role is Role.WORKER else None
