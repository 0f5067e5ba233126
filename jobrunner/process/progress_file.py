"""The progress of a callable: written into a file for whoever asks, at no cost that its handler would notice."""

import os
import time
from contextlib import suppress

from jobrunner.domain.progress import LONGEST, line_of

#: Seconds for which a change of less than one part in `_PARTS` is not written.
_PAUSE = 0.25
_PARTS = 100
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class ProgressFile:
    """A file that says how far a handler is. It is not made before there is something to say."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._said: tuple[float, float | None, str] = (-1.0, None, "")
        self._due_at = 0.0

    def tell(self, done: float, total: float | None, text: str) -> None:
        """Write how far it is, unless that is what was written last but for a little: then it can wait for the next.

        Nothing that is wrong here is a reason for a handler to fail.
        """
        with suppress(Exception):
            now = time.monotonic()
            if now < self._due_at and not self._is_news(done, total, text):
                return
            self._said, self._due_at = (done, total, text), now + _PAUSE
            file = os.open(self._path, _FLAGS, 0o600)
            try:
                os.write(file, line_of(done, total, text).ljust(LONGEST))  # in place: it is whole whenever it is read
            finally:
                os.close(file)

    def _is_news(self, done: float, total: float | None, text: str) -> bool:
        said, its_total, its_text = self._said
        return (
            text != its_text or total != its_total or done == total or abs(done - said) * _PARTS >= (total or abs(done))
        )
