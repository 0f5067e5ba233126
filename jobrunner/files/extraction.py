"""Extraction of a package's zip: everything is inspected before anything is written, and nothing leaves the folder."""

import lzma
import os
import re
import stat
import struct
import time
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass

from jobrunner.domain.errors import MachineError, PackageError
from jobrunner.domain.package import shown
from jobrunner.domain.settings import ExtractSettings

_PIECE = 1 << 18
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_DOS_HOSTS = {0, 10, 14}  # FAT, NTFS, VFAT: their tools may write names with backslashes
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_FILE_TYPES = {
    0,
    stat.S_IFREG,
    stat.S_IFDIR,
    stat.S_IFIFO,
}  # Info-ZIP marks what it zipped from a pipe as a FIFO
_MAX_PART = 255
_MAX_PATH = 3_800
_MAX_DEPTH = 256
_SMALL = 2**30
#: What zipfile raises on archives that are damaged or malicious, OSError (bz2) apart.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    IndexError,
)


@dataclass(frozen=True, slots=True)
class _Member:
    info: zipfile.ZipInfo
    parts: tuple[str, ...]
    is_folder: bool

    @property
    def path(self) -> str:
        return "/".join(self.parts)


def extract(zip_path: str, target: str, settings: ExtractSettings) -> None:
    """Extract a zip into an existing empty folder.

    Raises PackageError for what is wrong with the zip, before the first write where that can be known; MachineError
    where the disk has no room; OSError.
    """
    try:
        descriptor = os.open(zip_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if os.path.islink(zip_path):
            raise PackageError("its zip is a symbolic link: the file itself has to be delivered") from error
        if isinstance(error, FileNotFoundError):
            raise PackageError("its zip is not there") from error
        raise
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PackageError("its zip is not a file")
        try:
            with zipfile.ZipFile(file) as archive:
                members = _inspect(archive, settings)
                _hold_against_limits(members, status.st_size, target, settings)
                _write(archive, members, target)
        except _BROKEN as error:
            raise PackageError(f"its zip is broken: {error or type(error).__name__}") from error
        except OSError as error:
            if error.errno is None:
                raise PackageError(f"its zip is broken: {error}") from error
            raise


def _inspect(archive: zipfile.ZipFile, settings: ExtractSettings) -> list[_Member]:
    names = _names(archive.infolist(), settings.encoding)
    members = []
    for info, written in zip(archive.infolist(), names, strict=True):
        name = written.replace("\\", "/") if info.create_system in _DOS_HOSTS else written
        parts = _safe_parts(name, info)
        if info.flag_bits & _ENCRYPTED:
            raise PackageError(f"the zip's member {shown(name)} is password-protected")
        if info.compress_type not in _METHODS:
            raise PackageError(f"the zip's member {shown(name)} has the unknown compression {info.compress_type}")
        if stat.S_IFMT(info.external_attr >> 16) not in _FILE_TYPES:
            raise PackageError(f"the zip's member {shown(name)} is a symbolic link or a device")
        if parts:
            members.append(_Member(info, parts, name.endswith("/")))
    return members


def _names(infos: list[zipfile.ZipInfo], encoding: str) -> list[str]:
    """Return the members' names. Without the UTF-8 flag: UTF-8 if all of them decode, else as set, else CP437."""
    raw = [None if info.flag_bits & _UTF8_NAME else info.orig_filename.encode("cp437") for info in infos]
    candidates = ["utf-8", "cp437"] if encoding == "auto" else [encoding]
    for candidate in candidates:
        with suppress(UnicodeDecodeError):
            return [
                info.orig_filename if name is None else name.decode(candidate)
                for info, name in zip(infos, raw, strict=True)
            ]
    raise PackageError(f"the names in the zip are not {encoding}: set extract.encoding to what its sender uses")


def _safe_parts(name: str, info: zipfile.ZipInfo) -> tuple[str, ...]:
    if info.create_system in _DOS_HOSTS and re.match(r"[A-Za-z]:", name):
        raise PackageError(f"the zip's member {shown(name)} names a drive")
    if name.startswith("/") or ".." in re.split(r"[/\\]", name):
        raise PackageError(f"the zip's member {shown(name)} would leave the package's folder")
    if "\0" in name:
        raise PackageError(f"the zip's member {shown(name)} has a NUL in its name")
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    lengths = [len(os.fsencode(part)) for part in parts]
    if len(parts) > _MAX_DEPTH or sum(lengths) + len(parts) > _MAX_PATH or max(lengths, default=0) > _MAX_PART:
        raise PackageError(f"the zip's member {shown(name[:80])}… has a name that is too long or too deep")
    return parts


def _hold_against_limits(members: list[_Member], zip_size: int, target: str, settings: ExtractSettings) -> None:
    folders = {member.parts for member in members if member.is_folder}
    folders |= {member.parts[:depth] for member in members for depth in range(1, len(member.parts))}
    files = [member for member in members if not member.is_folder]
    seen: set[tuple[str, ...]] = set()
    for member in files:
        if member.parts in seen or member.parts in folders:
            raise PackageError(f"the zip has two members named {shown(member.path)}")
        seen.add(member.parts)
    entries = len(files) + len(folders)
    if entries > settings.max_entries:
        raise PackageError(f"the zip has {entries:,} entries, over extract.max_entries ({settings.max_entries:,})")
    total = sum(member.info.file_size for member in files)
    if total > settings.max_size:
        raise PackageError(f"the zip declares {total:,} bytes, over extract.max_size ({settings.max_size:,})")
    if total > _SMALL and total > settings.max_ratio * zip_size:
        raise PackageError(
            f"the zip declares {total:,} bytes in {zip_size:,}, over extract.max_ratio ({settings.max_ratio})"
        )
    space = os.statvfs(target)
    free = space.f_bavail * space.f_frsize
    if free - total < settings.keep_free:
        raise MachineError(
            f"the disk of the work folder has {free:,} bytes free, but the package needs {total:,} and "
            f"extract.keep_free {settings.keep_free:,}: make room"
        )


def _write(archive: zipfile.ZipFile, members: list[_Member], target: str) -> None:
    made: set[tuple[str, ...]] = {()}
    for member in members:
        _make_folders(member.parts if member.is_folder else member.parts[:-1], target, made)
        if not member.is_folder:
            _write_file(archive, member, os.path.join(target, *member.parts))


def _make_folders(parts: tuple[str, ...], target: str, made: set[tuple[str, ...]]) -> None:
    missing = [parts[:depth] for depth in range(1, len(parts) + 1) if parts[:depth] not in made]
    for folder in missing:
        os.mkdir(os.path.join(target, *folder), 0o755)
        made.add(folder)


def _write_file(archive: zipfile.ZipFile, member: _Member, path: str) -> None:
    mode = (member.info.external_attr >> 16) & 0o755 | 0o600 if member.info.external_attr >> 16 else 0o644
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with archive.open(member.info) as source, open(os.open(path, flags, mode), "wb", buffering=0) as writer:
        while piece := source.read(_PIECE):
            _write_all(writer.fileno(), piece)
        size = os.fstat(writer.fileno()).st_size
        if size != member.info.file_size:
            raise PackageError(
                f"the zip's member {shown(member.path)} declares {member.info.file_size:,} bytes and has {size:,}"
            )
        with suppress(ValueError, OverflowError):  # a date that does not exist is not worth the package
            changed_at = time.mktime((*member.info.date_time, 0, 0, -1))
            os.utime(writer.fileno(), (changed_at, changed_at))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
