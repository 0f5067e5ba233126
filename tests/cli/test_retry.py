"""`jobrunner retry`: failed jobs are queued again; of others it says why not."""

import os
from pathlib import Path

import pytest

from tests.messages import complaint
from tests.support import RECEIPT, TestHome

#: Fails for good until there is a file named "good" in the home.
HANDLER = "import os\nraise SystemExit(0 if os.path.exists('good') else 65)\n"


@pytest.fixture
def failed(home: TestHome) -> TestHome:
    """A home with a, b and c failed; c's sender has an error.txt."""
    home.handler(HANDLER)
    home.package("a")
    home.package("b")
    home.package("c", beside={"error.txt": b"the sender's own\n"})
    assert home.jobrunner("run", "-n", "2", "--drain").returncode == 1
    assert home.counts()["failed"] == 3
    return home


def test_named_jobs_are_queued_again_and_the_others_left(failed: TestHome) -> None:
    result = failed.jobrunner("retry", "a", "c", "a")
    assert (result.returncode, result.stdout, result.stderr) == (0, "2 packages queued again.\n", "")
    assert failed.counts() == {"queued": 2, "waiting": 0, "running": 0, "done": 0, "failed": 1}


def test_retried_to_the_end_only_our_error_file_is_gone(failed: TestHome) -> None:
    assert "65" in (failed.failed / "a" / "error.txt").read_text()
    assert (failed.failed / "c" / "error.txt").read_bytes() == b"the sender's own\n"
    assert "65" in (failed.failed / "c" / "error~1.txt").read_text()
    (failed.path / "good").touch()
    assert failed.jobrunner("retry", "--all").stdout == "3 packages queued again.\n"
    assert failed.jobrunner("work", "--drain").returncode == 0
    assert sorted(os.listdir(failed.archive / "a")) == [RECEIPT, "a.zip", "data.txt"]
    assert sorted(os.listdir(failed.archive / "c")) == [RECEIPT, "c.zip", "data.txt", "error.txt"]
    assert (failed.archive / "c" / "error.txt").read_bytes() == b"the sender's own\n"
    assert os.listdir(failed.failed) == []
    assert failed.show("a")["error"] is None


def test_of_several_names_those_that_do_not_fit_are_said_and_the_others_queued(failed: TestHome) -> None:
    (failed.path / "good").touch()
    failed.package("fine")
    failed.jobrunner("run", "--drain")
    result = failed.jobrunner("retry", "unheard-of", "a", "fine", "c")
    assert (result.returncode, result.stdout) == (1, "2 packages queued again.\n")
    assert result.stderr == (
        "jobrunner: no package named unheard-of is known: jobrunner explain unheard-of looks for it\n"
        "jobrunner: fine is done: only what has failed can be retried\n"
    )
    assert failed.counts() == {"queued": 2, "waiting": 0, "running": 0, "done": 1, "failed": 1}


def test_filters_choose_what_is_queued_again(failed: TestHome) -> None:
    assert failed.jobrunner("retry", "--name", "[ac]", "--error", "*65*").stdout == "2 packages queued again.\n"
    assert failed.jobrunner("retry", "--name", "[ac]").stdout == "Nothing to retry.\n"
    assert failed.show("b")["state"] == "failed"
    assert failed.jobrunner("retry", "--state", "failed", "--since", "1d", "--limit", "2").stdout == (
        "1 package queued again.\n"
    )
    assert failed.asked("list", "--json", "--state", "queued", "--since", "10m")["jobs"][2]["error"] is not None


def test_a_dry_run_shows_what_would_be_queued_and_queues_nothing(failed: TestHome) -> None:
    result = failed.jobrunner("retry", "--name", "[ab]", "--dry-run")
    assert (result.returncode, result.stderr) == (0, "")
    head, *rows, last = result.stdout.splitlines()
    assert head.split() == ["state", "since", "attempts", "package", "why"]
    assert sorted(row.split()[4] for row in rows) == ["a", "b"]
    assert last == "2 packages would be queued again."
    result = failed.jobrunner("retry", "a", "unheard-of", "--dry-run")
    assert result.returncode == 1
    assert "unheard-of" in result.stderr
    assert result.stdout.endswith("\n1 package would be queued again.\n")
    assert failed.jobrunner("retry", "--name", "x", "--dry-run").stdout == "0 packages would be queued again.\n"
    assert failed.counts()["failed"] == 3


def test_more_than_one_way_to_say_which_is_refused(failed: TestHome) -> None:
    for words in ([], ["a", "--all"], ["a", "--name", "a"], ["--all", "--since", "1d"], ["a", "--limit", "1"]):
        assert "name the failed packages, or choose them" in complaint(failed.jobrunner("retry", *words))
    assert "--state done: only what has failed" in complaint(failed.jobrunner("retry", "--state", "done"))
    assert failed.counts()["failed"] == 3


def test_a_second_time_it_is_not_failed_any_more(failed: TestHome) -> None:
    failed.jobrunner("retry", "a")
    assert "a is queued: only what has failed" in complaint(failed.jobrunner("retry", "a"), code=1)


def test_all_where_nothing_failed_says_so(home: TestHome) -> None:
    result = home.jobrunner("retry", "--all")
    assert (result.returncode, result.stdout) == (0, "Nothing to retry.\n")


def test_all_leaves_out_what_was_cancelled_and_its_name_takes_it(failed: TestHome) -> None:
    failed.package("d")
    failed.jobrunner("scan")
    assert failed.jobrunner("cancel", "d").returncode == 0
    assert failed.counts()["failed"] == 4
    assert failed.jobrunner("retry", "--all").stdout == "3 packages queued again.\n"
    assert failed.counts()["failed"] == 1
    assert failed.jobrunner("retry", "--all").stdout == "Nothing to retry.\n"
    assert failed.jobrunner("retry", "d").stdout == "1 package queued again.\n"
    assert failed.show("d")["verdict"] is None


def test_what_was_cancelled_needs_its_state_among_the_filters(failed: TestHome) -> None:
    failed.package("d")
    failed.jobrunner("scan")
    assert failed.jobrunner("cancel", "d").returncode == 0
    assert failed.jobrunner("retry", "--name", "d").stdout == "Nothing to retry.\n"
    assert failed.jobrunner("retry", "--state", "cancelled").stdout == "1 package queued again.\n"
    assert failed.show("d")["state"] == "queued"


def test_the_attempts_are_counted_from_the_start_and_numbered_on(home: TestHome) -> None:
    home.handler("raise SystemExit(1)", retry='max_attempts = 2\nbackoff = "1s"\nmax_backoff = "1s"')
    home.package("p")
    home.jobrunner("run", "--drain")
    assert home.show("p")["failures"] == 2
    home.jobrunner("retry", "p")
    retried = home.show("p")
    assert (retried["state"], retried["failures"], retried["crashes"]) == ("queued", 0, 0)
    assert home.jobrunner("work", "--drain").returncode == 1
    story = home.show("p")
    assert [attempt["number"] for attempt in story["attempts"]] == [1, 2, 3, 4]
    assert story["failures"] == 2
    assert sorted(os.listdir(home.logs / "p")) == ["1.log", "2.log", "3.log", "4.log"]


def test_a_package_taken_out_of_the_failed_folder_fails_again_in_plain_words(failed: TestHome, tmp_path: Path) -> None:
    (failed.failed / "a").rename(tmp_path / "taken")
    failed.jobrunner("retry", "a")
    assert failed.jobrunner("work", "--drain").returncode == 1
    story = failed.show("a")
    assert story["state"] == "failed"
    assert story["package_path"] is None
    assert "deliver it again" in story["error"]
