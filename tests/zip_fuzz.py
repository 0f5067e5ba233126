"""Broken zips by the thousand: python -m tests.zip_fuzz --seconds 120 --seed 1.

Each case is a zip of the corpus with some bytes changed, or one that is made with some fields overridden. It must be
refused in words or extracted, inside of the target folder and within the limits; never may anything else happen.
"""

import argparse
import os
import random
import resource
import shutil
import stat
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from jobrunner.domain.errors import MachineError, PackageError
from jobrunner.domain.settings import ExtractSettings
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.directory import read_directory
from jobrunner.unzip.extraction import extract
from jobrunner.unzip.names import choose_encoding
from jobrunner.unzip.rules import allowed_members
from jobrunner.unzip.streams import METHODS
from tests.zip_builder import (
    BZIP2,
    DEFLATE64,
    DEFLATED,
    DESCRIPTORS,
    LZMA,
    MIB,
    STORED,
    TEXT,
    Member,
    archive,
    unicode_path,
)
from tests.zips import CASES

LIMITS = ExtractSettings(keep_free=0, max_size=4 * MIB, max_entries=500)
MARKS = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08")
EDGES = [value.to_bytes(width, "little") for width in (1, 2, 4, 8) for value in (0, 1, 256**width - 1, 256**width // 2)]
#: Fields with their widths, and what stands in their place.
FIELDS = {"crc": 4, "compressed": 4, "size": 4, "offset": 4, "attributes": 4, "method": 2, "flags": 2, "disk": 2}
FIELDS |= {"name_length": 2, "extra_length": 2, "comment_length": 2, "time": 2, "date": 2, "system": 1}
BEHIND = {"crc": 4, "compressed": 4, "size": 4}
ENDS = {"count": 2, "disk_count": 2, "disk": 2, "directory_disk": 2, "length": 4, "offset": 4, "comment_length": 2}
NAMES: list[str | bytes] = [
    "a",
    "a/",
    "a/b",
    "./a",
    "A",
    "é",
    "..",
    "a/../b",
    "/",
    "C:\\x",
    "d\\e",
    "\0",
    "",
    "n" * 256,
    "d/" * 257,
    b"\xff",
    b"\x83\\",
]
#: The longest that one case may take on a busy machine.
PATIENCE = 20.0


class Choices(Protocol):
    """What a mutation is drawn from: a random.Random, or hypothesis' choices in its place."""

    def randrange(self, stop: int, /) -> int: ...


@cache
def seeds() -> list[bytes]:
    """The small zips of the corpus; good ones more often, as a change in them gets further."""
    fit = [case for case in CASES if isinstance(case.zip, bytes) and not case.is_bomb and len(case.zip) < 20_000]
    return [case.content for case in fit for _ in range(1 if case.files is None else 5)]


def mutated(data: bytes, choices: Choices, others: list[bytes]) -> bytes:
    """Return the zip with one thing changed."""

    def position() -> int:
        """Choose a place, every second time one at or just behind a record's mark, where the fields are."""
        if choices.randrange(2) or b"PK" not in data:
            return choices.randrange(len(data) + 1)
        places = [at for at in range(len(data)) if data[at : at + 4] in MARKS]
        return min(len(data), places[choices.randrange(len(places))] + choices.randrange(50)) if places else 0

    start, end = sorted((position(), position()))
    other = others[choices.randrange(len(others))]
    edge = EDGES[choices.randrange(len(EDGES))]
    ways: list[Callable[[], bytes]] = [
        lambda: data[:start] + bytes([choices.randrange(256)]) + data[start + 1 :],
        lambda: data[:start] + edge + data[start + len(edge) :],
        lambda: data[:start] + edge + data[start:],
        lambda: data[:start] + data[end:],
        lambda: data[:start],
        lambda: data[:end] + data[start:],
        lambda: data[:start] + other[: choices.randrange(len(other) + 1)] + data[end:],
        lambda: data[:start] + MARKS[choices.randrange(len(MARKS))] + data[start + 4 :],
        lambda: data[start:end] + data[:start] + data[end:],
        lambda: data + other,
    ]
    return ways[choices.randrange(len(ways))]()


def made(choices: Choices) -> bytes:
    """Return a zip whose records are whole, but say some things that are not so."""

    def overrides(widths: dict[str, int], rarity: int) -> dict[str, Any]:
        chosen = {}
        while choices.randrange(rarity) == rarity - 1:
            name = list(widths)[choices.randrange(len(widths))]
            values = (0, 1, 8, 256 ** widths[name] - 1, 256 ** widths[name] - 2, 256 ** widths[name] // 2)
            chosen[name] = values[choices.randrange(len(values))]
        return chosen

    def member() -> Member:
        method = (STORED, DEFLATED, DEFLATE64, BZIP2, LZMA)[choices.randrange(5)]
        content = (TEXT, b"", bytes(5000))[choices.randrange(3)]
        parts: dict[str, Any] = {"both": overrides(FIELDS, 8)}
        parts |= {"local": overrides(FIELDS, 8), "central": overrides(FIELDS, 8), "zip64": choices.randrange(4) == 0}
        parts["descriptor"] = ("", "", *DESCRIPTORS)[choices.randrange(6)]
        parts |= {"behind": overrides(BEHIND, 8), "kept": (24, 24, 24, 11, 0)[choices.randrange(5)]}
        if choices.randrange(8) == 0:
            parts["extra"] = unicode_path(b"a", (b"../x", b"b", b"\xff")[choices.randrange(3)])
        name = NAMES[choices.randrange(len(NAMES))]
        if choices.randrange(8) == 0:
            parts["local"]["name"] = (name.encode() if isinstance(name, str) else name).replace(b"/", b"\\")
        if choices.randrange(8) == 0:
            packed = Member(content=content, method=method).data
            parts["packed"] = mutated(packed, choices, [packed])
        return Member(name, content, method, **parts)

    members = [member() for _ in range(1 + choices.randrange(3))]
    prefix = (b"", b"#!/bin/sh")[choices.randrange(2)]
    zip64, shifted = choices.randrange(4) == 0, choices.randrange(2) == 0
    return archive(*members, prefix=prefix, zip64=zip64, shifted=shifted, end=overrides(ENDS, 8))


def listed(zip_path: Path) -> dict[str, int]:
    """Return the files that a zip lists, with their sizes."""
    with zip_path.open("rb") as file:
        directory = read_directory(ZipBytes(file.fileno(), os.fstat(file.fileno()).st_size))
        members = list(allowed_members(directory, choose_encoding(directory, LIMITS.encoding), METHODS))
    return {member.path: member.entry.size for member in members if not member.is_folder}


def check(data: bytes, root: Path) -> str:
    """Extract a zip in this empty folder, see that it did no harm, empty the folder, and return what came of it."""
    zip_path, target = root / "p.zip", root / "data"
    zip_path.write_bytes(data)
    target.mkdir()
    said = ""
    try:
        extract(str(zip_path), str(target), LIMITS, lambda *_: None)
    except PackageError as error:
        result, said = "refused", str(error)
    except MachineError:
        result = "temporary"
    else:
        result = "extracted"
    assert said.isprintable()
    assert len(said) < 1000
    assert sorted(os.listdir(root)) == ["data", "p.zip"]
    assert zip_path.read_bytes() == data
    written = {}
    entries = 0
    for folder, _, names in os.walk(target):
        entries += 1 + len(names)
        for name in names:
            path = os.path.join(folder, name)
            found = os.lstat(path)
            assert stat.S_ISREG(found.st_mode)
            assert not found.st_mode & 0o7022
            written[os.path.relpath(path, target)] = found.st_size
    assert sum(written.values()) <= LIMITS.max_size
    assert entries <= LIMITS.max_entries + 1
    if result == "extracted":
        assert written == listed(zip_path)
    shutil.rmtree(target)
    return result


def campaign(seconds: float, seed: int) -> None:
    others = seeds()
    random_ = random.Random(seed)
    results: Counter[str] = Counter()
    longest = 0.0
    before = 0
    print(f"seed {seed}, {len(others)} zips to begin with", flush=True)
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        while time.monotonic() < end:
            if random_.randrange(2):
                data = made(random_)
            else:
                data = others[random_.randrange(len(others))]
                for _ in range(1 + random_.randrange(3)):
                    data = mutated(data, random_, others)
            start = time.monotonic()
            try:
                results[check(data, Path(folder))] += 1
            except BaseException:
                Path("fuzz-failure.zip").write_bytes(data)
                print(f"case {results.total():,} of seed {seed} failed: it is kept as fuzz-failure.zip", flush=True)
                raise
            longest = max(longest, time.monotonic() - start)
            if results.total() == 1000:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{results.total():,} cases: {dict(results)}; the longest took {longest:.3f} s")
    print(f"memory grew by {grown:.1f} MiB after the first 1,000")
    assert longest < PATIENCE
    assert grown < 64


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    campaign(options.seconds, options.seed)
