"""`process.keep_failed`: the data folder of a failed attempt stays for a look."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.messages import tree
from tests.support import BROKEN_ZIP, TestHome

HANDLER = """
import os, sys
name, attempt = os.environ["JOBRUNNER_PACKAGE"], int(os.environ["JOBRUNNER_ATTEMPT"])
with open(os.path.join(sys.argv[1], "out.txt"), "w") as file:
    file.write(f"{name} {attempt}")
status = {"fails": 1, "rejects": 65}.get(name, 0)
sys.exit(75 if (name, attempt) == ("later", 1) else status)
"""
WRITES = """
import os, sys
if os.environ["JOBRUNNER_PACKAGE"] != "large":
    with open(os.path.join(sys.argv[1], "out.bin"), "wb") as file:
        file.write(bytes(2_000_000))
    sys.exit(65)
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHome]:
    """A home in which packages have failed twice, been rejected, put off, refused as broken, and are done."""
    home = TestHome(tmp_path_factory.mktemp("ended") / "home")
    home.handler(HANDLER, keep_failed='"1h"', retry='max_attempts = 2\nbackoff = "0s"')
    for name in ("fails", "rejects", "later", "fine"):
        home.package(name)
    home.package("broken", beside={"broken.zip": BROKEN_ZIP})
    assert home.jobrunner("run", "--drain").returncode == 1
    yield home
    home.end_all()


def kept(home: TestHome) -> list[str]:
    """What the data folders hold that are kept, by what their handlers wrote."""
    return sorted((folder / "out.txt").read_text() for folder in (home.work / ".kept").iterdir())


def test_each_failed_attempt_is_kept_as_its_handler_left_it_and_no_other(ended: TestHome) -> None:
    assert kept(ended) == ["fails 1", "fails 2", "rejects 1"]
    for folder in (ended.work / ".kept").iterdir():
        assert tree(folder).keys() == {"data.txt", "out.txt"}
    assert ended.jobrunner("check").returncode == 0


def test_show_says_where_it_is_and_until_when(ended: TestHome) -> None:
    first, second = ended.show("fails")["attempts"]
    assert Path(first["kept_path"], "out.txt").read_text() == "fails 1"
    assert second["kept_until"] > first["kept_until"] > ended.show("fails")["finished_at"]
    lines = ended.jobrunner("show", "fails").stdout.splitlines()
    assert f"data       {second['kept_path']}" in lines
    (line,) = [line for line in lines if line.startswith("kept ")]
    assert re.fullmatch(r"kept       until 20[\d: -]+, of attempt 2; of 1 earlier attempt beside it", line)
    assert ended.show("fine")["attempts"][0]["kept_path"] is None


def test_when_its_time_is_over_the_next_start_removes_it(ended: TestHome) -> None:
    ended.handler(HANDLER)
    assert ended.show("fails")["attempts"][0]["kept_path"] is None
    ended.jobrunner("work", "--drain")
    assert os.listdir(ended.work / ".kept") == []


def test_by_default_nothing_is_kept(home: TestHome) -> None:
    home.handler(HANDLER)
    home.package("rejects")
    home.jobrunner("run", "--drain")
    assert sorted(os.listdir(home.work)) == [".home", ".workers"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_room_for_a_package_goes_before_what_is_kept_the_oldest_first(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
    try:
        home = TestHome(disk / "home")
        home.handler(WRITES, keep_failed='"1h"', retry='backoff = "0.1s"')
        with (home.path / "jobrunner.toml").open("a") as file:
            file.write('[extract]\nkeep_free = "0B"\n')
        for name in ("first", "second"):
            home.package(name)
            home.jobrunner("run", "--drain")
        home.package("large", {"large.bin": bytes(4_500_000)})
        assert home.jobrunner("run", "--drain").returncode == 0
        assert home.counts()["done"] == 1
        assert home.show("first")["attempts"][0]["kept_path"] is None
        assert tree(Path(home.show("second")["attempts"][0]["kept_path"])).keys() == {"data.txt", "out.bin"}
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
