"""What a zip may hold: the rules for names, kinds and sizes, each in one place. What breaks one fails the package."""

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from jobrunner.domain.errors import PackageError
from jobrunner.domain.package import NOTHING, Footprint
from jobrunner.domain.settings import ExtractSettings
from jobrunner.unzip.entry import DOS_SYSTEMS, ENCRYPTED, FAT, PATCH, STRONG_ENCRYPTION, UNIX, Entry
from jobrunner.unzip.fields import MALFORMED, named
from jobrunner.unzip.names import decoded_name
from jobrunner.unzip.streams import DEFLATE64

_METHODS_BY_NAME = {1: "shrink", 6: "implode", 95: "xz", 96: "jpeg", 97: "wavpack", 98: "ppmd"}
_AES = 99
_ENCRYPTED = ENCRYPTED | STRONG_ENCRYPTION
#: Their attributes have a Unix mode, as unzip takes it: VMS, Unix, Atari, QDOS, Acorn, BeOS, Tandem, macOS, AtheOS.
_UNIX_SYSTEMS = {2, UNIX, 5, 12, 13, 16, 17, 19, 30}
_READ_ONLY = 1 << 0
_FOLDER = 1 << 4
#: Info-ZIP marks as a FIFO what it zipped from a pipe; it is a file like others.
_KINDS = {0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFIFO}
_MAX_PART = 255  # bytes: NAME_MAX
_MAX_PATH = 3_800  # bytes: PATH_MAX less room for the folder it lies in
_MAX_DEPTH = 256
_MAX_FOLDERS = 32 * 2**20  # bytes of memory for the paths of all folders: those of deep ones grow by the square
#: Below this many bytes extracted, no ratio is suspicious.
_SMALL = 2**30
_BLOCK = 4096  # bytes: what the disk gives to a file or folder, or a multiple of that
#: More folders must not take over so many times the zip: those of an honest one hold files that fill it.
_MANY_FOLDERS = 32_768
_FOLDER_RATIO = 32


@dataclass(slots=True, eq=False)  # compared by identity, for speed
class Member:
    """A member that may be extracted: where to, as what, with which permissions, of which the umask takes some."""

    entry: Entry
    path: str
    is_folder: bool
    mode: int


def allowed_members(entries: Iterable[Entry], encoding: str, methods: Set[int]) -> Iterator[Member]:
    """Yield what of the zip is to be extracted; `methods` are those that can be decompressed.

    Raises PackageError for the first member that breaks a rule by itself.
    """
    for entry in entries:
        name = decoded_name(entry, encoding)
        path = _safe_path(name, entry)
        if entry.flags & _ENCRYPTED or entry.method == _AES:
            raise PackageError(f"the zip's member {named(name)} is password-protected: deliver it without a password")
        if entry.flags & PATCH:
            raise PackageError(
                f"the zip's member {named(name)} is a patch (flag bit 5, compressed patched data): deliver the file"
            )
        if entry.method not in methods:
            raise _unreadable(entry, name)
        is_folder = name.endswith("/")
        mode = 0 if is_folder else entry.attributes >> 16 if entry.system == UNIX else _mode(entry)
        kind = stat.S_IFMT(mode)
        if kind not in _KINDS:
            what = "symbolic link" if kind == stat.S_IFLNK else "device or socket"
            raise PackageError(f"the zip's member {named(name)} is a {what}: only files and folders are extracted")
        is_folder = is_folder or kind == stat.S_IFDIR
        if is_folder and entry.size and (entry.compressed_size or entry.crc):
            raise PackageError(f"the zip's member {named(name)} is a folder with content: {MALFORMED}")
        if path:
            yield Member(entry, path, is_folder, mode & 0o111 | 0o666)
        elif not is_folder:
            raise PackageError(f"the zip has a member without a name: {MALFORMED}")


def _unreadable(entry: Entry, name: str) -> PackageError:
    method = _METHODS_BY_NAME.get(entry.method, f"method {entry.method}")
    cure = "which is not supported: use deflate"
    if entry.method == DEFLATE64:
        method = "deflate64"
        cure = (
            "which Windows Explorer uses over 2 GB: install jobrunner[deflate64], "
            "or have it packed with another program (7-Zip, deflate)"
        )
    return PackageError(f"the zip's member {named(name)} is compressed with {method}, {cure}")


def _mode(entry: Entry) -> int:
    """Return the Unix mode in the upper half of the attributes: 0 where it is none, or garbage of an old archiver.

    From a system that has no such modes, some programs write one all the same: then the lower half says nothing, or the
    same.
    """
    mode, dos = entry.attributes >> 16, entry.attributes & 0xFFFF
    if entry.system in _UNIX_SYSTEMS:
        return mode
    if entry.system != FAT:
        return 0
    is_folder = bool(dos & _FOLDER)
    owner = stat.S_IRUSR | (0 if dos & _READ_ONLY else stat.S_IWUSR) | (stat.S_IXUSR if is_folder else 0)
    is_one = not dos or (mode & stat.S_IRWXU == owner and stat.S_ISDIR(mode) == is_folder)
    return mode if is_one else 0


def require_within_limits(
    members: Iterable[Member], zip_size: int, settings: ExtractSettings, beside: Footprint = NOTHING
) -> tuple[set[str], int, int]:
    """Return the folders that the members are or lie in, how many bytes these hold, and how many all takes on a disk.

    `beside`: what the package has beside its zip, which counts in the limits. Raises PackageError where a limit is
    passed, or where two members are in each other's way.
    """
    folders: set[str] = set()
    files: set[int] = set()  # hashes: two of 64 bits are equal once in 10**9 archives of the most members
    held = total = taken = 0
    most = settings.max_entries - beside.entries
    for member in members:
        path = folder = member.path
        if not member.is_folder:
            size, key = member.entry.size, hash(path)
            total += size
            taken += -(-size // _BLOCK) * _BLOCK
            if key in files:
                raise PackageError(f"the zip has two members named {named(path)}: which one counts is unclear")
            files.add(key)
            folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            held += sys.getsizeof(folder)
            folder = folder.rpartition("/")[0]
        if len(files) + len(folders) > most:
            raise PackageError(
                f"the zip holds more files and folders than extract.max_entries ({settings.max_entries:,})"
            )
        if held > _MAX_FOLDERS:
            raise PackageError("the zip's members lie in too many deep folders: deliver them in several zips")
    both = [folder for folder in folders if hash(folder) in files]
    if both:
        raise PackageError(f"the zip's member {named(min(both))} is a file and a folder at once: {MALFORMED}")
    if len(folders) > _MANY_FOLDERS and len(folders) * _BLOCK > _FOLDER_RATIO * zip_size:
        raise PackageError(
            f"the zip's {len(folders):,} folders would take {len(folders) * _BLOCK:,} bytes of the disk, and it has "
            f"{zip_size:,}: deliver it in several zips of up to {_MANY_FOLDERS:,} folders"
        )
    taken += len(folders) * _BLOCK
    if taken + beside.size > settings.max_size:
        raise PackageError(
            f"the package would take {taken + beside.size:,} bytes of the disk, over extract.max_size "
            f"({settings.max_size:,})"
        )
    if total > _SMALL and total > settings.max_ratio * zip_size:
        raise PackageError(
            f"the zip declares {total:,} bytes in {zip_size:,}, over extract.max_ratio ({settings.max_ratio})"
        )
    return folders, total, taken


def _safe_path(name: str, entry: Entry) -> str:
    """Return the path below the target folder, "" for the folder itself."""
    if not name:
        raise PackageError(f"the zip has a member without a name: {MALFORMED}")
    if "\0" in name:
        raise PackageError(f"the zip's member {named(name)} has a NUL in its name: {MALFORMED}")
    if (name != "/" and name.startswith("/")) or (".." in name and ".." in re.split(r"[/\\]", name)):
        raise PackageError(f"the zip's member {named(name)} would leave the package's folder")
    if entry.system in DOS_SYSTEMS and re.match(r"[A-Za-z]:", name):
        raise PackageError(f"the zip's member {named(name)} names a drive")
    if "/" not in name and name != ".":
        parts, path = [name], name
    else:
        parts = [part for part in name.split("/") if part and part != "."]
        path = "/".join(parts)
    if len(path) * 4 > _MAX_PART:  # only then can it be too long
        lengths = [len(os.fsencode(part)) for part in parts]
        if max(lengths) > _MAX_PART or sum(lengths) + len(parts) > _MAX_PATH or len(parts) > _MAX_DEPTH:
            raise PackageError(
                f"the zip's member {named(name[:60])}… is too long or too deep for a file "
                f"({_MAX_PART} bytes a part, {_MAX_PATH} in all, {_MAX_DEPTH} levels)"
            )
    return path
