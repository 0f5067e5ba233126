"""Every zip of the corpus, with both decoders (one reads ahead, one not), and beside what other tools make of it."""

import os
import shutil
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrunner.domain.errors import PackageError
from jobrunner.unzip import extraction, streams
from tests import zips
from tests.zip_builder import DEFLATE64, STORED, ZSTD, Member, archive
from tests.zips import CASES, Case

#: How much of memory an extraction may take beyond what the process had before, whatever the zip claims.
ROOM = 64 * 2**20
MEASURED = """
import re, sys
from pathlib import Path
from jobrunner.domain.errors import PackageError
from jobrunner.domain.settings import ExtractSettings
from jobrunner.linux import processors
from jobrunner.unzip import extraction, streams
if sys.argv[3] == "zstd":
    from tests.unzip.test_corpus import use_zstd
    use_zstd()

def most():
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024

before = most()
try:
    processors._LOAD = Path(sys.argv[5])
    settings = ExtractSettings(keep_free=0, max_ratio=int(sys.argv[4]))
    extraction.extract(sys.argv[1], sys.argv[2], settings, lambda *_: None)
except PackageError as error:
    print(error, file=sys.stderr)
print(most() - before)
"""


def use_zstd(put: Callable[[object, str, object], None] = setattr) -> None:
    """Give the engine what it has from Python 3.14 on; `put` sets an attribute."""
    from backports import zstd

    put(streams, "zstd", zstd)
    put(streams, "_STREAMS", streams._STREAMS | {ZSTD: streams._zstd})
    put(streams, "_CORRUPT", (*streams._CORRUPT, zstd.ZstdError))
    put(extraction, "METHODS", frozenset(streams._STREAMS))


@pytest.fixture(params=["isal", "zlib"])
def _decoder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, say_running: Callable[[int], Path]
) -> None:
    say_running(0 if request.param == "isal" else 99)
    if request.param == "zlib":
        monkeypatch.setattr(streams, "fast_zlib", zlib)
        monkeypatch.setattr(extraction, "crc32", zlib.crc32)
    elif streams.fast_zlib is zlib:
        pytest.skip("isal is not built for this processor")


@pytest.fixture
def _zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    if streams.zstd is None:
        use_zstd(monkeypatch.setattr)


def named(case: Case) -> str:
    return ascii(f"{case.row}: {case.name}").strip("'\"").replace(" ", "-")


def laid_out(root: Path) -> tuple[dict[str, bytes], set[str]]:
    """The files below a folder, and the folders in which there is nothing."""
    files, folders = {}, set()
    for folder, below, names in os.walk(root):
        place = "" if folder == str(root) else os.path.relpath(folder, root) + "/"
        for name in names:
            path = os.path.join(folder, name)
            assert stat.S_ISREG(os.lstat(path).st_mode), f"{path} is no plain file"
            files[place + name] = Path(path).read_bytes()
        if place and not below and not names:
            folders.add(place[:-1])
    return files, folders


SMALL = [case for case in CASES if not case.is_bomb and not case.needs_zstd]
MODERN = [case for case in CASES if not case.is_bomb and case.needs_zstd]


def check(case: Case, root: Path) -> None:
    (root / "p.zip").write_bytes(case.content)
    target = root / "data"
    target.mkdir()
    if case.files is None:
        with pytest.raises(PackageError) as caught:
            extraction.extract(str(root / "p.zip"), str(target), case.settings, lambda *_: None)
        said = str(caught.value)
        assert case.words in said
        assert said.isprintable()
        assert len(said) < 1000
        if case.is_early:
            assert os.listdir(target) == []
    else:
        extracted = extraction.extract(str(root / "p.zip"), str(target), case.settings, lambda *_: None)
        files, folders = laid_out(target)
        assert files == case.files
        assert folders == case.folders
        modes = {path: stat.S_IMODE((target / path).lstat().st_mode) for path in case.modes}
        assert modes == case.modes
        assert case.encoding in {"", extracted.encoding}
    assert sorted(os.listdir(root)) == ["data", "p.zip"]


@pytest.mark.usefixtures("_decoder")
@pytest.mark.parametrize("case", SMALL, ids=named)
def test_a_zip_of_the_corpus_is_extracted_or_refused_as_it_must_be(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.usefixtures("_zstd")
@pytest.mark.skipif(not MODERN, reason="neither Python 3.14 nor backports.zstd is here, so that zstd cannot be read")
@pytest.mark.parametrize("case", MODERN, ids=named)
def test_a_zip_with_zstd_is_extracted_or_refused_as_it_must_be(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


def measured(content: bytes, root: Path, load: Path, *, zstd: bool = False, max_ratio: int = 200) -> tuple[str, int]:
    """Extract a zip in a process of its own; return why it was refused, and by how much that process grew, in bytes."""
    (root / "p.zip").write_bytes(content)
    (root / "data").mkdir()
    words = [str(root / "p.zip"), str(root / "data"), "zstd" if zstd else "", str(max_ratio), str(load)]
    project = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, cwd=project, check=True
    )
    return run.stderr, int(run.stdout)


@pytest.mark.parametrize("case", [case for case in CASES if case.is_bomb], ids=named)
def test_a_bomb_is_refused_in_little_memory(case: Case, tmp_path: Path, say_running: Callable[[int], Path]) -> None:
    ratio = case.settings.max_ratio
    said, growth = measured(case.content, tmp_path, say_running(0), zstd=case.needs_zstd, max_ratio=ratio)
    assert case.words in said
    assert growth < ROOM
    files, _ = laid_out(tmp_path / "data")
    assert not (case.is_early and files)
    assert sum(map(len, files.values())) <= max(10, 128 * 2**20)


DEEP = "/".join(["d" * 250] * 12)
NAMES = {
    "long": (f"{DEEP}/🙂{number}" for number in range(10_000)),
    "folders": (f"🙂{'d' * 230}{number}/" for number in range(70_000)),
}


@pytest.mark.parametrize("names", NAMES)
def test_names_take_little_memory_however_long_and_many(
    names: str, tmp_path: Path, say_running: Callable[[int], Path]
) -> None:
    members = [Member(name, b"", STORED) for name in NAMES[names]]
    said, growth = measured(archive(*members, zip64=True), tmp_path, say_running(0))
    assert growth < ROOM
    if names == "folders":
        assert "lie in too many deep folders" in said
    else:
        assert said == ""
        assert sum(len(found) for _, _, found in os.walk(tmp_path / "data")) == len(members)


def test_a_long_member_of_deflate64_takes_little_memory(tmp_path: Path, say_running: Callable[[int], Path]) -> None:
    blocks = 2 * ROOM // 0xFFFF
    packed = (b"\0\xff\xff\0\0" + bytes(0xFFFF)) * blocks + b"\1\0\0\xff\xff"
    member = Member("a", bytes(0xFFFF) * blocks, DEFLATE64, packed=packed)
    said, growth = measured(archive(member), tmp_path, say_running(0))
    assert said == ""
    assert growth < ROOM
    assert (tmp_path / "data" / "a").stat().st_size == 0xFFFF * blocks


def test_the_corpus_has_every_row_of_the_table() -> None:
    assert {case.row for case in CASES} == zips.ROWS
    assert len({(case.row, case.name) for case in CASES}) == len(CASES) > 400


def by_zipfile(zip_path: Path, target: Path) -> None:
    with zipfile.ZipFile(zip_path) as archive:
        archive.extractall(target)


def by_tool(*words: str) -> None:
    run = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, env=os.environ | {"LC_ALL": "C.UTF-8"}, check=False
    )
    assert run.returncode in {0, 1}, run.stderr  # unzip's 1: with a warning


def by_unzip(zip_path: Path, target: Path) -> None:
    by_tool("unzip", "-q", "-o", str(zip_path), "-d", str(target))


def by_bsdtar(zip_path: Path, target: Path) -> None:
    by_tool("bsdtar", "-xf", str(zip_path), "-C", str(target))


OTHERS = {"zipfile": by_zipfile, "unzip": by_unzip, "bsdtar": by_bsdtar}


@pytest.mark.parametrize("tool", OTHERS)
def test_honest_zips_are_extracted_as_others_do(tool: str, tmp_path: Path) -> None:
    if tool != "zipfile" and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    compared = []
    for number, case in enumerate(SMALL):
        if case.files is None or tool in case.unlike:
            continue
        root = tmp_path / str(number)
        (root / "theirs").mkdir(parents=True)
        (root / "ours").mkdir()
        (root / "p.zip").write_bytes(case.content)
        OTHERS[tool](root / "p.zip", root / "theirs")
        extraction.extract(str(root / "p.zip"), str(root / "ours"), case.settings, lambda *_: None)
        assert laid_out(root / "ours") == laid_out(root / "theirs"), named(case)
        compared.append(case)
    assert len(compared) > 50
