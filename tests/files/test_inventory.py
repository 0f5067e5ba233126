"""What lies in the folders, and which package it is."""

import os
from pathlib import Path

import pytest

from jobrunner.domain.job import Identity
from jobrunner.files import inventory
from jobrunner.files.folders import Folders
from jobrunner.files.inventory import Inventory, WorkFolder
from jobrunner.files.workspace import holds_package
from tests.support import folder_settings


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for name in ("inbox", "work", "archive", "failed", "logs"):
        (tmp_path / name).mkdir()
    return Folders(folder_settings(tmp_path))


def put(*parts: str) -> None:
    path = Path(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def work_folder(folders: Folders, name: str = "1-1") -> WorkFolder:
    job_id, attempt = map(int, name.split("-"))
    return WorkFolder(os.path.join(folders.work, name), job_id, attempt)


def test_work_folders_are_told_from_what_is_strange(folders: Folders) -> None:
    for name in ("7-2", "7-10", "8-1", ".workers", ".left-over-1-1", "x-1", "1-", "-1-1", "9" * 19 + "-1", "\u0661-1"):
        os.mkdir(os.path.join(folders.work, name))
    lying = Inventory(folders)
    assert {job_id: [folder.attempt for folder in found] for job_id, found in lying.work.items()} == {
        7: [2, 10],
        8: [1],
    }
    assert [os.path.basename(path) for path in lying.left_over] == [".left-over-1-1"]
    assert len(lying.strange) == 5
    assert lying.last_id == 8


def test_hidden_names_are_nobodys_packages_and_what_looks_copied_is_listed(folders: Folders) -> None:
    for name in (".jobrunner-taken-12", ".hidden", "p"):
        os.mkdir(os.path.join(folders.inbox, name))
    lying = Inventory(folders)
    assert lying.inbox == {"p"}
    assert lying.hidden == [".jobrunner-taken-12"]
    assert lying.last_id == 0, "a sender says nothing of ids"


def test_the_zip_tells_whether_a_number_is_part_of_the_name(folders: Folders) -> None:
    for path in ("a/a.zip", "a~1/a.zip", "a~2/a.zip", "b~1/b~1.zip", "b~1~3/b~1.zip", "c~2/c.zip", "c~10/c.zip"):
        put(folders.failed, path)
    put(folders.failed, "notes", "x.zip")
    assert inventory.failed_as(folders, "a~2") == Identity.plain("a")
    assert inventory.failed_as(folders, "b~1") == Identity.plain("b~1")
    assert inventory.failed_as(folders, "notes") is None
    newest = inventory.newest_in_failed(folders, os.listdir(folders.failed))
    assert newest == {Identity.plain("a"): "a", Identity.plain("b~1"): "b~1", Identity.plain("c"): "c~10"}


def test_our_error_file_is_the_last_one_of_its_kind(tmp_path: Path) -> None:
    assert inventory.our_error_file(str(tmp_path)) is None
    (tmp_path / "error~1.txt").touch()
    assert inventory.our_error_file(str(tmp_path)) is None
    (tmp_path / "error.txt").touch()
    assert inventory.our_error_file(str(tmp_path)) == "error~1.txt"


def test_the_only_zip_names_a_package_in_work_and_of_several_the_one_with_a_log(folders: Folders) -> None:
    folder = work_folder(folders)
    put(folder.path, "package", "p.zip")
    assert inventory.work_as(folders, folder) == Identity.plain("p")
    os.mkdir(os.path.join(folder.path, "flushed"))
    os.rename(os.path.join(folder.path, "package", "p.zip"), os.path.join(folder.path, "flushed", "p.zip"))
    assert inventory.work_as(folders, folder) == Identity.plain("p")
    put(folder.path, "package", "q.zip")
    assert inventory.work_as(folders, folder) is None
    put(folders.logs, "q", "1.log")
    assert inventory.work_as(folders, folder) == Identity.plain("q")
    put(folders.logs, "p", "2.log")
    assert inventory.work_as(folders, folder) is None


@pytest.mark.parametrize(
    ("parts", "holds", "needed"),
    [
        (["package"], True, True),
        (["copied"], True, True),
        (["package", "data"], True, True),
        (["flushed"], True, True),
        (["flushed", "emptied"], True, True),
        (["emptied"], False, True),
        (["data"], False, False),
        (["copying"], False, False),
        ([], False, False),
    ],
)
def test_what_an_attempt_can_go_on_from(folders: Folders, parts: list[str], holds: bool, needed: bool) -> None:
    folder = work_folder(folders).path
    os.mkdir(folder)
    for part in parts:
        os.mkdir(os.path.join(folder, part))
    assert (holds_package(folder), inventory.is_needed(folder)) == (holds, needed)


@pytest.mark.parametrize(
    "place", ["archive/p/p.zip", "failed/p~3/p.zip", "work/1-1/package/x", "work/1-1/copied/x", "work/1-1/flushed/x"]
)
def test_a_package_anywhere_is_found(folders: Folders, tmp_path: Path, place: str) -> None:
    for nothing in ("archive/notes/x.zip", "failed/notes.txt", "work/2-2/data/x", "inbox/q/q.zip", "archive/.hidden/x"):
        put(str(tmp_path), nothing)
    assert inventory.first_package(folders) is None
    put(str(tmp_path), place)
    assert inventory.first_package(folders) is not None


def test_a_package_is_looked_for_without_a_list_of_the_inbox(folders: Folders) -> None:
    os.rmdir(folders.inbox)
    assert inventory.first_package(folders) is None
    put(folders.work, "7-1/package/p.zip")
    assert inventory.first_package(folders) == os.path.join(folders.work, "7-1")


def test_the_newest_log_has_the_greatest_number(folders: Folders) -> None:
    assert inventory.last_log(folders, "p") == 0
    for name in ("2.log", "10.log", "notes.log", "11.txt"):
        put(folders.logs, "p", name)
    assert inventory.last_log(folders, "p") == 10
