"""Receipts as files: written beside what they tell of, and read as what they are: input."""

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import count

from jobrunner.domain.job import Identity
from jobrunner.domain.receipt import Receipt, Zip, parse
from jobrunner.files import moves
from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at

#: Bytes of a receipt that is read, or written: it names each of the sender's files.
LONGEST = 32 * 2**20
_PIECE = 1 << 20


def write(folder: str, text: str, taken: Collection[str] = ()) -> None:
    """Write a receipt into a folder, under the first of its names that neither this has nor is `taken`.

    Raises OSError.
    """
    for name in _names():
        path = f"{folder}/{name}"
        if name in taken:
            continue
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            continue
        try:
            rest = memoryview(text.encode("ascii"))
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError:
            with suppress(OSError):
                os.unlink(path)  # a part of it
            raise
        finally:
            os.close(file)
        return


def put(folder: str, text: str, aside: str) -> None:
    """Put a receipt into a folder in one step: it is written at the path `aside` before. Raises OSError."""
    with open(aside, "w", encoding="ascii") as file:
        file.write(text)
    moves.rename_new(aside, os.path.join(folder, moves.free_name(folder, ".jobrunner", ".json")))


def read(folder: str) -> Receipt | None:
    """Return what the receipt in a folder says: the last that was written there. None where there is none."""
    path = _path(folder)
    with suppress(OSError), moves.opened(folder) as here, at.held(at.open_file(here, os.path.basename(path))) as file:
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and status.st_size <= LONGEST:
            return parse(os.pread(file, LONGEST, 0))
    return None


def read_verified(folder: str) -> Receipt | None:
    """Return what the receipt in a folder says, if it is that of the zip beside it; this reads all of the zip."""
    receipt = read(folder)
    if receipt:
        with suppress(OSError):
            if zip_in(folder, receipt.zip.name) == receipt.zip:
                return receipt
    return None


def remove(folder: str, identity: Identity) -> None:
    """Remove the receipt from a folder that was written last, if it is that of this job. Raises OSError."""
    receipt = read(folder)
    if receipt and receipt.identity == identity:
        os.unlink(_path(folder))


def zip_in(folder: str, name: str) -> Zip:
    """Return the size and the SHA-256 of a zip in a folder. Raises OSError."""
    with moves.opened(folder) as here, at.held(at.open_file(here, name)) as file:
        digest, size = hashlib.sha256(), 0
        while piece := os.read(file, _PIECE):
            digest.update(piece)
            size += len(piece)
    return Zip(name, size, digest.hexdigest())


def files_in(folder: str) -> Sequence[str]:
    """Return the paths of all files in a folder, from there on, and of the empty folders, with a slash.

    Raises OSError.
    """
    found: list[str] = []
    with moves.opened(folder) as root:
        walk = Walk(root)
        entered = ""
        for kind, _, name in walk:
            if kind is Kind.ENTER:
                entered = walk.path()
            elif kind is Kind.LEAVE:
                if entered == f"{walk.path()}/{name}".lstrip("/"):
                    found.append(f"{entered}/")
            else:
                found.append(walk.path(name))
                entered = ""
    return found


def _path(folder: str) -> str:
    """Return where the last receipt of a folder lies, or would lie: another program may have files of that name."""
    last = None
    for name in _names():
        path = f"{folder}/{name}"
        if not os.path.lexists(path):
            return last or path
        last = path
    raise AssertionError


def _names() -> Iterator[str]:
    return (f".jobrunner~{number}.json" if number else ".jobrunner.json" for number in count())
