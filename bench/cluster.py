"""Handlers on the nodes of a Dask cluster, beside the bare Dask client that runs the same commands, and beside home.

The scheduler and one or two nodes of one slot each are processes of this machine, over TLS on the loopback. Packages
of one small file are renamed into the inbox of a `run` that is warm; the time ends when the last one is done. The bare
client hands in all calls at once: each is a task that runs the command by subprocess.call. It extracts, archives and
flushes nothing. A package's cost is measured with one at a time, there and at home. At last 200 handlers wait at once:
what memory does that take?
"""

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from distributed import Client
from distributed.security import Security

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1]))
from packages import make_packages
from processes import descendants, pss
from report import table, wanted
from servers import wait_until

from tests.cluster.dask import Dask

#: Seconds for what is measured at most.
_PATIENCE = 900.0
_BURN = "import time\nwhile time.process_time() < 2: pass\n"
_WAIT = 'touch "$JOBRUNNER_HOME/began/$JOBRUNNER_PACKAGE"\nwhile [ ! -e "$JOBRUNNER_HOME/end" ]; do sleep 2; done\n'
_ROUNDS = 3
_NUMBERS = {1: "one node", 2: "two nodes"}


class Home:
    """A home, where `dask` is given one whose handlers run on its nodes."""

    def __init__(self, path: Path, command: Sequence[str], dask: Dask | None) -> None:
        self.path = path
        (path / "inbox").mkdir(parents=True)
        words = ", ".join(f'"{word}"' for word in command)
        settings = f"[process]\ncommand = [{words}]\n{dask.settings if dask else ''}"
        (path / "jobrunner.toml").write_text(settings)
        self._delivered = 0

    @contextmanager
    def running(self, count: int, first: int) -> Iterator[int]:
        """Run with `count` in flight; `first` packages are done before this goes on. Yield the supervisor's pid."""
        command = [sys.executable, "-m", "jobrunner", "--home", str(self.path), "run", "-n", str(count)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            try:
                if first:
                    self.seconds(first)
                yield process.pid
            finally:
                process.terminate()

    def deliver(self, count: int) -> None:
        folder = self.path / f"packages-{self._delivered}"
        make_packages(folder, count, files=1, size=1000)
        for package in sorted(folder.iterdir()):
            named = package.rename(folder / f"{self._delivered}-{package.name}")
            (named / f"{package.name}.zip").rename(named / f"{named.name}.zip")
        os.sync()
        for package in sorted(folder.iterdir()):
            package.rename(self.path / "inbox" / package.name)
        self._delivered += count

    def seconds(self, count: int) -> float:
        """Deliver so many packages, and return the seconds from the first's rename until all are done."""
        self.deliver(count)
        began = time.monotonic()
        wait_until(lambda: self._done() >= self._delivered, f"{count} packages were not done", _PATIENCE)
        return time.monotonic() - began

    def _done(self) -> int:
        try:
            database = sqlite3.connect(f"file:{self.path / 'jobrunner.db'}?mode=ro", uri=True)
            try:
                count: int = database.execute("SELECT count(*) FROM jobs WHERE state = 'done'").fetchone()[0]
                return count
            finally:
                database.close()
        except sqlite3.OperationalError:  # it is made just now
            return 0


class Bare:
    """The same commands through Dask's own client."""

    def __init__(self, dask: Dask) -> None:
        folder = dask.folder
        security = Security(  # type: ignore[no-untyped-call]
            tls_ca_file=str(folder / "ca.pem"),
            tls_client_cert=str(folder / "all.pem"),
            tls_client_key=str(folder / "all.key"),
            require_encryption=True,
        )
        self._client = Client(dask.address, security=security)  # type: ignore[no-untyped-call]

    def seconds(self, command: Sequence[str], count: int) -> float:
        began = time.monotonic()
        futures = [self._client.submit(subprocess.call, list(command), pure=False) for _ in range(count)]
        answers = self._client.gather(futures)  # type: ignore[no-untyped-call]
        assert answers == [0] * count
        return time.monotonic() - began

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


def in_turns(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median of each side's seconds; the order is another one in each round."""
    seconds = defaultdict(list)
    for number in range(rounds):
        for name in list(sides) if number % 2 == 0 else reversed(sides):
            seconds[name].append(sides[name]())
    return {name: statistics.median(each) for name, each in seconds.items()}


def rate(
    base: Path, dask: Dask, nodes: int, command: Sequence[str], count: int, rounds: int, in_hand: int
) -> dict[str, float]:
    """Return the seconds of each side for so many packages."""
    bare = Bare(dask)
    remote = Home(Path(tempfile.mkdtemp(dir=base)) / "remote", command, dask)
    local = Home(Path(tempfile.mkdtemp(dir=base)) / "local", command, None)
    try:
        bare.seconds(command, 2 * nodes)
        with remote.running(in_hand * nodes, in_hand * nodes), local.running(nodes, nodes):
            sides = {
                "jobrunner on nodes": lambda: remote.seconds(count),
                "the bare client": lambda: bare.seconds(command, count),
                "jobrunner at home": lambda: local.seconds(count),
            }
            return in_turns(sides, rounds)
    finally:
        bare.close()


def cost(base: Path, dask: Dask, count: int) -> float:
    """Return the milliseconds that a package takes longer on a node than at home, one at a time."""
    remote, local = Home(base / "cost-remote", ["true"], dask), Home(base / "cost-local", ["true"], None)
    with remote.running(1, 2), local.running(1, 2):
        found = in_turns({"remote": lambda: remote.seconds(count), "local": lambda: local.seconds(count)}, _ROUNDS)
    per_package = {name: 1000 * seconds / count for name, seconds in found.items()}
    print(f"\none at a time: {per_package['remote']:.1f} ms a package on a node, {per_package['local']:.1f} ms at home")
    return per_package["remote"] - per_package["local"]


def memory(base: Path, dask: Dask, count: int) -> None:
    """Print what `count` waiting handlers take, by kinds of processes."""
    home = Home(base / "memory", ["sh", str(base / "wait.sh")], dask)
    (home.path / "began").mkdir()
    (base / "wait.sh").write_text(_WAIT)
    with home.running(count, 0) as supervisor:
        home.deliver(count)
        began = home.path / "began"
        wait_until(lambda: len(os.listdir(began)) == count, f"{count} handlers did not begin", _PATIENCE)
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for pid in (supervisor, *descendants(supervisor)):
            found["server: " + kind(pid)].append((pss(pid), rss(pid)))
        for node in dask.nodes.values():
            for pid in (node.pid, *descendants(node.pid)):
                with suppress(OSError):  # the sleep of a handler has just ended
                    found["nodes: " + ("Dask worker" if pid == node.pid else kind(pid))].append((pss(pid), rss(pid)))
        (home.path / "end").touch()
        wait_until(lambda: home.seconds(0) >= 0, "the handlers did not end", _PATIENCE)
    rows = [
        [name, str(len(each)), *(f"{sum(column):.0f}" for column in zip(*each, strict=True)), ""]
        for name, each in sorted(found.items())
    ]
    table(f"{count} in flight, MB in all", ["", "processes", "PSS", "RSS", ""], rows)
    server = sum(one for name, each in found.items() if name.startswith("server") for one, _ in each)
    nodes = sum(one for name, each in found.items() if name.startswith("nodes") for one, _ in each)
    print(f"\nin flight, each: {server / count:.1f} MB on the server, {nodes / count:.1f} MB on its node (PSS)")


def kind(pid: int) -> str:
    name = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    for word in ("dispatcher", "guard", "worker", "scanner"):
        if word in name.partition("--home")[0]:
            return word
    return "handlers" if "wait.sh" in name or name.startswith("sleep") else "supervisor"


def rss(pid: int) -> float:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=200, help="with a handler that does nothing")
    parser.add_argument("--burning", type=int, default=12, help="with one that uses a processor for 2 seconds")
    parser.add_argument("--in-hand", type=int, default=3, help="packages for each slot: one runs, others are prepared")
    parser.add_argument("--in-flight", type=int, default=200, help="handlers that wait at once; 0: do not measure that")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-"))
    (base / "burn.py").write_text(_BURN)
    (base / "dask").mkdir()
    dask = Dask(base / "dask")
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    print(
        f"load before: {load:.1f} on {processors} processors", "(busy with other work)" if load > processors / 2 else ""
    )
    try:
        measure(base, dask, options)
    finally:
        dask.end()
        shutil.rmtree(base)


def measure(base: Path, dask: Dask, options: argparse.Namespace) -> None:
    burning = [sys.executable, "-S", str(base / "burn.py")]
    handlers = {
        "no-op": (["true"], options.packages, _ROUNDS),
        "2 s of a processor": (burning, options.burning, _ROUNDS),
    }
    dask.start_scheduler()
    found = {}
    for nodes, name in enumerate("ab", 1):
        dask.node(name, slots=1)
        for what, (command, count, rounds) in handlers.items():
            found[what, nodes] = rate(base, dask, nodes, command, count, rounds, options.in_hand)
        if nodes == 1:
            above = cost(base, dask, options.packages // 4)
    rows = [
        [f"{what}, {_NUMBERS[nodes]}", *(f"{handlers[what][1] / each:.2f}" for each in seconds.values()), ""]
        for (what, nodes), seconds in found.items()
    ]
    table("packages a second", ["", *found["no-op", 1], ""], rows)
    print()
    for (what, nodes), seconds in found.items():
        ratio = seconds["jobrunner on nodes"] / seconds["the bare client"]
        wanted(
            f"{what}, {_NUMBERS[nodes]}, time over the bare client's",
            f"{ratio:.2f}",
            "at most 1.3",
            reached=ratio <= 1.3,
        )
    for what in handlers:
        faster = found[what, 1]["jobrunner on nodes"] / found[what, 2]["jobrunner on nodes"]
        wanted(f"{what}, two nodes over one", f"{faster:.2f}", "at least 1.8", reached=faster >= 1.8)
    wanted("cost of a package above home", f"{above:.0f} ms", "at most 50 ms", reached=above <= 50)
    if options.in_flight:
        for node in dask.nodes.values():
            node.kill_tree()
        dask.nodes.clear()
        for name in "cd":
            dask.node(name, slots=-(-options.in_flight // 2))
        memory(base, dask, options.in_flight)


if __name__ == "__main__":
    main()
