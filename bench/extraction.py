"""The extraction engine beside zipfile, unzip, bsdtar and 7z, in rounds of one run, on tmpfs and on a disk.

Three archives: one text of 300 MB (deflates 3:1), 5,000 files of 8 KB, 300 MB stored. In each round all sides take
their turns, in another order. Each repetition writes to a fresh folder; small files are deleted at the end only, since
ext4 creates files slowly where many were just deleted. The tools' starting up is in their figures; jobrunner and
zipfile run in this process, jobrunner in two threads (see its processor time). The floor is creating the same files and
writing known bytes from a hot buffer. Inflate is measured on the text, beside isal's own loop on the same stream. In a
virtual machine, memory that the host has to give first makes single repetitions several times slower, whoever's turn it
is: the best is more telling there.
"""

import argparse
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from report import file_system, wanted

from jobrunner.domain.settings import ExtractSettings
from jobrunner.unzip.bytes import ZipBytes
from jobrunner.unzip.directory import read_directory
from jobrunner.unzip.extraction import extract
from jobrunner.unzip.streams import PIECE, content, crc32, fast_zlib

MB = 10**6
FASTEST = 1 << 15  # the input at once with which isal's own loop was fastest, from 16 KiB to 1 MiB
TMPFS = Path("/dev/shm")
OURS = "jobrunner"
ZIPFILE, FLOOR = "zipfile", "floor"
NOTHING_WRITTEN, OWN_LOOP = "jobrunner, nothing written", "isal, own loop in memory"


@dataclass(frozen=True)
class Archive:
    path: Path
    names: list[str]
    file_size: int

    @property
    def size(self) -> int:
        return len(self.names) * self.file_size


Side = Callable[[Archive, Path], None]
#: Of each side, a round each: seconds, and those of the processor.
Times = dict[str, list[tuple[float, float]]]

#: The archives: number of files, size of each, compression.
ARCHIVES = {
    "text": (1, 300 * MB, zipfile.ZIP_DEFLATED),
    "small": (5000, 8000, zipfile.ZIP_DEFLATED),
    "stored": (1, 300 * MB, zipfile.ZIP_STORED),
}
#: What is wanted of each: so many times as fast as zipfile.
LEAST = {"text": 2.3, "small": 2.3, "stored": 1.7}


def make_archive(path: Path, count: int, size: int, compression: int) -> Archive:
    """Write files of words and numbers that repeat only after 4 MB, which is farther than deflate looks back."""
    draw = random.Random(1)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 10))) for _ in range(2000)]
    usual = [1 / (rank + 1) for rank in range(len(words))]
    lines = [f"{' '.join(draw.choices(words, usual, k=6))} {draw.gauss(20, 3):.3f}\n" for _ in range(100_000)]
    text = "".join(lines).encode("ascii")
    twice = memoryview(text + text)
    names = [f"reading-{number:05}.txt" for number in range(count)]
    with zipfile.ZipFile(path, "w", compression) as archive:
        for number, name in enumerate(names):
            start = number * size % len(text)
            with archive.open(name, "w") as member:
                for place in range(0, size, len(text)):
                    member.write(twice[start : start + min(len(text), size - place)])
    return Archive(path, names, size)


def ours(archive: Archive, target: Path) -> None:
    extract(str(archive.path), str(target), ExtractSettings(), lambda *_: None)


def python_zipfile(archive: Archive, target: Path) -> None:
    with zipfile.ZipFile(archive.path) as opened:
        opened.extractall(target)


def floor(archive: Archive, target: Path) -> None:
    piece = bytes(min(PIECE, archive.file_size))
    for name in archive.names:
        file = os.open(target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        for start in range(0, archive.file_size, len(piece)):
            os.write(file, piece[: archive.file_size - start])
        os.close(file)


def tool(*command: str) -> Side:
    def run(archive: Archive, target: Path) -> None:
        words = [word.format(zip=archive.path, target=target) for word in command]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    return run


def available_sides() -> dict[str, Side]:
    """Return what extracts: jobrunner, zipfile and the tools that are installed. Prints which are not."""
    sides: dict[str, Side] = {OURS: ours, ZIPFILE: python_zipfile}
    tools = {
        "unzip": ("unzip", ["unzip"], ["-q", "{zip}", "-d", "{target}"]),
        "bsdtar": ("libarchive-tools", ["bsdtar"], ["-xf", "{zip}", "-C", "{target}"]),
        "7z": ("7zip", ["7z", "7zz"], ["x", "-bd", "-y", "-o{target}", "{zip}"]),
    }
    for name, (package, programs, arguments) in tools.items():
        program = next(filter(None, map(shutil.which, programs)), None)
        if program is None:
            print(f"{name} is not installed and left out: apt install {package}")
        else:
            sides[name] = tool(program, *arguments)
    return sides | {FLOOR: floor}


def inflating_sides(archive: Archive) -> dict[str, Side]:
    """Return what only inflates: the engine without its writing, and isal's own loop on the stream in memory."""
    with archive.path.open("rb") as file:
        [entry] = read_directory(ZipBytes(file.fileno(), archive.path.stat().st_size))
        stream = os.pread(file.fileno(), entry.compressed_size, entry.data_offset)

    def engine(archive: Archive, _target: Path) -> None:
        checksum = 0
        with archive.path.open("rb") as file:
            for piece in content(ZipBytes(file.fileno(), archive.path.stat().st_size), entry):
                checksum = crc32(piece, checksum)

    def isal(_archive: Archive, _target: Path) -> None:
        decoder = fast_zlib.decompressobj(-zlib.MAX_WBITS)
        for start in range(0, len(stream), FASTEST):
            decoder.decompress(stream[start : start + FASTEST])

    return {NOTHING_WRITTEN: engine, OWN_LOOP: isal}


def cpu_seconds() -> float:
    """Return the processor time of this process and its children so far."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measure(side: Side, archive: Archive, base: Path, *, writes: bool) -> tuple[float, float]:
    """Return the seconds of one repetition in a fresh folder, and those of the processor in it."""
    target = Path(tempfile.mkdtemp(dir=base))
    os.sync()  # what others have written is not to be waited for in our time
    start, cpu_start = time.perf_counter(), cpu_seconds()
    side(archive, target)
    seconds = time.perf_counter() - start, cpu_seconds() - cpu_start
    if writes and sum(file.stat().st_size for file in target.iterdir()) != archive.size:
        raise SystemExit(f"not all of {archive.path.name} is in {target}")
    if len(archive.names) == 1:
        shutil.rmtree(target)  # a file that is written and gone at once costs the later rounds nothing
    return seconds


def compare(name: str, archive: Archive, base: Path, rounds: int, extracting: dict[str, Side]) -> None:
    """Measure one archive in one place, and print its table."""
    inflating = inflating_sides(archive) if name == "text" else {}
    sides = extracting | inflating
    times: Times = {side: [] for side in sides}
    draw = random.Random(name)
    for number in range(rounds + 1):
        for side in draw.sample(list(sides), len(sides)):  # so that none always follows the same one
            seconds = measure(sides[side], archive, base, writes=side in extracting)
            if number:  # the first round warms up
                times[side].append(seconds)
    print(f"\n{name}, {base.parent} ({file_system(base)}): {archive.size // MB} MB, files: {len(archive.names):,}")
    print(f"{'':26} {'MB/s':>6}  {'best':>6}  {'time over ours':>14}  {'least and most':14}  {'CPU over ours':>13}")
    for side, measured in times.items():
        ratio, cpu_ratio = (ratios(measured, times[OURS], which) for which in (0, 1))
        speeds = [archive.size / MB / seconds for seconds, _ in measured]
        spread, cpu = f"{min(ratio):.2f} to {max(ratio):.2f}", statistics.median(cpu_ratio)
        print(
            f"{side:26} {statistics.median(speeds):6.0f}  {max(speeds):6.0f}  {statistics.median(ratio):14.2f}  "
            f"{spread:14}  {cpu:13.2f}"
        )
    judge(f"{name} on {file_system(base)}", LEAST[name], times, set(extracting) - {OURS, FLOOR})


def judge(name: str, least: float, times: Times, tools: set[str]) -> None:
    """Print what is wanted of one archive in one place."""
    over = {tool: statistics.median(ratios(times[tool], times[OURS], 0)) for tool in tools}
    wanted(f"{name}, ours over zipfile", f"{over[ZIPFILE]:.2f}", f"at least {least}", reached=over[ZIPFILE] >= least)
    figures = ", ".join(f"{tool} {over[tool]:.2f}" for tool in sorted(over, key=over.__getitem__))
    wanted(f"{name}, ours over each tool", figures, "over 1", reached=min(over.values()) > 1)
    if OWN_LOOP in times:
        elapsed, cpu = (statistics.median(ratios(times[OWN_LOOP], times[NOTHING_WRITTEN], which)) for which in (0, 1))
        figure = f"{elapsed:.0%} ({cpu:.0%} by CPU time)"
        wanted(f"{name}, inflating over isal's own loop", figure, "at least 80%", reached=elapsed >= 0.8)


def ratios(theirs: list[tuple[float, float]], own: list[tuple[float, float]], which: int) -> list[float]:
    """Return one side's time (0) or CPU time (1) over another's, round by round."""
    return [their[which] / mine[which] for their, mine in zip(theirs, own, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dir", type=Path, help="a folder on the disk to measure (else: the temporary folder)")
    parser.add_argument("--only", choices=ARCHIVES, help="one archive only")
    options = parser.parse_args()
    isal = f"isal {metadata.version('isal')}" if fast_zlib is not zlib else "no isal"
    print(f"{options.rounds} rounds, after one to warm up, medians; 1 MB is 1,000,000 bytes")
    print(f"Python {platform.python_version()}, {isal}, zlib {zlib.ZLIB_RUNTIME_VERSION}")
    print("durability: none on any side, nobody flushes to the disk; all zips are in the page cache")
    extracting = available_sides()
    for place in (TMPFS, options.dir or Path(tempfile.gettempdir())):
        base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=place))
        try:
            for name in [options.only] if options.only else ARCHIVES:
                archive = make_archive(base / f"{name}.zip", *ARCHIVES[name])
                compare(name, archive, base, options.rounds, extracting)
        finally:
            shutil.rmtree(base)


if __name__ == "__main__":
    main()
