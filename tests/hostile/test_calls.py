"""Every tree that a sender can change is walked by descriptors: no path leads through it, and no link is followed."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.people import SENDER
from tests.hostile.support import MEMBERS, ROOT_ACROSS, USER, HostileHome, places

_CALL = re.compile(r"(?:\d+ +)?(?P<call>\w+)\((?P<arguments>.*)")
_IN_FOLDER = re.compile(r'\d+<(?P<folder>[^>]*)>, "(?P<name>(?:[^"\\]|\\.)*)"(?P<rest>[^"]*)')
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


@places(USER, ROOT_ACROSS)
def test_no_call_has_a_path_below_the_inbox(home: HostileHome) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: it shows which calls have paths")
    log = home.path.parent / "calls"
    home.let('[ "$JOBRUNNER_PACKAGE" = good ] || exit 65')
    members = MEMBERS | {"sub/member": "m"}
    for name in ("good", "bad", "refused"):
        package = home.deliver(name, members, {"sub/mine": b"", "sub/deeper/mine": b"", "mine": b""}, to=home.stash)
        with SENDER.acting():
            if name == "refused":
                (package / "sub" / "link").symlink_to("mine")
            home.arrive(package)
    home.before = [
        "strace",
        "-f",
        "-y",
        "-s",
        "4096",
        "-e",
        "trace=%file,renameat2",
        "-e",
        "signal=none",
        "-o",
        str(log),
    ]
    home.drain()
    home.before = []
    assert {name: home.ended(name)["state"] for name in ("good", "bad")} == {"good": "done", "bad": "failed"}
    wrong = [line for line in log.read_text(errors="replace").splitlines() if any(faults(line, home))]
    assert not wrong, f"{len(wrong)} calls, of which the first are:\n" + "\n".join(wrong[:20])


def faults(line: str, home: HostileHome) -> Iterator[str]:
    """Yield what is wrong with one call: a path through a tree of the sender's, or a name that may be a link."""
    call = _CALL.match(line)
    if call is None or call["call"] in {"execve", "readlink", "getcwd"}:
        return
    # inbox/.. is the folder above, which os.path.ismount looks at from Python 3.13 on
    inside = re.compile(rf"{re.escape(str(home.inbox))}/(?!\.\.$)|{re.escape(str(home.work))}/\d+-\d+/delivered/")
    if any(inside.match(text) for text in _TEXT.findall(call["arguments"])):
        yield "a path"
    for found in _IN_FOLDER.finditer(call["arguments"]):
        if not inside.match(f"{found['folder']}/"):
            continue
        name = Path(found["name"])
        if len(name.parts) > 1:
            yield "several parts"
        if call["call"].startswith("openat") and "O_NOFOLLOW" not in found["rest"]:
            yield "a link is followed"
