"""Receipts as files."""

import os
from pathlib import Path

import pytest

from jobrunner.domain.job import Identity
from jobrunner.domain.receipt import text_of
from jobrunner.files import receipts

IDENTITY = Identity("p~2", "p", 2, "p")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "p.zip").write_bytes(b"the zip")
    return str(tmp_path)


def text(folder: str, identity: Identity = IDENTITY) -> str:
    return text_of(identity, receipts.zip_in(folder, "p.zip"), ["p.zip"], None)


def test_ours_is_the_last_of_its_name(folder: str) -> None:
    Path(folder, ".jobrunner.json").write_text("the sender's")
    assert receipts.read(folder) is None
    receipts.write(folder, text(folder), taken=[".jobrunner~1.json"])
    assert sorted(os.listdir(folder)) == [".jobrunner.json", ".jobrunner~2.json", "p.zip"]
    Path(folder, ".jobrunner~1.json").write_text("the sender's, which joins it later")
    receipt = receipts.read_verified(folder)
    assert receipt is not None
    assert receipt.identity == IDENTITY


def test_it_is_believed_only_beside_its_zip(folder: str) -> None:
    receipts.write(folder, text(folder))
    Path(folder, "p.zip").write_bytes(b"ANOTHER")
    assert receipts.read(folder) is not None
    assert receipts.read_verified(folder) is None
    Path(folder, "p.zip").unlink()
    assert receipts.read_verified(folder) is None


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "huge"])
def test_what_is_no_file_of_its_size_is_not_read(folder: str, kind: str) -> None:
    path = Path(folder, ".jobrunner.json")
    match kind:
        case "link":
            Path(folder, "elsewhere").write_text(text(folder))
            path.symlink_to(Path(folder, "elsewhere"))
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "huge":
            path.write_text(text(folder))
            os.truncate(path, receipts.LONGEST + 1)
    assert receipts.read(folder) is None


def test_only_the_one_of_this_job_is_removed(folder: str) -> None:
    receipts.remove(folder, IDENTITY)
    receipts.write(folder, text(folder))
    receipts.remove(folder, Identity.plain("p"))
    assert os.listdir(folder).count(".jobrunner.json") == 1
    receipts.remove(folder, IDENTITY)
    assert os.listdir(folder) == ["p.zip"]


def test_files_and_empty_folders_are_named_by_their_paths(tmp_path: Path) -> None:
    for path in ("a", "b/c", "b/d/e"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "f/g").mkdir(parents=True)
    (tmp_path / "b/h").mkdir()
    assert sorted(receipts.files_in(str(tmp_path))) == ["a", "b/c", "b/d/e", "b/h/", "f/g/"]
