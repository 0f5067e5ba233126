"""Intake, end to end: what is taken for a package, each name once, and what becomes of a second delivery."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from jobrunner.services.intake import MOST_SURVEYED
from tests.messages import tree
from tests.support import BROKEN_ZIP, JOBRUNNER, PATIENCE, TestHome, clean_environment, wait_until


def reasons(home: TestHome) -> dict[str, str]:
    return {entry["name"]: entry["reason"] for entry in home.status()["incomplete"]}


def names(home: TestHome, key: str) -> list[str]:
    return [entry["name"] for entry in home.status()[key]]


@pytest.mark.parametrize(("suffix", "toml"), [("-downloading", ""), (".part", '[intake]\nincomplete_suffix = ".part"')])
def test_a_package_is_taken_when_it_is_renamed_to_its_name(home: TestHome, suffix: str, toml: str) -> None:
    home.configure(toml)
    home.package("p").rename(home.inbox / f"p{suffix}")
    (home.inbox / f"p{suffix}" / f"p{suffix}.zip").write_bytes(b"not even if it is named so")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert reasons(home) == {f"p{suffix}": "still being received"}
    (home.inbox / f"p{suffix}").rename(home.inbox / "p")
    home.jobrunner("run", "--drain")
    assert os.listdir(home.archive) == ["p"]


def test_the_default_suffix_is_only_a_name_where_another_one_is_set(home: TestHome) -> None:
    home.configure('[intake]\nincomplete_suffix = ".part"')
    home.package("p-downloading")
    assert names(home, "new") == ["p-downloading"]


def test_settle_waits_until_nothing_in_the_package_has_changed_for_so_long(home: TestHome) -> None:
    home.configure('[intake]\nsettle = "1h"')
    package = home.package("p", beside={"deep/er/file": b""})
    for path in (package, *package.rglob("*")):
        os.utime(path, (0, 0))  # a copy that keeps the times of its files
    home.jobrunner("scan")
    assert re.fullmatch(r"settling: unchanged for \d of \d+ s", reasons(home)["p"])
    home.configure('[intake]\nsettle = "2s"')
    service = home.open()
    assert wait_until(lambda: service.intake.scan().new) == 1
    newest = max(path.lstat().st_ctime for path in (package, *package.rglob("*")))
    job = service.store.jobs.find("p")
    assert job is not None
    assert job.created_at - newest >= 2


def test_a_package_counts_as_queued_from_when_it_is_not_from_when_the_scan_began(home: TestHome) -> None:
    home.package("p")
    service = home.open()
    with service.store.write():
        scan = home.start("scan")
        wait_until(lambda: f"-> FLOCK  ADVISORY  WRITE {scan.pid} " in Path("/proc/locks").read_text())
        before = time.time()
    assert scan.wait(PATIENCE) == 0
    job = service.store.jobs.find("p")
    assert job is not None
    assert job.created_at >= before


def test_what_is_no_package_is_shown_with_the_reason_and_left(home: TestHome, tmp_path: Path) -> None:
    home.configure('[intake]\nbroken_after = "0s"\n')
    home.package("elsewhere", folder=tmp_path)
    (home.inbox / "linked").symlink_to(tmp_path / "elsewhere")
    (home.inbox / "dangling").symlink_to(tmp_path / "nowhere")
    (home.inbox / "loose.zip").write_bytes(b"PK")
    (home.inbox / "empty").mkdir()
    (home.inbox / "other").mkdir()
    (home.inbox / "other" / "another.zip").write_bytes(b"PK")
    os.mkfifo(home.inbox / "fifo")
    (home.inbox / ("x" * 252)).mkdir()
    before = tree(home.inbox)
    assert home.jobrunner("run", "--drain").returncode == 0
    said = reasons(home)
    assert {name for name, reason in said.items() if "not a folder" in reason} == {
        "linked",
        "dangling",
        "loose.zip",
        "fifo",
    }
    assert said["empty"] == "its zip is not there: its folder is empty"
    assert said["other"].startswith("its zip is not there: another.zip is not named like the folder")
    assert "251 bytes" in said["x" * 252]
    assert len(said) == 7
    assert tree(home.inbox) == before
    assert home.counts()["queued"] == 0


def test_hidden_names_are_nobodys_business(home: TestHome) -> None:
    home.package(".hidden")
    assert home.jobrunner("scan").stdout == "Nothing new in the inbox.\n"
    status = home.status()
    assert (status["new"], status["incomplete"], status["duplicates"]) == ([], [], [])


def test_a_zip_that_comes_later_makes_the_package_complete(home: TestHome) -> None:
    (home.package("p") / "p.zip").rename(home.path / "p.zip")
    assert reasons(home) == {"p": "its zip is not there: its folder is empty"}
    (home.path / "p.zip").rename(home.inbox / "p" / "p.zip")
    assert (reasons(home), names(home, "new")) == ({}, ["p"])


@pytest.mark.parametrize(("kind", "reason"), [("link", "p.zip is a link"), ("folder", "its zip is not a file")])
def test_a_zip_that_is_no_file_fails_and_is_kept(home: TestHome, kind: str, reason: str) -> None:
    package = home.package("p")
    (package / "p.zip").rename(package / "real.zip")
    if kind == "link":
        (package / "p.zip").symlink_to("real.zip")
    else:
        (package / "p.zip").mkdir()
    assert home.jobrunner("run", "--drain").returncode == 1
    assert reason in home.show("p")["error"]
    assert sorted(os.listdir(home.failed / "p")) == sorted(["error.txt", *(["p.zip"] * (kind == "folder")), "real.zip"])
    assert ("p.zip is a link" in (home.failed / "p/error.txt").read_text().splitlines()[-1]) == (kind == "link")


def test_packages_are_processed_in_the_order_in_which_they_came(home: TestHome) -> None:
    home.handler("import os\nopen('order', 'a').write(os.environ['JOBRUNNER_PACKAGE'])")
    for moment, name in enumerate("dacb"):
        os.utime(home.package(name) / f"{name}.zip", (1_000_000 + moment,) * 2)
    home.jobrunner("run", "-n", "1", "--drain")
    assert (home.path / "order").read_text() == "dacb"


def test_a_delivery_of_what_is_done_is_held_shown_and_left_untouched(home: TestHome) -> None:
    home.package("p", {"data.txt": "first"})
    home.jobrunner("run", "--drain")
    home.package("p", {"data.txt": "second"})
    before = tree(home.inbox)
    home.jobrunner("scan")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert names(home, "duplicates") == ["p"]
    assert tree(home.inbox) == before
    assert (home.archive / "p" / "data.txt").read_text() == "first"
    assert len(home.show("p")["attempts"]) == 1


def test_a_delivery_of_what_waits_is_held_and_so_is_one_of_what_is_retried(home: TestHome) -> None:
    home.handler(
        "import os\nraise SystemExit(65 if os.environ['JOBRUNNER_PACKAGE'] == 'bad' else 75)", retry='backoff = "1h"'
    )
    home.package("bad", {"data.txt": "first"})
    home.package("later", {"data.txt": "first"})
    process = home.start("run", "-n", "2")
    service = wait_until(lambda: (home.path / "jobrunner.db").exists() and home.open())
    wait_until(lambda: service.report.status().counts["waiting"] == 1 and service.report.status().counts["failed"] == 1)
    process.terminate()
    process.communicate(timeout=20)
    home.jobrunner("retry", "bad")
    home.package("bad", {"data.txt": "second"})
    home.package("later", {"data.txt": "second"})
    before = tree(home.inbox)
    home.jobrunner("scan")
    assert names(home, "duplicates") == ["bad", "later"]
    assert home.counts() == {"queued": 1, "waiting": 1, "running": 0, "done": 0, "failed": 0}
    assert tree(home.inbox) == before
    assert (home.failed / "bad" / "data.txt").exists() is False
    home.handler("")
    assert (
        home.jobrunner("work", "-n", "1", "--drain", environment={"JOBRUNNER_RETRY_MAX_BACKOFF": "1s"}).returncode == 0
    )
    assert {(home.archive / name / "data.txt").read_text() for name in ("bad", "later")} == {"first"}
    assert tree(home.inbox) == before


def test_a_delivery_of_what_runs_is_held_and_replaces_it_once_that_has_failed(home: TestHome) -> None:
    source = (
        "import os\nif os.environ['JOBRUNNER_ATTEMPT'] == '1':\n    open('gate').read()\n    raise SystemExit(65)\n"
    )
    home.handler(source)
    os.mkfifo(home.path / "gate")
    home.package("p", {"data.txt": "first"})
    process = home.start("run", "-n", "1", "--drain")
    wait_until((home.logs / "p" / "1.log").exists)
    home.package("p", {"data.txt": "second"}, {"beside": b"second"})
    home.jobrunner("scan")
    assert (names(home, "duplicates"), names(home, "running")) == (["p"], ["p"])
    (home.path / "gate").write_text("go")
    process.communicate(timeout=30)
    assert sorted(os.listdir(home.failed / "p~1")) == ["error.txt", "p.zip"]
    assert (home.archive / "p" / "data.txt").read_text() == "second"
    assert (home.archive / "p" / "beside").read_bytes() == b"second"
    assert names(home, "duplicates") == []
    assert process.returncode == 1, "one delivery failed in this run, and failed/p~1 has to be looked at"


def test_each_new_delivery_of_what_failed_keeps_the_old_ones_aside(home: TestHome) -> None:
    for delivery in ("first", "second", "third"):
        home.package("p", beside={"p.zip": BROKEN_ZIP, "note": delivery.encode()})
        assert home.jobrunner("run", "--drain").returncode == 1
    kept = {name: (home.failed / name / "note").read_text() for name in os.listdir(home.failed)}
    assert kept == {"p~1": "first", "p~2": "second", "p": "third"}
    home.package("p", beside={"note": b"fourth"})
    assert home.jobrunner("run", "--drain").returncode == 0
    assert sorted(os.listdir(home.failed)) == ["p~1", "p~2", "p~3"]
    assert (home.archive / "p" / "note").read_text() == "fourth"
    assert [attempt["number"] for attempt in home.show("p")["attempts"]] == [1, 2, 3, 4]


def test_a_package_named_like_one_that_was_put_aside_is_kept_apart_from_it(home: TestHome) -> None:
    for name, note in (("p", b"old"), ("p", b"new"), ("p~1", b"its own")):
        home.package(name, beside={f"{name}.zip": BROKEN_ZIP, "note": note})
        home.jobrunner("run", "--drain")
    kept = {name: (home.failed / name / "note").read_bytes() for name in os.listdir(home.failed)}
    assert kept == {"p~1": b"old", "p": b"new", "p~1~1": b"its own"}
    assert home.show("p~1")["package_path"] == str(home.failed / "p~1~1")
    failed = {entry["name"]: entry["folder"] for entry in home.status()["failed"]}
    assert failed == {"p": "p", "p~1": "p~1~1"}


def test_a_package_that_is_taken_away_while_queued_fails_and_may_come_again(home: TestHome) -> None:
    package = home.package("p")
    home.package("q")
    home.jobrunner("scan")
    package.rename(home.path / "taken away")
    assert home.jobrunner("work", "--drain").returncode == 1
    story = home.show("p")
    assert (story["state"], story["package_path"]) == ("failed", None)
    assert "not in the inbox any more" in story["error"]
    assert home.show("q")["state"] == "done"
    assert os.listdir(home.failed) == []
    (home.path / "taken away").rename(package)
    assert home.jobrunner("run", "--drain").returncode == 0
    assert home.show("p")["state"] == "done"


def test_scans_at_once_queue_each_package_once(home: TestHome) -> None:
    for number in range(300):
        home.package(f"p{number}")
    words = [*JOBRUNNER, "--home", str(home.path), "scan"]
    scans = [
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=clean_environment())
        for _ in range(4)
    ]
    said = [scan.communicate(timeout=60)[1] for scan in scans]
    assert [scan.returncode for scan in scans] == [0] * 4, said
    assert sum(int(count) for count in re.findall(r"(\d+) packages?", " ".join(said))) == 300
    assert home.counts()["queued"] == 300


def test_of_a_huge_inbox_some_is_surveyed_and_the_rest_is_counted(home: TestHome) -> None:
    for number in range(MOST_SURVEYED + 5):
        (home.inbox / f"p{number}").mkdir()
    home.package("queued")
    assert home.jobrunner("scan").returncode == 0
    status = home.status()
    assert (len(status["incomplete"]), status["unseen"]) == (MOST_SURVEYED, 5)
    assert (
        "inbox     it holds so much that some 5 more were not looked at" in home.jobrunner("status").stdout.splitlines()
    )
