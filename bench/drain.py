"""One drain of a queue by one side: server up, queue filled, workers started, marks read, everything ended."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import marks
from servers import NotMeasuredError, wait_until
from sides import Side

BENCH = Path(__file__).parent
MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Drain:
    """`rate`: different jobs a second; `share`: smallest over largest number of jobs of a worker.

    `wait`: the longest for a job, seconds, if known.
    """

    rate: float
    repeated: int
    share: float
    wait: float


def drain(side: Side, jobs: int, workers: int, base: Path, most_seconds: float) -> Drain:
    """Let `workers` empty a queue of `jobs` no-ops. Raises NotMeasuredError."""
    with place(base) as (folder, marked), side.serve(folder) as url:
        environment = variables(folder, marked, url)
        fill(side, folder, jobs, environment)
        with started(side.commands(folder, url, workers), folder, environment) as programs:

            def is_drained() -> bool:
                if any(program.poll() for program in programs):
                    raise NotMeasuredError(f"a worker of {side.name} failed")
                return marks.count(marked) >= jobs and done(marked) == jobs

            wait_until(is_drained, f"{side.name} did not do {jobs} jobs with {workers} workers", most_seconds)
            if side.is_loop:
                wait_until(lambda: all(program.poll() is not None for program in programs), f"{side.name} did not end")
        found = marks.read(marked)
        waits = [float(path.read_text()) for path in folder.glob("wait-*")]
    shares = Counter(mark.pid for mark in found)
    return Drain(
        rate=(jobs - 1) / (found[-1].started_at - found[0].started_at),
        repeated=len(found) - jobs,
        share=min(shares.values()) / max(shares.values()) if len(shares) == workers else 0,
        wait=max(waits, default=float("nan")),
    )


def done(marked: Path) -> int:
    """Return how many different jobs have run."""
    return len({mark.number for mark in marks.read(marked)})


@contextmanager
def place(base: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a folder for a queue, and the file of its marks, in memory."""
    folder = Path(tempfile.mkdtemp(prefix="queue-", dir=base))
    marks_folder = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=MEMORY))
    try:
        yield folder, marks_folder / "marks"
    finally:
        shutil.rmtree(marks_folder)
        shutil.rmtree(folder)


def variables(folder: Path, marked: Path, url: str | None, seconds: float = 0) -> dict[str, str]:
    """Return the environment of a side's programs."""
    ours = {"BENCH_FOLDER": folder, "BENCH_MARKS": marked, "BENCH_URL": url or "", "BENCH_SECONDS": seconds}
    return os.environ | {name: str(value) for name, value in ours.items()} | {"PYTHONPATH": str(BENCH)}


def fill(side: Side, folder: Path, jobs: int, environment: dict[str, str]) -> None:
    """Queue the jobs, in a process of its own, and have the disk quiet afterwards."""
    code = f"import pathlib, peers.{side.module} as peer; peer.fill(pathlib.Path({str(folder)!r}), {jobs})"
    subprocess.run([side.python, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)
    os.sync()


@contextmanager
def started(
    commands: list[list[str]], folder: Path, environment: dict[str, str]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run programs, each with its process group; whatever is left of them at the end is killed."""
    programs = []
    try:
        for command in commands:
            programs.append(start(command, folder, environment))
        yield programs
    except NotMeasuredError as error:
        raise NotMeasuredError(f"{error}: {(folder / 'worker.log').read_text()[-1000:]}") from error
    finally:
        for program in programs:
            program.terminate()
        for program in programs:
            with suppress(subprocess.TimeoutExpired):
                program.wait(2)
            kill_session(program.pid)
            program.wait()


def start(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Run a program with its output in the folder's worker.log."""
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def kill_session(leader: int) -> None:
    """Kill every process of a session: workers make process groups of their own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and session_of(int(entry.name)) == leader:
            with suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
