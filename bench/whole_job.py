"""5,000 small packages without a handler: `jobrunner run -n 3 --drain` beside the plain script, in alternating rounds.

Both start from a copy of the same inbox on the same filesystem; starting up is in the figure. The script is also
measured with one `sync` of its filesystem after it: what it has reported is on the disk only then.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from packages import make_packages

SCRIPT = Path(__file__).parent / "plain_script.py"


def jobrunner(home: Path) -> None:
    command = [sys.executable, "-m", "jobrunner", "--home", str(home), "run", "-n", "3", "--drain"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def script(home: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, home], check=True)


def script_and_sync(home: Path) -> None:
    script(home)
    subprocess.run(["sync", "-f", home], check=True)


SIDES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "jobrunner": ("synchronous=FULL, each package flushed before done", jobrunner),
    "plain script": ("nothing flushed, nothing recorded", script),
    "plain script, sync": ("one sync at the end", script_and_sync),
}


def measure(run: Callable[[Path], None], packages: Path, base: Path, count: int) -> float:
    """Return packages a second of one round on a fresh copy."""
    home = Path(tempfile.mkdtemp(dir=base))
    shutil.copytree(packages, home / "inbox")
    os.sync()
    start = time.perf_counter()
    run(home)
    seconds = time.perf_counter() - start
    archived = len(os.listdir(home / "archive"))
    if archived != count:
        raise SystemExit(f"{archived} of {count} packages were archived")
    return count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="a folder on the filesystem to measure (else: the temporary folder)")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.dir))
    try:
        packages = base / "packages"
        make_packages(packages, options.packages)
        rates: dict[str, list[float]] = {side: [] for side in SIDES}
        for number in range(options.rounds):
            order = list(SIDES) if number % 2 == 0 else list(reversed(SIDES))
            for side in order:
                rates[side].append(measure(SIDES[side][1], packages, base, options.packages))
            print(f"round {number + 1}: " + ", ".join(f"{side} {rates[side][-1]:.0f}/s" for side in SIDES), flush=True)
    finally:
        shutil.rmtree(base)
    print(f"\n{options.packages} packages of 10 files of 8 KiB, {options.rounds} rounds, medians")
    print(f"{'':20} {'packages/s':>10}  {'jobrunner over it':>17}  durability")
    for side, (durability, _) in SIDES.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(rates["jobrunner"], rates[side], strict=True))
        print(f"{side:20} {statistics.median(rates[side]):10.0f}  {ratio:17.2f}  {durability}")


if __name__ == "__main__":
    main()
