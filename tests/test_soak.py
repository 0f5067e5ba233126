"""A short part of the soak: too short for what grows slowly, but not for what each package, reload or pause leaves."""

from pathlib import Path

from tests.campaign.soak import Soak, small_disk


def test_nothing_grows_in_ordinary_days(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk) as is_small:
        soak = Soak(disk, tmp_path, seed=3, rate=10)
        found = soak.run(seconds=4, rounds=2)
    assert soak.faults == []
    assert [str(row) for row in found if row.is_too_much] == []
    often = {"pause": 2, "resume": 2, "retry": 2, "reload": 1, "rotation": 2, "full disk": 2 if is_small else 0}
    assert {what: soak.happened[what] for what in often} == often
