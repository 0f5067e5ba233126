"""How names are compared: patterns, the junk that systems leave everywhere, and spellings of one name."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from fnmatch import translate

from jobrunner.domain.errors import PackageError
from jobrunner.domain.package import shown

_WILDCARDS = re.compile(r"[*?\[]")
_ZIP = re.compile(r"(.*)\.zip[ .]*", re.IGNORECASE | re.DOTALL)
#: Finds part of the name of each zip, and of little else.
may_be_zip = re.compile(r"\.zip", re.IGNORECASE).search
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

    With `any_name` the only zip is, whatever it is called. Raises PackageError, which says what is there, where none is
    or where several could be.
    """
    if f"{package}.zip" in entries:
        return f"{package}.zip"
    zips = [entry for entry in entries if is_zip_of(None, entry)]
    found = [entry for entry in zips if is_zip_of(package, entry)] or (zips if any_name else [])
    if len(found) == 1:
        return found[0]
    if found:
        raise PackageError(f"it is unclear which of its zips counts: {_listed(found)}")
    if zips:
        raise PackageError(
            f"its zip is not there: {_listed(zips)} is not named like the folder "
            '(intake.zip_name = "only" takes a zip of any name)'
        )
    others = [entry for entry in entries if not is_junk(entry)]
    raise PackageError(f"its zip is not there: {f'only {_listed(others)}' if others else 'its folder is empty'}")


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _listed(names: Iterable[str]) -> str:
    """Return some names as a message has them."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _MOST_NAMED:,} more" if len(ordered) > _MOST_NAMED else ""
    return ", ".join(map(shown, ordered[:_MOST_NAMED])) + more
