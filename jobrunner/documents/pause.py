"""The part of documents that says whether the home is paused."""

from typing import Any

from jobrunner.documents.times import utc
from jobrunner.domain.pause import Pause


def pause_document(pause: Pause | None) -> dict[str, Any] | None:
    """Return since when, until when (None: until a resume) and why there is a pause; None where there is none."""
    return pause and {"since": utc(pause.since), "until": utc(pause.until), "reason": pause.reason}
