"""The SHA-256 of a zip, made while it is extracted."""

import hashlib
import os
import secrets
import threading
import zipfile
from pathlib import Path

import pytest

from jobrunner.domain.errors import PackageError
from jobrunner.domain.settings import ExtractSettings
from jobrunner.unzip.extraction import extract

SETTINGS = ExtractSettings(keep_free=0)


def made(path: Path, size: int) -> Path:
    with zipfile.ZipFile(path / "p.zip", "w") as archive:
        archive.writestr("noise", secrets.token_bytes(size))
    return path / "p.zip"


@pytest.fixture
def target(tmp_path: Path) -> str:
    (tmp_path / "target").mkdir()
    return str(tmp_path / "target")


@pytest.mark.parametrize("size", [10, 300_000, 2_000_000, 9_000_000])
def test_it_is_that_of_all_of_the_zip_whatever_its_size(tmp_path: Path, target: str, size: int) -> None:
    zip_path = made(tmp_path, size)
    extracted = extract(str(zip_path), target, SETTINGS, lambda *_: None)
    assert (extracted.size, extracted.sha256) == (
        zip_path.stat().st_size,
        hashlib.sha256(zip_path.read_bytes()).hexdigest(),
    )
    assert threading.active_count() == 1


def test_it_is_given_up_with_an_extraction_that_fails(tmp_path: Path, target: str) -> None:
    zip_path = made(tmp_path, 9_000_000)
    with zip_path.open("r+b") as file:
        os.pwrite(file.fileno(), b"spoilt", 1000)
    with pytest.raises(PackageError, match="checksum"):
        extract(str(zip_path), target, SETTINGS, lambda *_: None)
    assert threading.active_count() == 1


def test_without_a_thread_it_is_made_at_the_end(tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    zip_path = made(tmp_path, 2_000_000)

    def none_to_be_had(_self: threading.Thread) -> None:
        if _self.name.startswith("ThreadPoolExecutor"):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr("jobrunner.unzip.extraction._BATCH", 10**9)  # that one wants its own thread
    monkeypatch.setattr(threading.Thread, "start", none_to_be_had)
    extracted = extract(str(zip_path), target, SETTINGS, lambda *_: None)
    assert extracted.sha256 == hashlib.sha256(zip_path.read_bytes()).hexdigest()
