"""Packages that are processed once more: `rerun` of what lies in the archive, `accept` of what was delivered again."""

import json
import os
import re
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.messages import tree
from tests.support import PATIENCE, RECEIPT, TestHome, wait_until

#: Writes what home/version has in it, and rejects the package where that begins with "bad".
HANDLER = """
import os, sys
home, data = os.environ["JOBRUNNER_HOME"], os.environ["JOBRUNNER_DATA"]
with open(os.path.join(home, "version")) as file:
    version = file.read()
print("this is", version)
if version.startswith("wait"):
    open(os.path.join(home, "begun"), "w").close()
    while not os.path.exists(os.path.join(home, "go")):
        pass
with open(os.path.join(data, "result.txt"), "x") as file:
    file.write(version)
sys.exit(65 if version.startswith("bad") else 0)
"""
#: Notes each of its runs.
JOURNAL = """
def process(package):
    with open("ran", "a") as file:
        file.write(f"{package.name}\\n")
"""
MEMBERS = {"data.txt": "42\n", "folder/member": "m"}
BESIDE = {"notes.txt": b"as sent", "folder/beside": b"b", "deep/er/file": b"d"}


@pytest.fixture
def done(home: TestHome) -> TestHome:
    """A home in which p is done, by the handler's version 1."""
    home.handler(HANDLER)
    (home.path / "version").write_text("1")
    (home.package("p", MEMBERS, BESIDE) / "empty/folder").mkdir(parents=True)
    assert home.jobrunner("run", "--drain").returncode == 0
    (home.path / "version").write_text("2")
    return home


def run(home: TestHome, *words: str, code: int = 0) -> str:
    """Run a command, then all that is to be done, and return what the command said."""
    result = home.jobrunner(*words)
    assert result.returncode == 0, result.stderr
    assert home.jobrunner("run", "--drain").returncode == code
    return result.stdout


def names_of(folder: Path) -> set[str]:
    """The paths of files and empty folders."""
    paths = [path for path in folder.rglob("*") if path.is_file() or not any(path.iterdir())]
    return {str(path.relative_to(folder)) for path in paths}


def states(home: TestHome) -> dict[str, str]:
    return {job["name"]: job["state"] for job in home.asked("list", "--json")["jobs"]}


def test_a_rerun_lies_beside_the_old_result_which_stays_byte_for_byte(done: TestHome) -> None:
    before = tree(done.archive / "p")
    home_inbox = sorted(os.listdir(done.inbox))
    assert run(done, "rerun", "p") == "p is queued again, as p~2.\n"
    assert tree(done.archive / "p") == before
    assert sorted(os.listdir(done.inbox)) == home_inbox
    assert names_of(done.archive / "p~2") == names_of(done.archive / "p")
    assert (done.archive / "p~2/result.txt").read_text() == "2"
    for name in ("p.zip", *BESIDE):
        assert (done.archive / "p~2" / name).read_bytes() == (done.archive / "p" / name).read_bytes()
        assert (done.archive / "p~2" / name).stat().st_mtime_ns == (done.archive / "p" / name).stat().st_mtime_ns
        assert (done.archive / "p~2" / name).stat().st_ino != (done.archive / "p" / name).stat().st_ino
    assert states(done) == {"p": "done", "p~2": "done"}
    said = done.jobrunner("check").stdout
    assert said.startswith("All is well: the database and the folders agree on 2 jobs.\n")


def test_the_history_shows_both(done: TestHome) -> None:
    run(done, "rerun", "p")
    (done.path / "version").write_text("bad 3")
    run(done, "rerun", "p", code=1)
    shown = done.show("p")
    assert (shown["state"], shown["revision"], shown["source"]) == ("done", 1, None)
    assert [(each["name"], each["state"], each["source"]) for each in shown["revisions"]] == [
        ("p~2", "done", "p"),
        ("p~3", "failed", "p"),
    ]
    text = done.jobrunner("show", "p").stdout
    assert re.search(r"Revisions\np~2  done  .*made again from archive/p\np~3  failed  ", text)
    assert done.asked("show", "--json", "--revision", "3", "p") == done.asked("show", "--json", "p~3")
    assert done.jobrunner("logs", "p").stdout == "this is 1\n"
    assert done.jobrunner("logs", "--revision", "2", "p").stdout == "this is 2\n"
    assert "Its revision p~3 is failed." in done.jobrunner("explain", "p").stdout
    refused = done.jobrunner("show", "--revision", "9", "p")
    assert (refused.returncode, refused.stderr) == (
        1,
        "jobrunner: p has no revision 9: jobrunner show p has all\n",
    )


def test_a_rerun_that_fails_leaves_the_job_done_and_is_retried_as_that_revision(done: TestHome) -> None:
    (done.path / "version").write_text("bad")
    run(done, "rerun", "p", code=1)
    assert states(done) == {"p": "done", "p~2": "failed"}
    assert (
        done.failed / "p~2/error.txt"
    ).read_text() == "the handler rejected the data (exit status 65): this is bad\n"
    again = done.jobrunner("rerun", "p")
    assert (again.returncode, again.stderr) == (1, "jobrunner: p~2 has failed: jobrunner retry p~2 tries it again\n")
    (done.path / "version").write_text("3")
    run(done, "retry", "p~2")
    assert states(done) == {"p": "done", "p~2": "done"}
    assert (done.archive / "p~2/result.txt").read_text() == "3"
    assert names_of(done.archive / "p~2") == names_of(done.archive / "p"), (
        "our two files of failed/ are not the sender's"
    )
    assert os.listdir(done.failed) == []


def test_a_failed_rerun_whose_folder_was_removed_is_taken_from_the_archive_again(done: TestHome) -> None:
    (done.path / "version").write_text("bad")
    run(done, "rerun", "p", code=1)
    shutil.rmtree(done.failed / "p~2")
    (done.path / "version").write_text("3")
    run(done, "retry", "--revision", "2", "p")
    assert (done.archive / "p~2/result.txt").read_text() == "3"


def test_a_rerun_that_is_cancelled_leaves_nothing_but_the_archive(done: TestHome) -> None:
    assert done.jobrunner("rerun", "p").returncode == 0
    assert done.jobrunner("cancel", "p~2").stdout == "p~2 is cancelled.\n"
    assert [(each["name"], each["verdict"]) for each in done.show("p")["revisions"]] == [("p~2", "cancelled")]
    assert (states(done), os.listdir(done.failed)) == ({"p": "done", "p~2": "failed"}, [])
    run(done, "retry", "p~2")
    assert (done.archive / "p~2/result.txt").read_text() == "2"


def test_a_running_rerun_is_cancelled(done: TestHome) -> None:
    (done.path / "version").write_text("wait")
    assert done.jobrunner("rerun", "p").returncode == 0
    done.start("work", "-n", "1")
    wait_until((done.path / "begun").exists)
    assert done.jobrunner("cancel", "--revision", "2", "p").returncode == 0
    assert states(done) == {"p": "done", "p~2": "failed"}
    assert names_of(done.failed / "p~2") == names_of(done.archive / "p") - {
        "data.txt",
        "folder/member",
        "result.txt",
    } | {"error.txt"}


def test_a_revision_is_tried_as_any_package_from_the_archive_or_from_failed(done: TestHome) -> None:
    run(done, "rerun", "p")
    tried = done.jobrunner("try", "p~2")
    assert (tried.returncode, tried.stdout) == (0, "this is 2\n")
    (done.path / "version").write_text("bad")
    run(done, "rerun", "p", code=1)
    tried = done.jobrunner("try", "p~3", "--keep", str(done.path / "kept"))
    assert (tried.returncode, tried.stdout) == (1, "this is bad\n")
    assert (done.path / "kept/result.txt").read_text() == "bad"


def test_what_cannot_be_run_again_says_why_and_the_others_are(done: TestHome) -> None:
    done.package("q")
    (done.path / "version").write_text("bad")
    assert done.jobrunner("run", "--drain").returncode == 1
    done.package("waiting")
    assert done.jobrunner("scan").returncode == 0
    result = done.jobrunner("rerun", "unknown", "q", "waiting", "p")
    assert (result.returncode, result.stdout) == (1, "p is queued again, as p~2.\n")
    assert result.stderr.splitlines() == [
        "jobrunner: no package named unknown is known: jobrunner explain unknown looks for it",
        "jobrunner: q is failed: only what is done can be run again",
        "jobrunner: waiting is queued: only what is done can be run again",
    ]
    assert done.jobrunner("rerun", "p").stderr == "jobrunner: p~2 is queued already\n"


def test_a_package_that_left_the_archive_is_made_of_a_later_revision_or_not(done: TestHome) -> None:
    run(done, "rerun", "p")
    shutil.rmtree(done.archive / "p")
    run(done, "rerun", "p")
    assert done.show("p~3")["source"] == "p~2"
    assert names_of(done.archive / "p~3") == names_of(done.archive / "p~2")
    for name in ("p~2", "p~3"):
        shutil.rmtree(done.archive / name)
    refused = done.jobrunner("rerun", "p")
    assert refused.stderr == "jobrunner: p is not in the archive any more: there is nothing to process again\n"


def test_a_rerun_whose_files_are_gone_fails_and_says_which(done: TestHome) -> None:
    (done.archive / "p/notes.txt").unlink()
    run(done, "rerun", "p", code=1)
    assert done.show("p~2")["error"] == "notes.txt, which is the sender's, is not there any more"
    assert os.listdir(done.failed) == []


def test_filters_choose_what_is_run_again(done: TestHome) -> None:
    for name in ("q", "r"):
        done.package(name)
    assert done.jobrunner("run", "--drain").returncode == 0
    assert done.jobrunner("rerun", "--name", "[qr]", "--since", "1d", "--dry-run").stdout.endswith(
        "2 packages would be queued again.\n"
    )
    assert states(done) == dict.fromkeys("pqr", "done")
    assert run(done, "rerun", "--name", "[qr]", "--since", "1d") == "2 packages queued again.\n"
    assert states(done) == dict.fromkeys(("p", "q", "r", "q~2", "r~2"), "done")
    assert run(done, "rerun", "--name", "q*") == "1 package queued again.\n", "a package, not each of its revisions"


def test_a_package_that_is_called_like_a_revision_is_archived_beside_it(done: TestHome) -> None:
    run(done, "rerun", "p")
    revision = tree(done.archive / "p~2")
    done.package("p~2", {"other.txt": "other"})
    assert done.jobrunner("run", "--drain").returncode == 0
    assert tree(done.archive / "p~2") == revision
    assert (done.archive / "p~2~2/other.txt").read_text() == "other"
    assert done.show("p~2")["name"] == "p~2~2", "a package goes before a revision"
    assert done.asked("show", "--json", "--revision", "2", "p")["name"] == "p~2"
    done.package("p~2", {"again.txt": ""})
    assert [each["name"] for each in done.status()["duplicates"]] == ["p~2"]
    run(done, "rerun", "p~2")
    assert (done.archive / "p~2~3/other.txt").read_text() == "other"


def test_a_revision_leaves_out_names_that_are_used(done: TestHome) -> None:
    done.package("p~2")
    assert done.jobrunner("run", "--drain").returncode == 0
    (done.archive / "p~3").mkdir()
    assert run(done, "rerun", "p") == "p is queued again, as p~4.\n"
    assert done.asked("show", "--json", "--revision", "4", "p")["name"] == "p~4"


def test_a_name_without_room_for_a_revision_is_refused(done: TestHome) -> None:
    name = "n" * 245
    done.package(name)
    assert done.jobrunner("run", "--drain").returncode == 0
    refused = done.jobrunner("rerun", name)
    assert refused.stderr == f"jobrunner: {name} is too long a name for another revision: NAME~N has no room\n"


def test_a_duplicate_is_accepted_as_the_next_revision(done: TestHome) -> None:
    delivered = tree(done.package("p", {"data.txt": "43\n"}, {"new.txt": b"n"}))
    assert [each["name"] for each in done.status()["duplicates"]] == ["p"]
    accepted = done.jobrunner("accept", "p")
    assert accepted.stdout == "p in the inbox is queued, as p~2.\n"
    assert done.status()["duplicates"] == []
    assert done.jobrunner("scan").returncode == 0
    assert done.counts()["queued"] == 1
    assert done.jobrunner("accept", "p").stderr == "jobrunner: p~2 is queued already\n"
    done.package("later")
    assert done.jobrunner("run", "--drain").returncode == 0
    assert tree(done.archive / "p~2").items() >= delivered.items()
    assert (done.archive / "p~2/data.txt").read_text() == "43\n"
    assert os.listdir(done.inbox) == []
    assert json.loads((done.archive / "p~2" / RECEIPT).read_text())["source"] is None
    done.package("p")
    assert [each["name"] for each in done.status()["duplicates"]] == ["p"], "a third one is held again"


def test_an_accepted_package_that_fails_is_kept_and_later_ones_do_not_replace_it(done: TestHome) -> None:
    done.package("p", {"data.txt": "43\n"})
    (done.path / "version").write_text("bad")
    run(done, "accept", "p", code=1)
    assert states(done) == {"p": "done", "p~2": "failed"}
    done.package("p")
    assert done.jobrunner("scan").returncode == 0
    assert [each["name"] for each in done.status()["duplicates"]] == ["p"]
    (done.path / "version").write_text("4")
    run(done, "retry", "p~2")
    assert (done.archive / "p~2/data.txt").read_text() == "43\n"
    run(done, "accept", "p")
    assert (done.archive / "p~3/data.txt").read_text() == "42\n"


def test_what_cannot_be_accepted_says_what_to_wait_for(done: TestHome) -> None:
    (done.inbox / "p").mkdir()
    for name in ("absent", "queued"):
        done.package(name)
        done.jobrunner("scan")
    shutil.rmtree(done.inbox / "absent")
    refused = done.jobrunner("accept", "p", "absent", "queued")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines() == [
        "jobrunner: p in the inbox cannot be accepted yet: its zip is not there: its folder is empty",
        "jobrunner: absent does not lie in the inbox: there is nothing to accept",
        "jobrunner: queued is queued: wait until it is done",
    ]


def test_explain_compares_a_duplicate_with_the_archive_when_it_is_asked_to(done: TestHome) -> None:
    package = done.package("p", MEMBERS, BESIDE | {"notes.txt": b"other", "new.txt": b"n"})
    shutil.copy(done.archive / "p/p.zip", package / "p.zip")
    (package / "deep/er/file").unlink()
    said = done.jobrunner("explain", "p").stdout
    assert "jobrunner explain --compare p" in said
    assert "jobrunner accept p" in said
    compared = done.jobrunner("explain", "--compare", "p").stdout
    assert "2 files are the same in the archive." in compared
    assert "Not the same in the archive: notes.txt." in compared
    assert "Not in the archive: new.txt." in compared
    assert "Only in the archive: deep/er/file." in compared
    assert done.asked("explain", "--compare", "--json", "p")["comparison"]["same"] == 2


@pytest.mark.parametrize("state", ["queued", "running", "failed", "done"])
def test_a_new_database_knows_what_the_folders_tell_of_a_rerun(done: TestHome, state: str) -> None:
    (done.path / "version").write_text({"running": "wait", "failed": "bad"}.get(state, "2"))
    assert done.jobrunner("rerun", "p").returncode == 0
    if state == "running":
        process = done.start("work", "-n", "1")
        wait_until((done.path / "begun").exists)
        process.kill()
        wait_until(lambda: process.poll() is not None)
    elif state != "queued":
        done.jobrunner("run", "--drain")
    for file in done.path.glob("jobrunner.db*"):
        file.unlink()
    assert done.jobrunner("run", "--drain").returncode == 2, "a lost database is refused"
    rebuilt = done.jobrunner("check", "--rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    known = {"queued": {}, "running": {"p~2": "queued"}, "failed": {"p~2": "failed"}, "done": {"p~2": "done"}}[state]
    assert states(done) == {"p": "done"} | known
    (done.path / "go").touch()
    (done.path / "version").write_text("5")
    if known:
        assert (done.show("p~2")["package"], done.show("p~2")["revision"]) == ("p", 2)
        done.jobrunner("retry", "--all")
        assert done.jobrunner("run", "--drain").returncode == 0
    run(done, "rerun", "p")
    assert states(done) == dict.fromkeys(("p", *known, "p~3" if known else "p~2"), "done")
    assert done.jobrunner("check").stdout.startswith("All is well")


@pytest.mark.parametrize("state", ["running", "failed", "done"])
def test_a_repair_records_what_the_database_does_not_know_of_a_rerun(done: TestHome, state: str) -> None:
    shutil.copy(done.path / "jobrunner.db", done.path / "backup")
    (done.path / "version").write_text({"running": "wait", "failed": "bad"}.get(state, "2"))
    assert done.jobrunner("rerun", "p").returncode == 0
    if state == "running":
        process = done.start("work", "-n", "1")
        wait_until((done.path / "begun").exists)
        process.kill()
        wait_until(lambda: process.poll() is not None)
    else:
        done.jobrunner("run", "--drain")
    for file in done.path.glob("jobrunner.db*"):
        file.unlink()
    (done.path / "backup").rename(done.path / "jobrunner.db")
    differences = done.asked("check", "--json", code=1)["differences"]
    assert [each["name"] for each in differences if each["name"]] == ["p~2"]
    assert done.jobrunner("check", "--repair").returncode == 0
    assert states(done) == {"p": "done", "p~2": {"running": "queued"}.get(state, state)}
    assert done.show("p~2")["package"] == "p"


@pytest.mark.parametrize("count", [15, pytest.param(1000, marks=[pytest.mark.campaign, pytest.mark.timeout(900)])])
def test_what_is_done_is_run_again_while_others_arrive(home: TestHome, count: int) -> None:
    (home.path / "analysis.py").write_text(JOURNAL)
    home.configure('[process]\ncallable = "analysis:process"\n')
    for number in range(count):
        home.package(f"old-{number}", MEMBERS, BESIDE)
    assert home.jobrunner("run", "-n", "3", "--drain").returncode == 0
    before = tree(home.archive)
    running = home.start("run", "-n", "3")
    with ThreadPoolExecutor(1) as sender:
        sent = sender.submit(lambda: [home.package(f"new-{number}", MEMBERS, BESIDE) for number in range(count)])
        rerun = home.jobrunner("rerun", "--name", "old-*")
        sent.result()
    assert rerun.stdout == f"{count} packages queued again.\n".replace("1000", "1,000")
    running.terminate()
    running.communicate(timeout=PATIENCE)
    assert home.jobrunner("run", "-n", "3", "--drain").returncode == 0
    wanted = {name for number in range(count) for name in (f"old-{number}", f"old-{number}~2", f"new-{number}")}
    assert set(os.listdir(home.archive)) == wanted
    assert {path: seen for path, seen in tree(home.archive).items() if path in before} == before
    ran = Counter((home.path / "ran").read_text().split())
    assert ran == {f"{kind}-{number}": times for number in range(count) for kind, times in (("old", 2), ("new", 1))}
    assert os.listdir(home.inbox) == os.listdir(home.failed) == []
    assert home.counts()["done"] == 3 * count
    assert home.jobrunner("check").returncode == 0
