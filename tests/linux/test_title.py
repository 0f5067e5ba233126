import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Shows a title in place of its command line, then says what the kernel shows of it, and what of a fork.
SHOW = """
import os, sys
from pathlib import Path
from jobrunner.linux.title import show
def seen():
    return Path("/proc/self/cmdline").read_bytes().rstrip(b"\\0")
for title in sys.argv[1:]:
    show(title)
    os.write(1, seen() + b"\\n")
if os.fork() == 0:
    os.write(1, seen() + b"\\n")
    show("a fork")
    os.write(1, seen() + b"\\n")
    os._exit(0)
os.wait()
os.write(1, seen() + b"\\n" + Path("/proc/self/environ").read_bytes())
"""

MARKS = {"FIRST": "1", "PATH": os.environ["PATH"], "LAST": "2"}


def shown(*titles: str, environment: dict[str, str] | None = None) -> list[bytes]:
    words = [sys.executable, "-P", "-c", SHOW, *titles]
    env = MARKS if environment is None else environment
    return subprocess.run(words, env=env, capture_output=True, check=True).stdout.split(b"\n")


def test_a_title_stands_in_place_of_the_command_line_and_is_a_forks_too() -> None:
    *lines, environment = shown("first", "the second", "3")
    assert lines == [b"first", b"the second", b"3", b"3", b"a fork", b"3"]
    assert dict(pair.split(b"=", 1) for pair in environment.split(b"\0") if pair) == {
        name.encode(): text.encode() for name, text in MARKS.items()
    }


def test_a_long_title_is_cut_and_the_environment_stays() -> None:
    words = [sys.executable, "-P", "-c", f"{SHOW}\nshow('x' * 1_000_000); os.write(1, seen())"]
    result = subprocess.run(words, env=MARKS, capture_output=True, check=True).stdout
    environment = result.rpartition(b"\0")
    assert environment[2] == b"x" * (sum(len(word) + 1 for word in words) - 1)
    assert b"\nFIRST=1\0" in environment[0]


@pytest.mark.parametrize("title", ["größer", "\U0001f600", ""])
def test_any_text_can_be_a_title(title: str) -> None:
    assert shown(title)[0] == title.encode()


def test_without_an_environment_it_works_as_well() -> None:
    assert shown("first", environment={})[0] == b"first"


def test_ps_shows_it() -> None:
    child = "import sys; from jobrunner.linux.title import show; show('a title'); print(flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", child], stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        process.stdout.readline()
        if Path("/usr/bin/ps").exists():
            words = ["ps", "-o", "args=", "-p", str(process.pid)]
            assert subprocess.run(words, capture_output=True, check=True).stdout.rstrip() == b"a title"
        process.communicate()
