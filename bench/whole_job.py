"""The whole job without a handler: `jobrunner run -n 3 --drain` beside the plain script that it replaces.

Small, medium and large packages, in memory (tmpfs) and on a disk (the temporary folder). All sides start from a copy of
the same inbox on the same filesystem, one after the other in alternating rounds; starting up is in the figure. On the
disk the script is also measured with one `sync` of its filesystem after it: what it has done is there only then. One
side is given packages that others could still change, which jobrunner copies before anything else. What was written
stays until the end of a kind there, since ext4 creates files slowly where many were just deleted.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from packages import make_packages
from report import table, wanted

SCRIPT = Path(__file__).parent / "plain_script.py"
TMPFS = Path("/dev/shm")


@dataclass(frozen=True)
class Kind:
    """`least`: how many times as fast as the script we want to be."""

    packages: int
    files: int
    size: int
    least: float


KINDS = {
    "small": Kind(5000, 10, 8_000, 1.0),
    "medium": Kind(200, 40, 250_000, 1.8),
    "large": Kind(6, 1, 200_000_000, 2.0),
}


def jobrunner(home: Path) -> None:
    command = [sys.executable, "-m", "jobrunner", "--home", str(home), "run", "-n", "3", "--drain"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def script(home: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, home], check=True)


def script_and_sync(home: Path) -> None:
    script(home)
    subprocess.run(["sync", "-f", home], check=True)


OURS, COPIED, PLAIN, SYNCED = "jobrunner", "jobrunner, packages of others", "script", "script + sync"
LEAST_OF_OTHERS = 0.6  # how fast packages of others are to be, beside those of jobrunner's user
SIDES: dict[str, tuple[Callable[[Path], None], str]] = {
    OURS: (jobrunner, "synchronous=FULL, each package flushed before it is done"),
    COPIED: (jobrunner, "the same, and each package is copied first"),
    PLAIN: (script, "nothing recorded, nothing flushed"),
    SYNCED: (script_and_sync, "nothing recorded, one sync at the end"),
}


def measure(side: str, packages: Path, base: Path) -> float:
    """Return the seconds of one round on a fresh copy."""
    run, _ = SIDES[side]
    home = Path(tempfile.mkdtemp(dir=base))
    shutil.copytree(packages, home / "inbox")
    if side == COPIED:
        for zip_file in (home / "inbox").glob("*/*.zip"):
            zip_file.chmod(0o666)
    os.sync()
    start = time.perf_counter()
    run(home)
    seconds = time.perf_counter() - start
    if len(os.listdir(home / "archive")) != len(os.listdir(packages)):
        raise SystemExit(f"not all packages were archived in {home}")
    if TMPFS in home.parents:
        shutil.rmtree(home)  # it is memory
    return seconds


def compare(name: str, place: Path, rounds: int) -> None:
    """Measure one kind in one place, and print its table."""
    kind, on_disk = KINDS[name], place != TMPFS
    sides = [OURS, COPIED, PLAIN, SYNCED] if on_disk else [OURS, COPIED, PLAIN]
    times: dict[str, list[float]] = {side: [] for side in sides}
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=place))
    try:
        make_packages(base / "packages", kind.packages, files=kind.files, size=kind.size)
        for number in range(rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                times[side].append(measure(side, base / "packages", base))
    finally:
        shutil.rmtree(base)
    ratios = {side: [their / own for their, own in zip(times[side], times[OURS], strict=True)] for side in sides}
    medium = "disk" if on_disk else "tmpfs"
    against = sides[-1]
    ratio = statistics.median(ratios[against])
    reached = ratio >= kind.least
    wanted(f"{name} on {medium}, ours over the {against}", f"{ratio:.2f}", f"at least {kind.least}", reached=reached)
    of_others = statistics.median(own / others for own, others in zip(times[OURS], times[COPIED], strict=True))
    is_fast = name != "small" or of_others >= LEAST_OF_OTHERS
    what = f"{name} on {medium}, packages of others over ours"
    wanted(what, f"{of_others:.2f}", f"at least {LEAST_OF_OTHERS}, of small ones", reached=is_fast)
    rows = [
        [
            side,
            f"{kind.packages / statistics.median(times[side]):,.1f}",
            f"{statistics.median(ratios[side]):.2f}",
            f"{min(ratios[side]):.2f} to {max(ratios[side]):.2f}",
            SIDES[side][1],
        ]
        for side in sides
    ]
    what = f"{kind.packages:,} packages of {kind.files} x {kind.size / 1000:,.0f} KB"
    columns = ["", "packages/s", "ours over it", "least and most", ""]
    table(f"{name}: {what} on {medium}, medians of {rounds} rounds", columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=KINDS, help="one kind only")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="a folder on the disk to measure (else: the temporary folder)")
    options = parser.parse_args()
    for name in [options.only] if options.only else KINDS:
        for place in (TMPFS, options.dir or Path(tempfile.gettempdir())):
            compare(name, place, options.rounds)


if __name__ == "__main__":
    main()
