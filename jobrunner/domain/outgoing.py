"""Lines on their way out. Writing one never waits: what cannot be written yet is kept, as far as there is room."""

from collections import deque
from collections.abc import Callable

#: Bytes: some ten thousand lines.
_MOST = 2**20


class Outgoing:
    """Lines for one stream or file, which are written whole and in their order."""

    def __init__(self, write: Callable[[bytes], int], most: int = _MOST) -> None:
        """`write` returns how many bytes it wrote; it raises BlockingIOError where it would have to wait, OSError.

        `most`: so many bytes are kept of what is not written yet.
        """
        self._write = write
        self._most = most
        self._kept: deque[bytes] = deque()
        self._size = 0
        #: Why nothing can be written now, None where nothing is wrong but that a reader is slow.
        self.fault: OSError | None = None

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._kept)

    def put(self, line: bytes) -> bool:
        """Write a line or keep it; return False where there is no room for it, so that it is lost."""
        self.flush()
        if self._kept and self._size + len(line) > self._most:
            return False
        self._kept.append(line)
        self._size += len(line)
        self.flush()
        return True

    def flush(self) -> None:
        """Write what is kept, as far as that is possible now."""
        try:
            while self._kept:
                line = self._kept[0]
                written = self._write(line)
                self._size -= written
                if written < len(line):
                    self._kept[0] = line[written:]
                else:
                    self._kept.popleft()
            self.fault = None
        except BlockingIOError:
            self.fault = None
        except OSError as error:
            self.fault = error

    def forget(self) -> None:
        """Keep nothing any more: it is another process's to write."""
        self._kept.clear()
        self._size = 0
