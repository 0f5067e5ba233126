"""The bytes of a zip, by their place in the file."""

import errno
import io
import os
from typing import BinaryIO

from jobrunner.domain.errors import PackageError

#: Bytes: an end record, the longest comment, and zeros behind it, as tapes and block devices have them.
TAIL = 22 + 0xFFFF + 0x10000
_BUFFER = 1 << 18


class ZipBytes:
    """An open zip of `size` bytes. Its end, where it lists what it holds, is read once; of a small zip, that is all."""

    def __init__(self, descriptor: int, size: int) -> None:
        """Raises PackageError where the file is shorter than that by now, OSError."""
        self.size = size
        self._descriptor = descriptor
        self._tail_start = max(size - TAIL, 0)
        self.tail = b""
        self.tail = self.exactly(self._tail_start, size - self._tail_start)

    def filled(self) -> int:
        """Return how many bytes of the file are no hole: as many as a sender had to send. Raises OSError."""
        filled = end = 0
        while end < self.size:
            try:
                start = os.lseek(self._descriptor, end, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no more data
                    break
                raise
            end = os.lseek(self._descriptor, start, os.SEEK_HOLE)
            filled += end - start
        return filled

    def read(self, offset: int, length: int) -> bytes:
        """Return at most so many bytes from a place on; none at the end of the file. Raises OSError."""
        start = offset - self._tail_start
        if 0 <= start < len(self.tail):
            return self.tail[start : start + length]
        return os.pread(self._descriptor, length, offset)

    def exactly(self, offset: int, length: int) -> bytes:
        """Return so many bytes from a place on. Raises PackageError where the file ends before, OSError."""
        data = self.read(offset, length)
        while len(data) < length:
            more = os.pread(self._descriptor, length - len(data), offset + len(data))
            if not more:
                raise PackageError("its zip ends in the middle: it is cut short")
            data += more
        return data

    def stream(self, offset: int) -> BinaryIO:
        """Return a file that reads from a place on."""
        if offset >= self._tail_start:
            return io.BytesIO(self.tail[offset - self._tail_start :])
        file = io.BufferedReader(io.FileIO(self._descriptor, closefd=False), _BUFFER)
        file.seek(offset)
        return file
