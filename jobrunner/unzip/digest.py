"""The SHA-256 of a zip, made while it is extracted: by a second thread, unless the zip is small."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event

from jobrunner.unzip.bytes import ZipBytes

_PIECE = 1 << 20
#: Bytes of a zip from which on a thread costs less time than it saves, where a processor is idle.
_LARGE = 1 << 20


@contextmanager
def digest_of(file: ZipBytes) -> Iterator[Callable[[], str]]:
    """Yield what returns the SHA-256 of all of a zip, in hexadecimal digits; it may have to wait. Raises OSError."""
    if file.size <= _LARGE:
        yield lambda: _sha256(file, lambda: False)
        return
    given_up = Event()
    made: Callable[[], str] = partial(_sha256, file, given_up.is_set)
    with ThreadPoolExecutor(1) as thread:
        with suppress(RuntimeError):  # there is none to be had: it is made when it is asked for
            made = thread.submit(made).result
        try:
            yield made
        finally:
            given_up.set()


def _sha256(file: ZipBytes, is_given_up: Callable[[], bool]) -> str:
    """Return the digest of what a zip holds, or of less where that is not wanted any more."""
    digest, offset = hashlib.sha256(), 0
    while offset < file.size and not is_given_up():
        piece = file.read(offset, _PIECE)
        if not piece:
            break
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()
