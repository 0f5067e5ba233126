"""Packages that are not what they must be: their zip is something else, or something else lies beside it."""

from tests.hostile.people import SENDER
from tests.hostile.strange import FOLDER, STRANGE
from tests.hostile.support import ROOT_ACROSS, USER, HostileHome, files_below, places


@places(USER, ROOT_ACROSS)
def test_a_zip_that_is_something_else_fails_its_package_and_blocks_nobody(home: HostileHome) -> None:
    kinds = STRANGE | FOLDER
    for kind, put in kinds.items():
        package = home.deliver(kind, to=home.stash)
        with SENDER.acting():
            (package / f"{kind}.zip").unlink()
            put(home, package / f"{kind}.zip")
            home.arrive(package)
    home.deliver("good")
    home.drain()
    home.assert_private_is_private()
    assert home.ended("good")["state"] == "done"
    incomplete = {delivery["name"]: delivery["reason"] for delivery in home.status()["incomplete"]}
    for kind in kinds:
        assert incomplete.get(kind) or home.ended(kind)["state"] == "failed"
    home.assert_all_is_well()


@places()
def test_what_is_neither_file_nor_folder_is_refused_and_the_rest_is_in_failed(home: HostileHome) -> None:
    for kind, put in STRANGE.items():
        package = home.deliver(kind, beside={"notes/mine": b"mine", "program": b"#!/bin/sh\n"}, to=home.stash)
        with SENDER.acting():
            (package / "program").chmod(0o755)
            put(home, package / "notes" / "strange")
            home.arrive(package)
    home.drain()
    home.assert_private_is_private()
    for kind in STRANGE:
        assert home.ended(kind)["state"] == "failed"
        failed = home.failed / kind
        found = {str(path.relative_to(failed)) for path in files_below(failed)}
        assert found == {f"{kind}.zip", "notes", "notes/mine", "program", "error.txt"}
        assert (failed / "notes" / "mine").read_bytes() == b"mine"
        assert (failed / "program").stat().st_mode & 0o7777 == 0o755
        assert "strange" in (failed / "error.txt").read_text()
    home.assert_all_is_well()
