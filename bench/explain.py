"""What `jobrunner explain` costs for each kind of name, beside 1,000 and beside 1,000,000 jobs; start included.

The jobs are done at first. Then all of them are queued, and the last one is asked for: it is behind all others.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from list import SIZES, growth, make_homes, measure, show
from report import wanted

from jobrunner.domain.envelope import Emit
from jobrunner.domain.role import Role
from jobrunner.wiring.home import load_settings, open_home

ASKED = {
    "done, the oldest": ["explain", "oldest"],
    "failed": ["explain", "failed"],
    "unknown": ["explain", "unheard-of"],
    "unknown, with many like it": ["explain", "done-17x"],
}
QUEUED = {"queued, behind all others": ["explain", "last"]}

_QUEUE_ALL = "UPDATE jobs SET state = 'queued', finished_at = NULL WHERE state = 'done'"


def queue_all(path: Path) -> None:
    """Queue all jobs of a home, and one more."""
    with open_home(load_settings(path), Emit(Role.COMMAND)) as home, home.store.write():
        home.store.database.execute(_QUEUE_ALL)
        home.store.queue.enqueue(["last"], home.store.now().wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of jobs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="a folder on the filesystem to measure (else: the temporary folder)")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="jobrunner-bench-", dir=options.dir))
    try:
        homes = make_homes(base, options.sizes)
        found = measure(homes, ASKED, options.rounds)
        for home in homes:
            queue_all(home)
        found |= measure(homes, QUEUED, options.rounds)
    finally:
        shutil.rmtree(base)
    slowest = max(found, key=lambda what: found[what][-1])
    steepest = max(found, key=lambda what: growth(found[what]))
    seconds, times = found[slowest][-1], growth(found[steepest])
    wanted(f"explain, the slowest ({slowest})", f"{seconds:.2f} s", "under 0.3 s", reached=seconds < 0.3)
    wanted(f"explain, the steepest ({steepest})", f"{times:.2f} times", "at most 1.50", reached=times <= 1.5)
    show(f"explain, medians of {options.rounds} rounds; the whole program", options.sizes, found)


if __name__ == "__main__":
    main()
