"""The kernel's word of what changes."""

import os
from pathlib import Path

import pytest

from jobrunner.linux import inotify
from jobrunner.linux.inotify import Change, Inotify
from jobrunner.linux.waiting import ready


def test_each_change_is_told_once_with_its_name(tmp_path: Path) -> None:
    queue = Inotify()
    queue.watch(str(tmp_path), inotify.CREATE | inotify.MOVED_TO)
    assert queue.take() == []
    odd = os.fsdecode(b"odd \xff\n name")
    (tmp_path / odd).mkdir()
    (tmp_path / odd).rename(tmp_path / "new")
    assert ready((queue.fileno(),), 0)
    is_folder = 0x4000_0000
    assert queue.take() == [Change(inotify.CREATE | is_folder, odd), Change(inotify.MOVED_TO | is_folder, "new")]
    assert queue.take() == []
    queue.close()


def test_what_cannot_be_watched_is_named(tmp_path: Path) -> None:
    queue = Inotify()
    with pytest.raises(FileNotFoundError, match="nothing"):
        queue.watch(str(tmp_path / "nothing"), inotify.CREATE)
    queue.close()
