"""Which deliveries lacked something when the inbox was last looked at, in eight bytes each: there may be millions."""

import os
from array import array
from bisect import bisect_left

#: So many are looked at in each pass, whatever the times of their folders are; of more, those whose turn it is.
MOST_LOOKED_AT = 10_000
#: Seconds in which a folder may change twice without a new time: FAT's times have this grain, all others less.
_GRAIN = 2.0
_BUCKETS = 64
_HALF = 0xFFFF_FFFF
_UPPER_HALF = 0xFFFF_FFFF_0000_0000
_UNKNOWN = 0  # a mark that no folder has


class Lacking:
    """The names that were noted in the last pass over the inbox, each with a mark that its folder had.

    A name is known by 38 bits of its hash: another one is taken for it once in 10**11.
    """

    def __init__(self) -> None:
        self._last = _buckets()
        self._noted = _buckets()
        self._passes = 0
        self._turns = 1

    def begin(self) -> None:
        """Begin a pass. What was noted in one that was broken off is forgotten."""
        self._noted = _buckets()

    def end(self) -> None:
        """End a pass: what was noted in it is what is known from now on, and nothing else."""
        for number, noted in enumerate(self._noted):
            self._last[number] = array("Q", sorted(noted))
        self._noted = _buckets()
        self._passes += 1
        self._turns = 1 << (sum(map(len, self._last)) // MOST_LOOKED_AT).bit_length()

    def __contains__(self, name: str) -> bool:
        bucket, key = _place(name)
        found = self._last[bucket]
        at = bisect_left(found, key)
        return at < len(found) and found[at] - key <= _HALF

    def is_unchanged(self, entry: "os.DirEntry[str]") -> bool:
        """Say whether an entry of the inbox need not be looked at in this pass, and note that.

        It lacked something in the last pass, and its folder is the same and has got or lost nothing since. Where few
        lack something, each is looked at in every pass, and of many each one in its turn: so a filesystem whose times
        do not tell of a change delays what comes, and no more than that.
        """
        if self._turns == 1 or (hash(entry.name) + self._passes) % self._turns == 0:
            return False
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return False
        bucket, key = _place(entry.name)
        record = key | _mark(status)
        found = self._last[bucket]
        at = bisect_left(found, record)
        if at == len(found) or found[at] != record:
            return False
        self._noted[bucket].append(record)
        return True

    def mark(self, status: os.stat_result, now: float) -> int:
        """Return the mark of a folder, as it was before what is in it was listed."""
        return _mark(status) if now - status.st_ctime > _GRAIN else _UNKNOWN

    def note(self, name: str, mark: int) -> None:
        """Note that a delivery lacks something, while its folder has this mark."""
        bucket, key = _place(name)
        self._noted[bucket].append(key | mark)


def _buckets() -> "list[array[int]]":
    """Return empty buckets: to sort them one by one takes little memory."""
    return [array("Q") for _ in range(_BUCKETS)]


def _place(name: str) -> tuple[int, int]:
    """Return the bucket of a name, and its key in that: the upper half of a record."""
    known_by = hash(name)
    return known_by % _BUCKETS, known_by & _UPPER_HALF


def _mark(status: os.stat_result) -> int:
    """Return the lower half of a record: it is another one once the folder has changed, or is another folder."""
    return hash((status.st_ino, status.st_ctime_ns)) & _HALF or 1
