"""How names are compared: patterns, the junk that systems leave everywhere, and spellings of one name."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from fnmatch import translate

from jobrunner.domain.errors import Incomplete
from jobrunner.domain.lack import Lack
from jobrunner.domain.package import shown

_WILDCARDS = re.compile(r"[*?\[]")
_ZIP = re.compile(r"(.*)\.zip[ .]*", re.IGNORECASE | re.DOTALL)
#: Is found in the name of each zip, and of little else. Without case, i is U+0130 and U+0131, too.
PART_OF_ZIPS = re.compile(rb"\.z(?:i|\xc4[\xb0\xb1])p", re.IGNORECASE)
_MOST_NAMED = 3


class Patterns:
    """Patterns of names as a shell has them, with * ? and [ ]. Upper and lower case are the same."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._pattern = re.compile("|".join(map(translate, patterns)) or r"(?!)", re.IGNORECASE)

    @classmethod
    def of_ends(cls, ends: Iterable[str]) -> "Patterns":
        """Return patterns of which those without a wildcard say how a name ends."""
        return cls(end if _WILDCARDS.search(end) else f"*{end}" for end in ends)

    def match(self, name: str) -> bool:
        """Say whether any of them is the pattern of a name."""
        return self._pattern.match(name) is not None


#: What NAS systems, disks, synchronizers, Windows and macOS put into folders by themselves.
JUNK = ("@eaDir", "#recycle", "lost+found", ".stfolder", "Thumbs.db", "desktop.ini", ".DS_Store", "._*", "__MACOSX")
is_junk = Patterns(JUNK).match


def likeness(name: str) -> str:
    """Return what names have in common that a person, or another system, may take for the same.

    They differ in case, in Unicode's normal form, or in the dots and spaces at their end, which Windows drops.
    """
    name = name.rstrip(" .") or name
    return name.lower() if name.isascii() else _normal(_normal(name).casefold())


def is_zip_of(package: str | None, entry: str) -> bool:
    """Say whether an entry of a package's folder is called like its zip in some spelling, or with None like any zip."""
    match = None if entry.startswith(".") or is_junk(entry) else _ZIP.fullmatch(entry)
    return match is not None and (package is None or likeness(match[1]) == likeness(package))


def zip_among(entries: Collection[str], package: str, *, any_name: bool) -> str:
    """Return which entry of a package's folder is its zip: NAME.zip, else what is spelled in another way.

    With `any_name` the only zip is, whatever it is called. Raises Incomplete, which says what is there, where none is
    or where several could be.
    """
    if f"{package}.zip" in entries:
        return f"{package}.zip"
    zips = [entry for entry in entries if is_zip_of(None, entry)]
    found = [entry for entry in zips if is_zip_of(package, entry)] or (zips if any_name else [])
    if len(found) == 1:
        return found[0]
    if found:
        raise Incomplete(Lack.SEVERAL_ZIPS, f"it is unclear which of its zips counts: {_listed(found)}", _few(found))
    if zips:
        named = "are" if len(zips) > 1 else "is"
        cure = "" if len(zips) > 1 else ' (intake.zip_name = "only" takes a zip of any name)'
        said = f"its zip is not there: {_listed(zips)} {named} not named like the folder{cure}"
        raise Incomplete(Lack.OTHER_ZIP, said, _few(zips))
    others = [entry for entry in entries if not is_junk(entry)]
    there = f"only {_listed(others)}" if others else "its folder is empty"
    raise Incomplete(Lack.NO_ZIP, f"its zip is not there: {there}", _few(others))


def meant_by(name: str, ends: Iterable[str]) -> Iterator[str]:
    """Yield what a person may mean who writes this name, the likeliest first; some of it may come twice.

    That is with and without `ends`, the patterns of names that are still being received, and with and without ".zip".
    """
    suffixes = list(_suffixes(ends))
    match = _ZIP.fullmatch(name)
    for stem in (name, received(name, ends), match[1] if match else name):
        yield stem
        yield from (stem + end for end in suffixes)
    yield from (name + end for end in (".zip", ".ZIP"))


def received(name: str, ends: Iterable[str]) -> str:
    """Return the name without what says, by these patterns, that it is still being received."""
    return next((name.removesuffix(end) for end in _suffixes(ends) if name.endswith(end)), name)


def closest(name: str, others: Iterable[str], most: int) -> list[str]:
    """Return up to so many of the names that a person may take for this one, or mistype it as, the closest first."""
    by_likeness = {likeness(other): other for other in others}
    return [by_likeness[found] for found in get_close_matches(likeness(name), by_likeness, most)]


def _suffixes(ends: Iterable[str]) -> Iterator[str]:
    """Yield the ends without a wildcard within them."""
    plain = (end.removeprefix("*") for end in ends)
    return (end for end in plain if not _WILDCARDS.search(end))


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _few(names: Iterable[str]) -> list[str]:
    return sorted(names)[:_MOST_NAMED]


def _listed(names: Collection[str]) -> str:
    """Return some names as a message has them."""
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(shown, _few(names))) + more
