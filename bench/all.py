"""Runs the parts of the bench, one after the other, and writes what they print to bench/results/, a file a part.

`bench/all.py queues memory` runs only these. results/README.md then has the wanted figures of all files that are there.
"""

import argparse
import compileall
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import apsw

sys.path.insert(0, str(Path(__file__).parent))
from report import MISSED, REACHED, file_system

BENCH = Path(__file__).parent
RESULTS = BENCH / "results"

#: The parts in their order, and the arguments of each.
PARTS: dict[str, list[str]] = {
    "extraction": [],
    "queues": [],
    "whole_job": [],
    "handlers": [],
    "scale": ["--plot", str(RESULTS / "scale.svg")],
    "see": [],
    "titles": [],
    "dashboard": [],
    "latency": [],
    "memory": [],
    "recovery": [],
    "cluster": [],
}
_WANTED = re.compile(rf"({REACHED}|{MISSED})(.*?): (.*) \(wanted: (.*)\)\n")


def machine() -> str:
    """Return what the figures depend on."""
    processor = re.search("model name\t: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    lines = {
        "processor": f"{processor[1] if processor else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB",
        "kernel": platform.release(),
        "disk": file_system(Path(tempfile.gettempdir())),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "revision": output("git", "-C", str(BENCH), "rev-parse", "--short", "HEAD"),
    }
    return "".join(f"{name + ':':11}{value}\n" for name, value in lines.items())


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def run(part: str) -> bool:
    """Run a part, show what it prints and write it down; False where it failed."""
    command = [sys.executable, "-u", str(BENCH / f"{part}.py"), *PARTS[part]]
    print(f"\n== {part}", flush=True)
    started_at = time.monotonic()
    with (RESULTS / f"{part}.txt").open("w") as file:
        file.write(f"{machine()}\n")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
            assert program.stdout is not None
            for line in program.stdout:
                print(line, end="", flush=True)
                file.write(line)
        took = f"{part} took {(time.monotonic() - started_at) / 60:.1f} minutes"
        took += f" and failed with exit status {program.returncode}" if program.returncode else ""
        file.write(f"\n{took}\n")
    print(f"\n{took}", flush=True)
    return program.returncode == 0


def summary() -> str:
    """Return the table of all wanted figures that are in the results."""
    lines = ["| part | what | figure | reached | wanted |", "|---|---|---|---|---|"]
    for file in (RESULTS / f"{part}.txt" for part in PARTS):
        for mark, what, figure, limit in _WANTED.findall(file.read_text()) if file.exists() else ():
            reached = "yes" if mark == REACHED else "**no**"
            lines.append(f"| [{file.stem}]({file.name}) | {what} | {figure} | {reached} | {limit} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART", help=f"{', '.join(PARTS)} (all)")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    RESULTS.mkdir(exist_ok=True)
    # as pip does where jobrunner is installed; else, with PYTHONDONTWRITEBYTECODE, each start would compile it
    compileall.compile_dir(BENCH.parent / "jobrunner", quiet=1)
    failed = [part for part in options.parts if not run(part)]
    words = "Made by `make bench`; each part's file has the machine, all tables and what each side flushes."
    (RESULTS / "README.md").write_text(f"# What was measured\n\n{words}\n\n{summary()}\n")
    print(f"\n{summary()}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
