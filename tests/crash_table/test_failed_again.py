"""Rows 20 to 23, and 11: a failed package that is retried, or delivered again."""

import os

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import WRITTEN, Scene, tree_of
from tests.crash_table.steps import MOVES


def test_row_20_a_failed_package_that_was_queued_again_is_taken_from_failed(failed: Scene) -> None:
    failed.crash(Kill("commit of retry", "before"), words=("retry", "p"))
    assert failed.job()["state"] == "failed"
    failed.crash(Kill("commit of retry"), words=("retry", "p"))
    assert (failed.job()["state"], failed.job()["attempt"]) == ("queued", 1)
    assert failed.copies("p") == [failed.home.failed / "p"]
    failed.restart()
    failed.assert_archived(by="p 2")
    assert os.listdir(failed.home.failed) == []
    assert failed.ran() == ["p 1", "p 2"]


@pytest.mark.parametrize("alone", [False, True], ids=["row-21-tree", "row-21-worker"])
def test_a_failed_package_that_was_taken_again_loses_only_our_error_file(failed: Scene, alone: bool) -> None:
    failed.restart("retry", "p")
    moved = Kill(f"{MOVES}.rename_new", matching="/failed/p .*/package$", alone=alone)
    failed.crash(moved, words=("work", "-n", "2" if alone else "1", "--drain"))
    if not alone:
        assert (failed.job()["state"], failed.job()["attempt"]) == ("running", 2)
        package = failed.home.work / "1-2" / "package"
        assert failed.copies("p") == [package]
        assert tree_of(package).keys() == failed.delivered["p"].keys() | {"error.txt"}
    failed.restart()
    failed.assert_archived(by="p 3")
    assert os.listdir(failed.home.failed) == []
    assert failed.ran() == ["p 1", "p 3"]


@pytest.mark.parametrize(
    ("cut", "state"),
    [
        pytest.param(Kill(f"{MOVES}.rename_new", matching="/failed/p~1$"), "failed", id="row-22-put-aside"),
        pytest.param(Kill("commit of replace", "before"), "failed", id="row-22-replace-not-committed"),
        pytest.param(Kill("commit of replace"), "queued", id="row-23-replace"),
    ],
)
def test_a_new_delivery_replaces_the_failed_one_which_is_kept(failed: Scene, cut: Kill, state: str) -> None:
    old = tree_of(failed.home.failed / "p")
    new = failed.deliver()
    failed.crash(cut, words=("scan",))
    assert failed.job()["state"] == state
    failed.assert_untouched(failed.home.inbox / "p")
    assert os.listdir(failed.home.failed) == ["p~1"]
    assert tree_of(failed.home.failed / "p~1") == old
    failed.restart("scan")
    assert failed.job()["state"] == "queued"
    failed.restart()
    assert new == failed.delivered["p"]
    failed.assert_archived(by="p 2")
    assert os.listdir(failed.home.failed) == ["p~1"]
    assert tree_of(failed.home.failed / "p~1") == old
    assert failed.ran() == ["p 1", "p 2"]


def test_row_22_a_retry_instead_of_the_next_scan_leaves_the_new_delivery_as_it_came(failed: Scene) -> None:
    failed.deliver(beside={"error.txt": b"the sender's own"})
    failed.crash(Kill(f"{MOVES}.rename_new", matching="/failed/p~1$"), words=("scan",))
    failed.restart("retry", "p")
    failed.plan(p_2=65)
    failed.restart("work", "-n", "1", "--drain", code=1)
    assert failed.copies("p") == [failed.home.failed / "p"]
    assert failed.job()["error_name"] == "error~1.txt"


def test_row_11_a_handlers_error_txt_of_a_retried_package_survives_a_crash(failed: Scene) -> None:
    failed.restart("retry", "p")
    merged = Kill(f"{MOVES}.rename_new", "before", matching="/archive/p$")
    failed.crash(merged)
    assert (failed.home.work / "1-2" / "flushed" / "error.txt").read_bytes() == WRITTEN["error.txt"]
    failed.restart()
    failed.assert_archived(by="p 2")


def test_a_retried_package_condemned_before_it_left_failed_says_why_in_error_txt(
    failed: Scene,
) -> None:
    failed.restart("retry", "p")
    claimed = Kill("commit of claim", times=3, alone=True)
    assert failed.crash(claimed, words=("work", "-n", "4", "--drain")) == 1
    failed.restart()  # for the sweep
    failed.assert_failed(error="its worker died 3 times while it ran")
    assert failed.ran() == ["p 1"]
