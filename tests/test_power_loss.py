"""The model of a disk after a power cut, and a sample of the campaign that cuts the power everywhere."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.power_loss import MEMORY, TO_THE_END, Campaign, Scenario, record
from tests.campaign.power_loss_disk import Record, State
from tests.campaign.tracer import trace


def states_of(tmp_path: Path, source: str) -> list[dict[str, bytes | None]]:
    """What may be left of a program that works in an empty folder, after its end."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = Record(folder)
    trace(lambda: exec(source, {"os": os}), on_exit=made.note, cwd=folder)
    last = len(made.steps) - 1
    return [_relative(state, folder) for state in made.states() if state.step == last]


def _relative(state: State, folder: Path) -> dict[str, bytes | None]:
    return {os.path.relpath(path, folder): content for path, content in state.tree.items() if path != str(folder)}


def test_what_is_not_flushed_may_be_lost_in_any_prefix_and_any_part(tmp_path: Path) -> None:
    found = states_of(tmp_path, "with open('a', 'wb') as file: file.write(b'1234')\nos.rename('a', 'b')")
    assert {"a": b"1234"} in found
    assert {"a": b""} in found
    for content in (b"1234", b"", b"\0\0\0\0"):
        assert {"b": content} in found
    assert {} in found


def test_what_is_flushed_stays_and_all_that_was_renamed_before(tmp_path: Path) -> None:
    flush = "folder = os.open('.', os.O_RDONLY)\nos.fsync({})\n"
    write = "with open('a', 'wb') as file:\n file.write(b'1234'); file.flush(); os.fsync(file.fileno())\n"
    found = states_of(
        tmp_path, write + "os.rename('a', 'b')\nos.mkdir('c')\n" + flush.format("folder") + "os.rmdir('c')"
    )
    assert all(state in ({"b": b"1234", "c": None}, {"b": b"1234"}) for state in found)
    assert len({len(state) for state in found}) == 2


def test_a_flush_of_the_folder_does_not_flush_its_files(tmp_path: Path) -> None:
    source = "with open('a', 'wb') as file: file.write(b'1234')\nos.fsync(os.open('.', os.O_RDONLY))"
    assert {state["a"] for state in states_of(tmp_path, source)} == {b"1234", b"", b"\0\0\0\0"}


def test_a_flush_of_a_file_without_a_name_flushes_nothing_else(tmp_path: Path) -> None:
    source = "os.mkdir('c')\nos.fsync(os.open('.', os.O_TMPFILE | os.O_WRONLY))"
    assert {} in states_of(tmp_path, source)


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="jobrunner-power-") as root:
        run = record(Scenario(("is quick", "rejects"), (TO_THE_END,)), Path(root))
        yield Campaign(run, Path(root))


def test_wherever_the_power_goes_what_was_reported_done_is_done_and_nothing_is_lost(campaign: Campaign) -> None:
    disks, violations = campaign.cuts(every=40)
    assert violations == []
    assert disks > 10


@pytest.mark.parametrize("flush", ["syncfs home/work, before the rename to flushed", "fsync home/archive"])
def test_without_a_flush_the_campaign_finds_what_is_lost(campaign: Campaign, flush: str) -> None:
    more, violation = campaign.without(flush, most=60)
    assert more > 0
    assert violation is not None


def test_a_log_is_on_the_disk_before_it_is_recorded_that_its_attempt_has_failed() -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="jobrunner-power-") as root:
        run = record(Scenario(("fails at first",), (TO_THE_END,)), Path(root))
        campaign = Campaign(run, Path(root))
        log = str(run.home.logs / "p0/1.log")
        without = [state for state in campaign._new(run.record.states()) if log not in state.tree]
        assert len(without) > 10
        assert [violation for state in without[-10:] for violation in campaign.verdict(state)] == []
