"""What a program said last, which mostly is why it failed; and what is the same in the reasons of many failures."""

import re
from collections.abc import Sequence

from jobrunner.domain.package import printable

_LONGEST = 500
_MOST_LINES = 3
#: What colours a text or moves about in a terminal.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_END_OF_LINE = re.compile(r"[\r\n]+")
_NAMES_AN_ERROR = re.compile("error|exception|fatal|panic", re.IGNORECASE)


def lines_of(output: bytes) -> list[str]:
    """Return the lines of a program's output without colours and what moves about in a terminal, not yet escaped.

    Where a line was printed over another, each is one.
    """
    text = _CONTROL.sub("", output.decode("utf-8", "surrogateescape")).rstrip()
    return _END_OF_LINE.split(text) if text else []


def last_words(output: bytes) -> str:
    """Return what the end of a program's output says, as one printable line of at most 500 characters; "" if nothing.

    That is its last line that is not indented, as the frames of a traceback are; where one of the two before it names
    an error, as that of a long message does, all from there on.
    """
    lines = [line for line in lines_of(output) if any(map(str.isalnum, line))]
    last = ([line for line in lines if not line[0].isspace()] or lines[-1:])[-_MOST_LINES:]
    first = max((number for number, line in enumerate(last) if _NAMES_AN_ERROR.search(line)), default=len(last) - 1)
    words = printable(" / ".join(line.strip() for line in last[first:]))
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


_NUMBER = r"(?<![^\W_])[-+]?(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{8,}\b|\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?)|\d+"
_PATH = r"(?<![\w/])(?:\.{0,2}|~)/[^\s'\",;:()<>\[\]]+|\b[\w-]+(?:/[\w-]+)+\.\w+"
_QUOTED_PATH = r"(?<=')[^'/]*/[^']*(?=')|(?<=\")[^\"/]*/[^\"]*(?=\")"
#: How a process ended stays, and so does all else that is not numbered from case to case.
_VARIES = re.compile(
    rf"(?P<kept>\b(?:exit status|signal) \d+)|(?P<path>{_QUOTED_PATH}|{_PATH})|(?P<number>{_NUMBER})", re.IGNORECASE
)


#: A package with a shorter name, or with a number for one, is not looked for: it may be any word, or any number.
_SHORTEST_NAME = 3


def folded(reason: str, *names: str) -> str:
    """Return what a reason has in common with those of the same kind: its numbers are N in it, its paths PATH.

    `names` are those of its package, which are NAME.
    """
    return _VARIES.sub(_kind, _without_names(reason, names))


def _without_names(reason: str, names: Sequence[str]) -> str:
    """Return the beginning of a reason with NAME for each of these names in it."""
    beginning = reason[:_LONGEST]
    for name in names:
        if name in beginning and len(name) >= _SHORTEST_NAME and not name.isdecimal():
            beginning = _without(beginning, name)
    return beginning


def _without(text: str, name: str) -> str:
    """Return a text with NAME for each name in it that is no part of a longer word."""
    first, *others = text.split(name)
    parts = [first]
    for other in others:
        is_word = parts[-1][-1:].isalnum() or other[:1].isalnum()
        parts += [name if is_word else "NAME", other]
    return "".join(parts)


def as_pattern(reason: str, *names: str) -> str:
    """Return a pattern, as a shell has them, that fits the reasons of the same kind; `names` as in `folded`."""
    parts, end = [], 0
    beginning = _without_names(reason, names)
    for match in _VARIES.finditer(beginning):
        parts += [_literal(beginning[end : match.start()]), _literal(match[0]) if match["kept"] else "*"]
        end = match.end()
    return "".join([*parts, _literal(beginning[end:]), "*" * (len(reason) > _LONGEST)])


def _literal(text: str) -> str:
    return re.sub(r"[*?\[]", r"[\g<0>]", text).replace("NAME", "*")


def _kind(match: re.Match[str]) -> str:
    return match[0] if match["kept"] else "PATH" if match["path"] else "N"
