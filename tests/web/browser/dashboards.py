"""Homes with a dashboard, and packages that do what their tests want."""

import os
from contextlib import suppress

from jobrunner.domain.errors import JobrunnerError
from tests.support import TestHome, wait_until
from tests.web.served import Dashboard

#: Ten of the oddest names: five of them are done, five are rejected.
ODD_NAMES = (
    "\x1b[31mred\x07\nline",
    "\u202egpj.exe",
    'it\'s "so"',
    "<img src=x onerror=alert(1)>",
    "x" * 251,
    os.fsdecode("数据".encode("gbk")),
    "🚀👩\u200d🔬",
    "-rf",
    "a?b#c&d%20=e;f",
    "back\\slash\\x41{{7*7}}",
)
#: Does what the package's data.txt says, and prints what would harm a page that trusts it.
_HANDLER = r"""
import os, sys, threading
from pathlib import Path

home, data = Path(os.environ["JOBRUNNER_HOME"]), Path(os.environ["JOBRUNNER_DATA"])
print("<script>alert(2)</script> \x1b[31mred\x1b[0m \u202egpj.exe", flush=True)

def is_there(name):
    return (home / name).exists()

match (data / "data.txt").read_text().split():
    case ["wait", gate]:
        said = ""
        while not is_there(gate):
            text = (home / "progress").read_text() if is_there("progress") else "1/4 aligning"
            if text != said:
                Path(os.environ["JOBRUNNER_PROGRESS"]).write_text(text)
                print("said", text, flush=True)
            said = text
            threading.Event().wait(0.01)
    case ["reject", *unless] if not (unless and is_there(unless[0])):
        print("cannot calibrate <img src=x onerror=alert(3)> of sensor 7", flush=True)
        sys.exit(65)
    case ["later"]:
        sys.exit(1)
"""


def served(home: TestHome, *words: str) -> Dashboard:
    """The dashboard of a home."""
    folder = home.path.parent / f"{home.path.name}-served"
    folder.mkdir(exist_ok=True)
    return Dashboard(home, words, folder)


def prepare(home: TestHome) -> None:
    """Give a home a handler that does what a package says; what it says first is said once more an hour later."""
    home.handler(_HANDLER, retry='backoff = "1h"\nmax_attempts = 2')


def deliver(home: TestHome, name: str, words: str = "") -> None:
    """Deliver a package that is to do this: "", wait GATE, reject [UNLESS], later."""
    home.package(name, {"data.txt": words, "<b>.txt": "bold"})


def comes_to(home: TestHome, name: str, state: str = "done") -> None:
    """Wait until a package is in a state."""

    def is_there() -> bool:
        with suppress(JobrunnerError):  # it is not queued yet
            return bool(home.show(name)["state"] == state)
        return False

    wait_until(is_there)


def fill(home: TestHome) -> None:
    """Have a bit of everything in a home: of each state, of each kind of delivery; one package runs on."""
    prepare(home)
    todo = {name: "reject" if number % 2 else "" for number, name in enumerate(ODD_NAMES)}
    last = "-rf"  # the newest failure is told beside other words, where the link of a short name is easily overlooked
    for name, words in (todo | {"plain": "", "put off": "later", "runs": "wait never"}).items():
        if name != last:
            deliver(home, name, words)
    home.start("run", "-n", "2")
    wait_until(lambda: home.counts() == {"queued": 0, "waiting": 1, "running": 1, "done": 6, "failed": 4})
    deliver(home, last, todo[last])
    wait_until(lambda: home.counts()["failed"] == 5)
    deliver(home, "plain")
    (home.inbox / "half").mkdir()
    (home.inbox / "half" / "note.txt").write_text("to come")
    wait_until(lambda: home.status()["running"][0]["progress"])
