"""What the dashboard's pages cost beside 1,000 and beside 1,000,000 done jobs, and what they cost the workers.

Each address is asked for by one connection that stays, as a browser's does: from the request to the last byte, the
median of its rounds. The deep page is the 10,000th of a million, reached by the keys of the one before. Then three
workers process small packages, with and without a hundred live pages beside them, in turns: how many in a second, and
how much of a processor does the dashboard take meanwhile?

All of it takes about 5 minutes, most of which make jobs; --sizes 1000 10000 takes two.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from packages import make_packages
from report import table, wanted
from scale import make_home, median

from jobrunner.domain.filters import Filters

SIZES = (1_000, 1_000_000)
_ROUNDS = 15
_LIVE = 100
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Serve a home's dashboard; yield its process and its port."""
    words = [sys.executable, "-m", "jobrunner", "--home", str(folder), "web", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r":(\d+)/", process.stdout.readline())
            assert found
            yield process, int(found[1])
        finally:
            process.terminate()


def ask(connection: HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, (path, answer.status, text)
    return text


def pages(folder: Path, size: int) -> dict[str, float]:
    """Return the milliseconds that each page of a home takes."""
    inbox = folder.with_suffix(".inbox")
    inbox.mkdir()
    home = make_home(folder, inbox, size)
    deep = home.store.listing.select(Filters(limit=size // 100 * 99), home.store.now())[-1]
    [last] = home.report.listed([deep])
    addresses = {
        "overview": "/",
        "list, first page": "/packages",
        "list, deep page": f"/packages?after={last.reached_at!r},{deep}",
        "list, by the beginning of a name": "/packages?name=done-00000",
        "list, by name, state and time": "/packages?name=done&state=done&since=3d",
        "package": "/packages/done-0000500",
        "/metrics": "/metrics",
        "/api/status": "/api/status",
        "a file of the pages": "/static/style.css",
    }
    home.store.close()
    with served(folder) as (_, port):
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for path in addresses.values():
            ask(connection, path)
        return {what: median(lambda: ask(connection, path), _ROUNDS) * 1000 for what, path in addresses.items()}  # noqa: B023


def throughput(base: Path, *, live: int, count: int) -> tuple[float, float]:
    """Return the packages in a second that three workers do beside so many live pages, and the dashboard's part."""
    folder = base / f"home-{time.monotonic_ns()}"
    (folder / "inbox").mkdir(parents=True)
    (folder / "jobrunner.toml").write_text("")
    make_packages(folder / "packages", count, files=10, size=8_000)
    (folder / "inbox").rmdir()
    (folder / "packages").rename(folder / "inbox")
    words = [sys.executable, "-m", "jobrunner", "--home", str(folder)]
    subprocess.run([*words, "scan"], check=True, stderr=subprocess.DEVNULL)
    with served(folder) as (process, port), ExitStack() as stack:
        for _ in range(live):
            connection = HTTPConnection("127.0.0.1", port, timeout=600)
            stack.callback(connection.close)
            connection.request("GET", "/live/")
            connection.getresponse().readline()
        used, began = processor(process.pid), time.monotonic()
        subprocess.run([*words, "work", "-n", "3", "--drain"], check=True, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        part = (processor(process.pid) - used) / seconds
    shutil.rmtree(folder)
    return count / seconds, part


def processor(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="done jobs")
    parser.add_argument("--packages", type=int, default=2000, help="that the workers process")
    parser.add_argument("--rounds", type=int, default=5, help="of the workers")
    parser.add_argument("--folder", type=Path, help="where to work")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.folder))
    try:
        found = [pages(base / str(size), size) for size in options.sizes]
        rows = [[what, *(f"{costs[what]:.1f}" for costs in found), ""] for what in found[0]]
        table("a page, milliseconds", ["done jobs", *(f"{size:,}" for size in options.sizes), ""], rows)
        for what in found[0]:
            costs = [each[what] for each in found]
            grows = max(costs) / max(min(costs), 5.0)  # below that it is the way there and back
            wanted(
                what,
                f"{max(costs):.1f} ms, {grows:.2f} times",
                "at most 50 ms, 1.5 times",
                reached=max(costs) <= 50 and grows <= 1.5,
            )
        ratios, parts = [], []
        for _ in range(options.rounds):
            alone, _ = throughput(base, live=0, count=options.packages)
            beside, part = throughput(base, live=_LIVE, count=options.packages)
            ratios.append(beside / alone)
            parts.append(part)
        ratio = statistics.median(ratios)
        wanted(
            f"three workers beside {_LIVE} live pages", f"{ratio:.2f} of alone", "at least 0.97", reached=ratio >= 0.97
        )
        used = statistics.median(parts)
        wanted("the dashboard meanwhile", f"{used:.2f} of a processor", "under one", reached=used < 1)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
