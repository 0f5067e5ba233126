"""Half an hour in which much happens and nothing may grow: `python -m tests.campaign.soak --seconds 1800 --seed 1`.

One `run -n 3` works on packages that arrive at random. In each of some rounds there are failures, retries, a pause, a
full disk, a rotation of the log and, in the first half, reloads, which replace the workers. What jobrunner takes is
measured at the end of each round, when all is done: the first round warms it up, and the last is compared with that.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.campaign.measuring import Measured, Row, rows
from tests.campaign.sender import LEAK, RECYCLE_AFTER, Sender
from tests.messages import met_a_bug
from tests.support import JOBRUNNER, TestHome, wait_until

_DISK = "256m"
#: Packages that are delivered while the disk is full, for which there would be no room then.
_AHEAD = 10
#: The most bytes of lines of `run`, in the log and in the one before it.
_SAID = 2 << 20
#: Seconds for what waits to be done, with the machine's other work beside it.
_PATIENCE = 300.0
#: Seconds for which something may be more than it was, at rest: longer is no moment.
_MOMENT = 10.0


class Soak:
    """A home and the one that works on it."""

    def __init__(self, disk: Path, outside: Path, seed: int, rate: float) -> None:
        """`disk` may be filled if it is one of its own; `rate`: packages a second, on the average."""
        self.faults: list[str] = []
        self.happened: Counter[str] = Counter()
        self.measured: list[Measured] = []
        self.home = TestHome(disk / "home")
        self._disk = disk
        self._rate = rate
        self._random = random.Random(seed)
        self._sender = Sender(self.home, disk / "sender", self._random)
        self._stderr, self._log, self._old_log = outside / "stderr", disk / "run.log", disk / "run.log.1"
        with self._stderr.open("w") as stderr:
            words = [*JOBRUNNER, "--home", str(self.home.path), "run", "-n", "3", "--log-file", str(self._log)]
            self._run = subprocess.Popen(
                words, stdout=subprocess.DEVNULL, stderr=stderr, env=self.home.environment, process_group=0
            )

    def run(self, seconds: float, rounds: int) -> list[Row]:
        """Let so many rounds pass in about so many seconds; return what was measured. `faults` has what is wrong."""
        try:
            for number in range(rounds):
                self._round(seconds / rounds, reloads=number < rounds / 2)
                largest = ", ".join(
                    f"{kind} {max(each.memory for each in some):,}"
                    for kind, some in self.measured[-1].processes.items()
                )
                print(
                    f"{len(self._sender)} packages after round {number + 1} of {rounds}; memory: {largest}", flush=True
                )
            found = self._compared()
        finally:
            self._ballast.unlink(missing_ok=True)
            self._run.terminate()
            code = self._run.wait(_PATIENCE)
        if code != 143:
            self.faults.append(f"run ended with {code}")
        for path in (self._stderr, self._log):
            self._read(path)
        self._command("check")
        self.faults += self._sender.faults
        return found

    def _round(self, seconds: float, *, reloads: bool) -> None:
        happenings: list[Callable[[float], None]] = [self._pause, self._fill, self._retry, self._rotate]
        if reloads:
            happenings.append(self._reload)
        self._random.shuffle(happenings)
        for happening in happenings:
            self._arrive(seconds / 12)
            happening(seconds / 6)
        self._arrive(seconds / 12)
        self._settle()
        self.measured.append(self._measure())

    def _measure(self) -> Measured:
        return Measured.of(self.home, self._run.pid, len(self._sender), [self._stderr, self._log, self._old_log])

    def _compared(self) -> list[Row]:
        """Compare what was measured last and first. A file that is open for a moment, say, is measured again."""
        deadline = time.monotonic() + _MOMENT
        while True:
            found = list(rows(self.measured[0], self.measured[-1], own=LEAK * RECYCLE_AFTER, said=_SAID))
            if not any(row.is_too_much for row in found) or time.monotonic() > deadline:
                return found
            self.measured[-1] = self._measure()

    # What happens.

    def _arrive(self, seconds: float) -> None:
        """Deliver packages at random, now and then many at once, and look at the home as people do."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for _ in range(self._random.choice((1, 1, 1, 1, 6))):
                self._sender.make()
                self._sender.deliver()
            self.home.counts()
            self._sender.take_away()
            time.sleep(min(self._random.expovariate(self._rate / 2), left))

    def _pause(self, seconds: float) -> None:
        self._command("pause", "--reason", "the soak")
        self._arrive(seconds / 2)
        self._command("resume")

    def _reload(self, seconds: float) -> None:
        self._sender.configure(f"0.{1 + self.happened['reload'] % 2}s")
        self._command("reload")
        self._arrive(seconds / 3)

    def _retry(self, seconds: float) -> None:
        self._command("retry", "--all")
        self._arrive(seconds / 3)

    def _rotate(self, seconds: float) -> None:
        """Move the log away, as logrotate does: what is said from then on goes into another one."""
        wait_until(self._log.exists)
        self._log.rename(self._old_log)
        self._sender.make()
        self._sender.deliver()
        self._arrive(seconds / 3)
        wait_until(self._log.exists)
        self._read(self._old_log)
        self.happened["rotation"] += 1

    def _read(self, log: Path) -> None:
        said = log.read_text()
        if met_a_bug(said) or " died" in said:
            self.faults.append(f"run said: {said[-2000:]}")

    @property
    def _ballast(self) -> Path:
        return self._disk / "ballast"

    def _fill(self, seconds: float) -> None:
        """Leave no byte free, while packages arrive whose files are there already."""
        if not self._disk.is_mount():
            return
        for _ in range(_AHEAD):
            self._sender.make()
        is_said = False
        with self._ballast.open("wb", buffering=0) as ballast:
            for _ in range(_AHEAD):
                with suppress(OSError):  # what was pruned since the last time is taken, too
                    while True:
                        ballast.write(bytes(1 << 16))
                self._sender.deliver()
                time.sleep(seconds / _AHEAD)
                is_said = is_said or self._is_in_trouble()
        wait_until(lambda: is_said or self._is_in_trouble() or self._is_done(), _PATIENCE)
        if not (is_said or self._is_in_trouble()):
            self.faults.append("nothing was said of the full disk")
        self._ballast.unlink()
        wait_until(lambda: not self._is_in_trouble(), _PATIENCE)
        self.happened["full disk"] += 1

    def _is_in_trouble(self) -> bool:
        return bool(self.home.status()["troubles"])

    def _command(self, *words: str) -> None:
        result = self.home.jobrunner(*words)
        if result.returncode:
            self.faults.append(f"{' '.join(words)} ended with {result.returncode}: {result.stdout}{result.stderr}")
        self.happened[words[0]] += 1

    def _settle(self) -> None:
        """Wait until all is done, and forget what is old, as time alone does it in the long run."""
        wait_until(self._is_done, _PATIENCE)
        self._sender.take_away()
        self._sender.look_at_failed()
        self._command("prune", "--older-than", "0s")

    def _is_done(self) -> bool:
        counts = self.home.counts()
        work = [name for name in os.listdir(self.home.work) if not name.startswith(".")]
        return counts["done"] + counts["failed"] == len(self._sender) and not work


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk on a folder for as long as this lasts, and say whether that could be done: only root may."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=755", "none", str(folder)]
    if subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Live through ordinary days, and see whether anything grows.")
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5, help="packages a second, on the average")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # then nothing is left, either
    root = Path(tempfile.mkdtemp(prefix="jobrunner-soak-"))
    (root / "disk").mkdir()
    print(f"{arguments.seconds:g} s with seed {arguments.seed} in {root}", flush=True)
    with small_disk(root / "disk") as is_small:
        if not is_small:
            print("no disk can be mounted here, which takes root: none is full")
        soak = Soak(root / "disk", root, arguments.seed, arguments.rate)
        found = soak.run(arguments.seconds, arguments.rounds)
    print(f"{'the largest of each kind':28}{'first':>14}{'last':>14}{'at most':>14}", *found, sep="\n")
    print("what happened:", ", ".join(f"{what} {often}" for what, often in sorted(soak.happened.items())))
    print(*(f"FAULT: {fault}" for fault in soak.faults), sep="\n")
    shutil.rmtree(root)
    return 1 if soak.faults or any(row.is_too_much for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
