"""Writes the receipt of a package whose handler has succeeded."""

import os
import socket
import time
from collections.abc import Sequence

from jobrunner.domain.receipt import Handling, text_of
from jobrunner.files import receipts
from jobrunner.services.attempt import CurrentAttempt


class Receipting:
    """So the archive explains itself, without the database."""

    def __init__(self, handler: Sequence[str] | str | None) -> None:
        """`handler` is the command or the callable of the settings, None without one."""
        self._handler = handler
        self._host = socket.gethostname()

    def write(self, attempt: CurrentAttempt) -> None:
        """Write the receipt into the data folder, which is going to the archive. Raises OSError."""
        job, details, now = attempt.job, attempt.details, time.time()
        handling = Handling(
            attempt=job.attempt,
            worker_pid=os.getpid(),
            host=self._host,
            queued_at=job.created_at,
            started_at=now - (time.monotonic() - attempt.began),
            handled_at=now,
            extract_seconds=details.extract,
            handle_seconds=details.handle,
            handler=self._handler,
            node=details.node,
            encoding=details.encoding,
            package_bytes=attempt.size,
        )
        text = text_of(job.identity, attempt.zip, attempt.sender_files, handling)
        receipts.write(attempt.workspace.data, text, attempt.sender_files)
