"""An inbox on another filesystem: packages are copied, verified and only then taken from the sender."""

import hashlib
import os
import random
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.messages import tree
from tests.support import RECEIPT, TestHome, children_of, kill, wait_until


@pytest.fixture
def across(home: TestHome) -> Iterator[TestHome]:
    """A home whose inbox is on another filesystem."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="jobrunner-test-") as folder:
        assert os.stat(folder).st_dev != home.path.stat().st_dev, "the tests need two filesystems: /tmp and /dev/shm"
        home.inbox.rmdir()
        home.inbox = Path(folder) / "inbox"
        home.inbox.mkdir()
        configure(home, "")
        yield home
        home.end_all()


def configure(home: TestHome, source: str) -> None:
    (home.path / "handler.py").write_text(source)
    home.configure(
        f'[folders]\ninbox = "{home.inbox}"\n[process]\ncommand = ["{sys.executable}", "handler.py"]\n'
        '[retry]\nbackoff = "1s"\n'
    )


def test_a_package_is_moved_with_contents_and_times(across: TestHome) -> None:
    beside = {"run.sh": b"#!/bin/sh\n", "deep/er/notes": b"n" * 3_000_000, "empty": b""}
    package = across.package("p", beside=beside)
    (package / "run.sh").chmod(0o750)
    (package / "empty").chmod(0o400)
    (package / "folder").mkdir(mode=0o700)
    old = 1_234_567_890_123_456_789
    for path in ("run.sh", "p.zip", "deep/er/notes", "deep/er", "folder"):
        os.utime(package / path, ns=(old, old))
    original = (package / "p.zip").read_bytes()
    assert across.jobrunner("run", "--drain").returncode == 0
    archived = across.archive / "p"
    assert os.listdir(across.inbox) == []
    assert (archived / "p.zip").read_bytes() == original
    assert {path: (archived / path).read_bytes() for path in beside} == beside
    modes = [stat.S_IMODE((archived / path).stat().st_mode) for path in ("run.sh", "empty", "folder", ".")]
    assert modes == [0o754, 0o644, 0o755, 0o755]
    for path in ("run.sh", "p.zip", "deep/er/notes", "deep/er", "folder"):
        assert (archived / path).stat().st_mtime_ns == old, path
    assert {path.name for path in across.work.iterdir()} == {".home", ".workers"}


def test_what_fails_is_in_the_failed_folder_and_comes_from_there_when_retried(across: TestHome) -> None:
    configure(across, "import os\nraise SystemExit(0 if os.path.exists('good') else 65)")
    across.package("p", beside={"note": b"mine"})
    assert across.jobrunner("run", "--drain").returncode == 1
    assert os.listdir(across.inbox) == []
    assert sorted(os.listdir(across.failed / "p")) == ["error.txt", "note", "p.zip"]
    (across.path / "good").touch()
    across.jobrunner("retry", "p")
    assert across.jobrunner("run", "--drain").returncode == 0
    assert sorted(os.listdir(across.archive / "p")) == [RECEIPT, "data.txt", "note", "p.zip"]


def test_a_second_delivery_meanwhile_is_held_untouched(across: TestHome) -> None:
    configure(across, "open('gate').read()")
    os.mkfifo(across.path / "gate")
    across.package("p", {"data.txt": "first"})
    process = across.start("run", "-n", "1", "--drain")
    wait_until((across.logs / "p" / "1.log").exists)
    across.package("p", {"data.txt": "second"})
    before = tree(across.inbox)
    assert [each["name"] for each in across.status()["duplicates"]] == ["p"]
    (across.path / "gate").write_text("go")
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert (across.archive / "p" / "data.txt").read_text() == "first"
    assert tree(across.inbox) == before


def test_many_packages_and_three_workers(across: TestHome) -> None:
    for number in range(40):
        across.package(f"p{number}", {"data.txt": f"{number}"}, {"note": b"%d" % number})
    assert across.jobrunner("run", "-n", "3", "--drain").returncode == 0
    assert across.counts()["done"] == 40
    assert os.listdir(across.inbox) == []
    for number in range(40):
        assert (across.archive / f"p{number}" / "data.txt").read_text() == f"{number}"
        assert (across.archive / f"p{number}" / "note").read_bytes() == b"%d" % number


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again_nothing_is_lost_or_doubled(across: TestHome, seed: int) -> None:
    chance = random.Random(seed)
    configure(across, "import pathlib, sys\npathlib.Path(sys.argv[1], 'out').write_text('handled')")
    digests = {}
    for number in range(40):
        large = chance.randbytes(chance.choice([10, 2_000_000]))
        package = across.package(f"p{number}", {"data.txt": f"{number}"}, {"large": large})
        digests[f"p{number}"] = [
            hashlib.sha256((package / name).read_bytes()).digest() for name in ("large", f"p{number}.zip")
        ]

    def run_and_kill(reached: int) -> None:
        process = across.start("run", "-n", "3")
        wait_until(lambda: across.archive.is_dir() and len(os.listdir(across.archive)) >= reached)
        workers = wait_until(lambda: children_of(process.pid))
        kill(chance.choice(workers))
        if chance.random() < 0.5:
            wait_until(lambda: len(os.listdir(across.archive)) > reached)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)  # its workers have ended, too: they share its stderr

    for turn in range(4):
        run_and_kill(6 * turn + chance.randrange(6))
    result = across.jobrunner("run", "-n", "3", "--drain")
    assert result.returncode == 0, result.stderr
    assert across.counts() == {"queued": 0, "waiting": 0, "running": 0, "done": 40, "failed": 0}
    assert os.listdir(across.inbox) == [], "hidden names included"
    assert os.listdir(across.failed) == []
    assert sorted(os.listdir(across.archive)) == sorted(digests)
    for name, expected in digests.items():
        archived = across.archive / name
        assert sorted(os.listdir(archived)) == sorted([RECEIPT, "data.txt", "large", "out", f"{name}.zip"])
        found = [hashlib.sha256((archived / path).read_bytes()).digest() for path in ("large", f"{name}.zip")]
        assert found == expected
        assert (archived / "data.txt").read_text() == name.removeprefix("p")
    assert {path.name for path in across.work.iterdir()} == {".home", ".workers"}
