"""What an attempt leaves that cannot be removed is put aside and said; it keeps no package from going on."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.hostile.support import AS_ROOT, USER, HostileHome, places
from tests.messages import met_a_bug
from tests.support import wait_until


def assert_ended_twice_and_said(home: HostileHome) -> None:
    """Both attempts were made, the job has failed, and its leftovers are named where a user looks."""
    job = home.ended()
    assert (job["state"], len(job["attempts"])) == ("failed", 2)
    assert (home.failed / "p" / "p.zip").is_file()
    left = [path.name for path in home.work.iterdir() if path.name not in {".home", ".workers"}]
    assert left
    found = [difference["path"] for difference in home.check()]
    for name in left:
        assert any(path.startswith(str(home.work / name)) for path in found), (left, found)
        assert name in home.jobrunner("status").stdout.replace("\n", "")


@pytest.fixture
def immutable(home: HostileHome) -> Iterator[None]:
    """What is made immutable in the home can be removed when the test ends."""
    probe = home.path / "probe"
    probe.touch()
    if subprocess.run(["chattr", "+i", probe], check=False, capture_output=True).returncode != 0:
        pytest.skip(f"the filesystem of {home.path} has no immutable files (chattr +i)")
    yield
    home.end_all()
    subprocess.run(["chattr", "-R", "-i", home.path], check=False, capture_output=True)


@places(AS_ROOT)
def test_an_immutable_file(home: HostileHome, immutable: None) -> None:
    home.let('touch "$1/stuck" && chattr +i "$1/stuck"; exit 1', retry__max_attempts="2")
    home.deliver()
    assert home.drain().returncode == 1
    assert_ended_twice_and_said(home)
    subprocess.run(["chattr", "-R", "-i", home.work], check=True, capture_output=True)
    home.jobrunner("check", "--repair")
    home.assert_all_is_well()


@places(AS_ROOT)
def test_a_mount(home: HostileHome) -> None:
    """It is gone with the namespace in which jobrunner ran; the folder that it was on is left."""
    home.before = ["unshare", "--mount", "--propagation", "private"]
    mount = 'mkdir "$1/mount" && mount -t tmpfs tmpfs "$1/mount" && touch "$1/mount/file"; exit 1'
    home.let(mount, retry__max_attempts="2")
    home.deliver()
    assert home.drain().returncode == 1
    job = home.ended()
    assert (job["state"], len(job["attempts"])) == ("failed", 2)
    home.drain()
    home.jobrunner("check", "--repair")
    home.assert_all_is_well()


@places(USER)
def test_files_of_another_user(home: HostileHome) -> None:
    """As a container's root leaves them."""
    home.let(
        'touch "$JOBRUNNER_HOME/started-$JOBRUNNER_ATTEMPT"\n'
        'while [ ! -e "$JOBRUNNER_HOME/go-$JOBRUNNER_ATTEMPT" ]; do sleep 0.02; done\nexit 1',
        retry__max_attempts="2",
    )
    home.deliver()
    process = home.start("run", "--drain")
    for attempt in (1, 2):
        wait_until((home.path / f"started-{attempt}").exists)
        stuck = next(home.work.glob("*-*/data-*")) / "of-root"
        stuck.mkdir()
        (stuck / "file").touch()
        (home.path / f"go-{attempt}").touch()
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert_ended_twice_and_said(home)
    for path in home.work.rglob("of-root"):
        (path / "file").unlink()
    home.jobrunner("check", "--repair")
    home.assert_all_is_well()


@places(USER)
def test_repair_goes_on_after_what_it_cannot_remove(home: HostileHome) -> None:
    home.drain()  # which makes the folders
    for name in ("7-1", "8-1"):
        data = home.work / name / "data"
        data.mkdir(parents=True)
        for path in (data.parent, data):
            os.chown(path, home.user.uid, home.user.uid)
    stuck = home.work / "7-1" / "data" / "of-root"
    stuck.mkdir()
    (stuck / "file").touch()
    result = home.jobrunner("check", "--repair")
    assert result.returncode == 1
    assert not met_a_bug(result.stderr)
    assert not (home.work / "8-1").exists()
    assert stuck.name in result.stdout + result.stderr or "7-1" in result.stdout + result.stderr
