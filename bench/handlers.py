"""A callable beside a command on small packages, and what starting a command costs us above subprocess.run in a loop.

The packages hold one file of 100 bytes and go through `jobrunner run -n 3 --drain`, starting up included; the handlers
do nothing, but the command is a `python` that starts for each package. Starts are measured one after the other, in
short alternating rounds, with the output in a file on both sides: through the guard (a new process group, the
environment, the timeout, nothing left behind), and with subprocess.run.
"""

import argparse
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
from report import table, wanted

from jobrunner.domain.exits import BUG
from jobrunner.domain.job import Outcome
from jobrunner.domain.package import Package
from jobrunner.process.choosing import handler_for
from jobrunner.process.guard import Guard
from jobrunner.process.handler import Call
from jobrunner.process.presence import Presence
from jobrunner.wiring.home import load_settings

#: Settings of the whole job: what its handler is.
HANDLERS = {
    "no handler": "",
    "callable": '[process]\ncallable = "nothing:process"\n',
    "command, python": f'[process]\ncommand = ["{sys.executable}", "nothing.py"]\n',
}


def whole_job(settings: str, packages: Path, base: Path) -> float:
    """Return the seconds that all packages take."""
    home = Path(tempfile.mkdtemp(dir=base))
    shutil.copytree(packages, home / "inbox")
    (home / "nothing.py").write_text("def process(package):\n    pass\n")
    (home / "jobrunner.toml").write_text(settings)
    command = [sys.executable, "-m", "jobrunner", "--home", str(home), "run", "-n", "3", "--drain"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    shutil.rmtree(home)
    return seconds


def compare_handlers(base: Path, count: int, rounds: int) -> None:
    packages = base / "packages"
    make_packages(packages, count, files=1, size=100)
    times: dict[str, list[float]] = {name: [] for name in HANDLERS}
    for number in range(rounds):
        for name in HANDLERS if number % 2 == 0 else reversed(HANDLERS):
            times[name].append(whole_job(HANDLERS[name], packages, base))
    rows = []
    for name, seconds in times.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(times["command, python"], seconds, strict=True))
        rows.append([name, f"{count / statistics.median(seconds):,.0f}", f"{ratio:.2f}", "synchronous=FULL, flushed"])
    columns = ["handler", "packages/s", "command's time over it", "durability"]
    table(f"{count:,} packages of one file, run -n 3, medians of {rounds} rounds", columns, rows)


def compare_starts(base: Path, count: int, rounds: int) -> None:
    nothing = base / "nothing.py"
    nothing.write_text("")
    rows = []
    for words in ([sys.executable, str(nothing)], ["/bin/true"]):
        ratios, ours = [], []
        for number in range(rounds):
            starts = [through_guard, through_subprocess]
            seconds = {start: start(words, base, count) for start in (starts if number % 2 == 0 else starts[::-1])}
            ratios.append(seconds[through_guard] / seconds[through_subprocess])
            ours.append(seconds[through_guard] / count * 1000)
        name, ratio = Path(words[0]).name, statistics.median(ratios)
        added = statistics.median(own - own / one for own, one in zip(ours, ratios, strict=True))
        rows.append([name, f"{statistics.median(ours):.2f}", f"{added:.2f}", f"{ratio:.2f}", ""])
        if words[0] == sys.executable:
            wanted("starting a command over subprocess.run", f"{ratio:.2f}", "at most 1.30", reached=ratio <= 1.3)
    columns = ["command", "ours, ms", "of it above subprocess.run", "ours over subprocess.run", ""]
    table(f"starting a command {count} times, one after the other, medians of {rounds} rounds", columns, rows)


def through_guard(words: list[str], base: Path, count: int) -> float:
    (base / "jobrunner.toml").write_text(f"[process]\ncommand = {words}\n")
    settings = load_settings(base).process
    handler = handler_for(settings, base, "bench")
    assert handler is not None
    guard = Guard(
        handler, timeout=settings.timeout, present=Presence(base / "workers").appear(), give_up=lambda error: BUG
    )
    call = Call(Package("one", base, base / "one.zip", 1, base), str(base / "guard.log"), str(base / "progress"))

    def run() -> None:
        if guard.run(call, lambda left: None).outcome is not Outcome.DONE:
            raise SystemExit(f"{words} did not end well: {(base / 'guard.log').read_text()}")

    seconds = timed(run, count)
    guard.close()
    return seconds


def through_subprocess(words: list[str], base: Path, count: int) -> float:
    def run() -> None:
        with (base / "subprocess.log").open("ab") as log:
            subprocess.run([*words, base], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, cwd=base)

    return timed(run, count)


def timed(run: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=500)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="a folder on the filesystem to measure (else: the temporary folder)")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.dir))
    try:
        compare_starts(base, options.starts, options.rounds * 5)  # short ones: a machine may be slower a second later
        compare_handlers(base, options.packages, options.rounds)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
