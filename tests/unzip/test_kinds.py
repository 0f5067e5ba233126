"""What is called a zip and is none is named for what it is, in error.txt as on the terminal."""

import bz2
import gzip
import io
import lzma
import tarfile

import pytest

from jobrunner.unzip.kinds import ENOUGH, other_kind
from tests.support import TestHome
from tests.unzip.test_extraction import AT_ONCE
from tests.zip_builder import Member, archive


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        file.addfile(tarfile.TarInfo("a" * 90))
    return made.getvalue()


KINDS = {
    "a gzip file": gzip.compress(b"hello"),
    "a RAR archive": b"Rar!\x1a\x07\x01\x00\xff",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\x00\x04",
    "a bzip2 file": bz2.compress(b"hello"),
    "an xz file": lzma.compress(b"hello"),
    "a zstd file": b"\x28\xb5\x2f\xfd\x20\x05",
    "a tar archive": tar(),
    "a web page (HTML)": b"\r\n<!DOCTYPE HTML>\n<p>404 caf\xc3\xa9",
    "the first part of a split archive": b"PK\7\x08PK\3\4",
    "a PDF file": b"%PDF-1.7\n%\xe2\xe3",
    "a text": b'{"error": "not found"}\n',
    "an empty file": b"",
}


@pytest.mark.parametrize("what", KINDS)
def test_a_file_that_is_no_zip_is_named_by_its_first_bytes(what: str) -> None:
    kind = other_kind(KINDS[what][:ENOUGH])
    assert kind is not None
    assert kind[0] == what


@pytest.mark.parametrize(
    "beginning", [archive(Member())[:ENOUGH], bytes(ENOUGH), b"MZ\x90\0\3", b"\x7fELF", b"caf\xe9", b"P"]
)
def test_what_may_be_a_zip_or_anything_is_not_named(beginning: bytes) -> None:
    assert other_kind(beginning) is None


def test_a_sender_is_told_what_was_sent_and_what_to_do(home: TestHome) -> None:
    home.configure(AT_ONCE)
    names = {"gz": "a gzip file", "html": "a web page (HTML)", "empty": "an empty file"}
    for name, what in names.items():
        home.package(name, beside={f"{name}.zip": KINDS[what]})
    assert home.jobrunner("run", "--drain").returncode == 1
    cures = {"gz": "have it packed as a zip", "html": "have it downloaded again", "empty": "deliver it again"}
    for name, what in names.items():
        said = (home.failed / name / "error.txt").read_text()
        assert said == f"its zip is not a zip but {what}; {cures[name]}\n"


def test_one_that_has_just_come_is_waited_for_and_named(home: TestHome) -> None:
    home.configure('[intake]\nbroken_after = "1h"\n')
    home.package("gz", beside={"gz.zip": KINDS["a gzip file"]})
    home.jobrunner("scan")
    assert "its zip is not a zip but a gzip file; its rest may come: unchanged for " in home.jobrunner("status").stdout
