"""How systems write names: the zip in another spelling, a zip of any name, and junk beside and within it."""

import os
import shutil

import pytest

from tests.support import RECEIPT, TestHome, wait_until
from tests.test_check import execute, found, state
from tests.zip_builder import Member, archive

#: How zips are called whose package has the name of the key; and one that is called otherwise.
SPELLINGS = {
    "Caf\u00e9 1": "Caf\u00e9 1.ZIP",
    "Caf\u00e9 2": "CAF\u00c9 2.Zip",
    "Caf\u00e9 3": "Cafe\u0301 3.zip",
    "Caf\u00e9 4": "Caf\u00e9 4 .zip",
    "Caf\u00e9 5": "caf\u00e9 5.zip.",
}
OTHER = {"Caf\u00e9 6": "data.zip"}
ONLY = '[intake]\nzip_name = "only"\n'
TO_THE_END = ("run", "-n", "3", "--drain")


def deliver(home: TestHome, zips: dict[str, str]) -> None:
    for name, zip_name in zips.items():
        package = home.package(name)
        (package / f"{name}.zip").rename(package / zip_name)


def add(home: TestHome, toml: str) -> None:
    home.configure(toml + (home.path / "jobrunner.toml").read_text("utf-8"))


@pytest.fixture(params=["spelled", "of any name"])
def zips(home: TestHome, request: pytest.FixtureRequest) -> dict[str, str]:
    """The zips of packages for a home whose handler looks for them there, and fails until `mended` is there."""
    home.handler(
        "import os, pathlib\n"
        "assert pathlib.Path(os.environ['JOBRUNNER_ZIP']).read_bytes()\n"
        "raise SystemExit(0 if os.path.exists('mended') else 65)\n"
    )
    if request.param == "spelled":
        return SPELLINGS
    add(home, ONLY)
    return OTHER


def test_packages_are_processed_and_rebuilt_however_their_zips_are_called(home: TestHome, zips: dict[str, str]) -> None:
    deliver(home, zips)
    assert home.jobrunner(*TO_THE_END).returncode == 1
    for name, zip_name in zips.items():
        assert sorted(os.listdir(home.failed / name)) == sorted([zip_name, "error.txt", RECEIPT])
    assert found(home) == []
    (home.path / "jobrunner.db").unlink()
    assert home.jobrunner("check", "--rebuild").returncode == 0
    assert {name: state(home, name) for name in zips} == dict.fromkeys(zips, "failed")
    assert found(home) == []
    (home.path / "mended").touch()
    assert home.jobrunner("retry", *zips).returncode == 0
    assert home.jobrunner(*TO_THE_END).returncode == 0
    for name, zip_name in zips.items():
        assert sorted(os.listdir(home.archive / name)) == sorted([zip_name, "data.txt", RECEIPT])
    (home.path / "jobrunner.db").unlink()
    assert home.jobrunner("check", "--rebuild").returncode == 0
    assert {name: state(home, name) for name in zips} == dict.fromkeys(zips, "done")
    assert found(home) == []


def test_packages_in_work_keep_their_names_however_their_zips_are_called(home: TestHome, zips: dict[str, str]) -> None:
    (home.path / "handler.py").write_text(
        "import os, time\nopen(f\"started-{os.environ['JOBRUNNER_PACKAGE']}\", 'w').close()\ntime.sleep(1000)\n"
    )
    deliver(home, zips)
    run = home.start("run", "-n", str(len(zips)))
    for name in zips:
        wait_until((home.path / f"started-{name}").exists)
    run.kill()
    run.wait()
    shutil.rmtree(home.logs)
    for beside in home.path.glob("jobrunner.db*"):
        beside.unlink()
    (home.path / "handler.py").write_text("")
    wait_until(lambda: home.jobrunner("check", "--rebuild").returncode == 0)  # once the last worker has ended
    assert {name: state(home, name) for name in zips} == dict.fromkeys(zips, "queued")
    assert home.jobrunner(*TO_THE_END).returncode == 0
    for name, zip_name in zips.items():
        assert sorted(os.listdir(home.archive / name)) == sorted([zip_name, "data.txt", RECEIPT])
    assert sorted(os.listdir(home.archive)) == sorted(zips)


def test_what_is_put_aside_keeps_its_name_however_its_zip_is_called(home: TestHome, zips: dict[str, str]) -> None:
    for _ in range(2):
        deliver(home, zips)
        home.jobrunner(*TO_THE_END)
    assert sorted(os.listdir(home.failed)) == sorted([*zips, *(f"{name}~1" for name in zips)])
    (home.path / "jobrunner.db").unlink()
    assert home.jobrunner("check", "--rebuild").returncode == 0
    assert home.counts()["failed"] == len(zips)
    assert found(home) == []


def test_a_zip_of_another_name_is_not_taken_unless_that_is_said(home: TestHome) -> None:
    deliver(home, {"p": "data.zip"})
    [incomplete] = home.status()["incomplete"]
    assert (incomplete["name"], incomplete["reason"]) == (
        "p",
        "its zip is not there: data.zip is not named like the folder "
        '(intake.zip_name = "only" takes a zip of any name)',
    )
    home.configure(ONLY)
    assert [entry["name"] for entry in home.status()["new"]] == ["p"]


def test_a_package_named_like_what_is_put_aside_is_known_by_its_zip(home: TestHome) -> None:
    home.handler("raise SystemExit(65)")
    add(home, ONLY)
    home.package("p~1")
    home.jobrunner(*TO_THE_END)
    (home.path / "jobrunner.db").unlink()
    assert home.jobrunner("check", "--rebuild").returncode == 0
    assert state(home, "p~1") == "failed"


def test_what_systems_leave_in_the_inbox_is_no_delivery(home: TestHome) -> None:
    home.configure('[intake]\nignore = ["*.log", "old"]\n')
    for name in ("@eaDir", "#recycle", "lost+found", ".stfolder", "__MACOSX", "old"):
        (home.inbox / name).mkdir()
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._p", "rsync.LOG"):
        (home.inbox / name).write_bytes(b"")
    before = sorted(os.listdir(home.inbox))
    home.package("older")
    assert home.jobrunner(*TO_THE_END).returncode == 0
    status = home.status()
    assert (status["incomplete"], status["new"], status["counts"]["done"]) == ([], [], 1)
    assert sorted(os.listdir(home.inbox)) == before


JUNK = ["Thumbs.db", "desktop.ini", ".DS_Store", "folder/.DS_Store", "__MACOSX/._p"]


def test_junk_beside_the_zip_and_in_it_is_no_conflict_and_the_senders_stays(home: TestHome) -> None:
    home.handler("import os\nopen(os.environ['JOBRUNNER_DATA'] + '/Thumbs.db', 'w').write('of the handler')\n")
    content = archive(*(Member(path, b"of the zip") for path in [*JUNK, "folder/a"]))
    home.package("p", beside={"p.zip": content} | dict.fromkeys(JUNK, b"of the sender"))
    assert home.jobrunner(*TO_THE_END).returncode == 0
    for path in JUNK:
        assert (home.archive / "p" / path).read_bytes() == b"of the sender", path
    assert (home.archive / "p" / "folder/a").read_bytes() == b"of the zip"
    assert found(home) == []


def test_a_folder_that_is_named_like_junk_is_in_the_way_of_a_file(home: TestHome) -> None:
    home.package("p", {"Thumbs.db/a": "a"}, {"Thumbs.db": b""})
    assert home.jobrunner(*TO_THE_END).returncode == 1
    assert "the zip's member Thumbs.db would take the place of a file beside the zip" in home.show("p")["error"]


PAIRS = [("Scan 1", "scan 1"), ("Caf\u00e9", "Cafe\u0301"), ("run", "run."), ("Stra\u00dfe", "STRASSE")]


def test_names_that_look_alike_are_two_packages_and_status_says_so(home: TestHome) -> None:
    for first, _ in PAIRS:
        home.package(first)
    home.package("other")
    home.jobrunner(*TO_THE_END)
    for _, second in PAIRS:
        home.package(second)
    assert home.jobrunner(*TO_THE_END).returncode == 0
    assert len(os.listdir(home.archive)) == 2 * len(PAIRS) + 1
    expected = {second: first for first, second in PAIRS}
    assert {entry["name"]: entry["looks_like"] for entry in home.status()["lookalikes"]} == expected
    assert "Look alike, but are two packages" in home.jobrunner("status").stdout
    (home.path / "jobrunner.db").unlink()
    home.jobrunner("check", "--rebuild")
    assert len(home.status()["lookalikes"]) == len(PAIRS)


def test_names_that_have_looked_alike_for_more_than_a_day_are_not_told_any_more(home: TestHome) -> None:
    for name in ("p", "P"):
        home.package(name)
    home.jobrunner("scan")
    assert len(home.status()["lookalikes"]) == 1
    execute(home, "UPDATE jobs SET created_at = created_at - 86400")
    assert home.status()["lookalikes"] == []
