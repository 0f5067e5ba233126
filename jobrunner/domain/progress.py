"""How far an attempt is, as it is told while it runs: one line, which a handler may write, too."""

import codecs
import re
from typing import NamedTuple

from jobrunner.domain.package import printable

#: What is said of the steps that are ours.
COPYING = "copying"
EXTRACTING = "extracting"

#: Bytes that are read of what tells a progress: there are no more in a line of ours.
LONGEST = 200
#: Characters of the words, once they are escaped.
_MOST_WORDS = 80
_END_OF_LINE = re.compile(r"[\r\n]")
_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)"
_LINE = re.compile(rf"\s*{_NUMBER}(?:\s*/\s*{_NUMBER})?(?:\s+(\S.*))?\s*")


class Progress(NamedTuple):
    """What is `done` of the `total`, None where that is not known, and what is being done, in printable words.

    `is_bytes`: both count bytes.
    """

    done: float
    total: float | None
    text: str
    is_bytes: bool = False

    @property
    def fraction(self) -> float | None:
        """The part that is done, from 0 to 1; None where the total is not known."""
        return None if self.total is None else self.done / self.total


def line_of(done: float, total: float | None, text: str) -> bytes:
    """Return what `progress_in` reads: `DONE/TOTAL words`, in at most LONGEST bytes."""
    numbers = [f"{float(number):.6f}".rstrip("0").rstrip(".") for number in (done, total) if number is not None]
    return " ".join(["/".join(numbers), *text.split()]).encode("utf-8", "replace")[:LONGEST]


def progress_in(raw: bytes, *, is_bytes: bool = False) -> Progress | None:
    """Return the progress that `DONE/TOTAL words` or `DONE words` tells, whoever has written it; else None.

    The words may be missing. Numbers are decimal and not negative, a total is more than 0; more than all is all.
    """
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(raw[:LONGEST])  # less a cut character
    match = _LINE.fullmatch(_END_OF_LINE.split(text, maxsplit=1)[0])
    if not match:
        return None
    done, total = float(match[1]), None if match[2] is None else float(match[2])
    if total == 0:
        return None
    words = printable(match[3] or "").rstrip()
    brief = words if len(words) <= _MOST_WORDS else f"{words[: _MOST_WORDS - 1]}…"
    return Progress(done if total is None else min(done, total), total, brief, is_bytes)
