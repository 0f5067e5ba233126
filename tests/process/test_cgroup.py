"""A control group is ended whole, and nobody is said to be left who is only about to end."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jobrunner.linux import processes
from jobrunner.process import cgroup
from tests.support import PATIENCE, control_group, wait_until
from tests.unkillable import dead_disk


@pytest.fixture
def group() -> Iterator[Path]:
    with control_group() as made:
        yield made


def test_killing_a_group_takes_until_those_in_it_have_ended(group: Path, tmp_path: Path) -> None:
    had_ended: list[bool] = []
    with dead_disk(tmp_path / "disk") as disk:
        process = subprocess.Popen(["cat", disk.folder / "file"], stderr=subprocess.DEVNULL)
        (group / "cgroup.procs").write_text(str(process.pid))
        wait_until(disk.mark_of(process.pid).exists)
        with processes.handle_of(process.pid) as handle:

            def kill() -> None:
                cgroup.kill(group, PATIENCE)
                had_ended.append(processes.has_ended(handle))

            killing = threading.Thread(target=kill)
            killing.start()
            wait_until(lambda: _is_killed(process.pid))
            disk.take_away()
            killing.join()
    assert process.wait() == -9
    assert had_ended == [True]


def test_it_is_not_waited_for_longer_than_is_said(group: Path, tmp_path: Path) -> None:
    with dead_disk(tmp_path / "disk") as disk:
        process = subprocess.Popen(["cat", disk.folder / "file"], stderr=subprocess.DEVNULL)
        (group / "cgroup.procs").write_text(str(process.pid))
        wait_until(disk.mark_of(process.pid).exists)
        cgroup.kill(group, patience=0)
        assert process.poll() is None
        assert cgroup.members(group) == [process.pid]
    assert process.wait() == -9


def test_the_groups_of_a_worker_are_found_while_others_come_and_go(group: Path) -> None:
    ours = group / "jobrunner-of-this-test"
    ours.mkdir()
    coming_and_going = subprocess.Popen(
        [sys.executable, "-c", "import os\nwhile True: os.makedirs('a/b'); os.removedirs('a/b')"],
        cwd=group.parent,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until((group.parent / "a").exists)
        assert [cgroup.groups_of("of-this-test") for _ in range(150)] == [[ours]] * 150
    finally:
        coming_and_going.kill()
        coming_and_going.wait()
        for left in (group.parent / "a/b", group.parent / "a", ours):
            with suppress(FileNotFoundError):
                left.rmdir()


def _is_killed(pid: int) -> bool:
    """Say whether a process was sent SIGKILL that it has not taken yet (proc(5): SigPnd, ShdPnd)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(int(line.split()[1], 16) & 1 << 8 for line in lines if line.startswith(("SigPnd:", "ShdPnd:")))


def test_a_group_that_another_program_removes_meanwhile_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    (tmp_path / "cgroup.kill").symlink_to("/dev/full")  # it can be opened, and then not be written
    cgroup.kill(tmp_path, patience=20)
