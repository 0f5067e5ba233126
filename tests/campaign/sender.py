"""The packages of the soak, what its callable does with each, and whether they end as they should."""

import hashlib
import random
import shutil
from pathlib import Path

from tests.support import TestHome

#: How often each is delivered, and in which state it ends.
_PLANS = {
    "is quick": (25, "done"), "is loud": (2, "done"), "fails at first": (4, "done"), "later at first": (3, "done"),
    "ends its process at first": (1, "done"), "rejects": (1, "failed"), "fails": (1, "failed"),
    "broken zip": (1, "failed"),
}  # fmt: skip
#: What the callable leaks with each package, and after how many its process is replaced.
LEAK, RECYCLE_AFTER = 200_000, 25
_CALLABLE = f"""
import os, jobrunner

leaked = []

def process(package):
    leaked.append(b"x" * {LEAK})
    plan = (package.data / "plan.txt").read_text()
    print(plan, "x" * (200_000 if plan == "is loud" else 20))
    package.progress(1, 2, "soaking")
    (package.data / "result.txt").write_text(package.name)
    is_first = package.attempt == 1
    if plan == "rejects":
        raise jobrunner.Reject("so it was planned")
    if plan == "later at first" and is_first:
        raise jobrunner.RetryLater("so it was planned")
    if plan == "ends its process at first" and is_first:
        os._exit(1)
    if plan == "fails" or plan == "fails at first" and is_first:
        raise ValueError("so it was planned")
"""
_SETTINGS = f"""
[intake]
broken_after = "0s"
[extract]
keep_free = "4 MiB"
[process]
callable = "soaking:process"
recycle_after = {RECYCLE_AFTER}
max_log = "64 KiB"
[retry]
max_attempts = 2
backoff = "%s"
[retention]
attempts = "1m"
logs = "1m"
"""


class Sender:
    """Whoever delivers packages to a home, and takes the results away."""

    def __init__(self, home: TestHome, folder: Path, chance: random.Random) -> None:
        """`folder`: where packages are made, on the filesystem of the home."""
        self.faults: list[str] = []
        self._home = home
        self._folder = folder
        self._random = chance
        self._sent: dict[str, tuple[str, str]] = {}
        self._ready: list[str] = []
        folder.mkdir()
        (home.path / "soaking.py").write_text(_CALLABLE)
        self.configure("0.1s")

    def __len__(self) -> int:
        """How many packages there are."""
        return len(self._sent)

    def configure(self, backoff: str) -> None:
        self._home.configure(_SETTINGS % backoff)

    def make(self) -> None:
        """Make a package that is to be delivered."""
        name = f"p{len(self)}"
        [plan] = self._random.choices(list(_PLANS), [often for often, _ in _PLANS.values()])
        members = {"plan.txt": plan.encode(), "data.bin": self._random.randbytes(self._random.randrange(5000))}
        path = self._home.package(name, members, folder=self._folder) / f"{name}.zip"
        if plan == "broken zip":
            path.write_bytes(path.read_bytes()[:-30])
        self._sent[name] = (plan, hashlib.sha256(path.read_bytes()).hexdigest())
        self._ready.append(name)

    def deliver(self) -> None:
        """Deliver the one that was made first."""
        name = self._ready.pop(0)
        (self._folder / name).rename(self._home.inbox / name)

    def take_away(self) -> None:
        """Take what is done out of the archive, as whoever uses it does, once it is seen to be whole."""
        for path in self._home.archive.iterdir():
            self._verify(path, "done")
            if (path / "result.txt").read_text() != path.name:
                self.faults.append(f"{path}: the result is not its own")
            shutil.rmtree(path)

    def look_at_failed(self) -> None:
        for path in self._home.failed.iterdir():
            self._verify(path, "failed")

    def _verify(self, path: Path, state: str) -> None:
        plan, digest = self._sent[path.name]
        if hashlib.sha256((path / f"{path.name}.zip").read_bytes()).hexdigest() != digest:
            self.faults.append(f"{path}: the zip is not as it was sent")
        if _PLANS[plan][1] != state:
            self.faults.append(f"{path}: {plan!r} is not to end there")
