"""The main job, through the command line, on real packages."""

from tests.support import TestHome

COPIES = """
import pathlib, sys
data = pathlib.Path(sys.argv[1])
(data / "out.txt").write_text((data / "data.txt").read_text())
"""


def test_packages_are_extracted_handled_and_archived(home: TestHome) -> None:
    home.handler(COPIES)
    for number in range(5):
        home.package(f"p{number}", {"data.txt": f"{number}\n"}, {"notes/sender.txt": b"as it came"})
    result = home.jobrunner("run", "-n", "3", "--drain")
    assert result.returncode == 0, result.stderr
    assert home.counts() == {"queued": 0, "waiting": 0, "running": 0, "done": 5, "failed": 0}
    for number in range(5):
        archived = home.archive / f"p{number}"
        assert (archived / "out.txt").read_text() == f"{number}\n"
        assert (archived / "notes/sender.txt").read_bytes() == b"as it came"
        assert (archived / f"p{number}.zip").is_file()
    assert list(home.inbox.iterdir()) == []
    assert {path.name for path in home.work.iterdir()} == {".home", ".workers"}


def test_a_package_whose_name_the_archive_has_already_fails_and_says_what_to_do(home: TestHome) -> None:
    home.package("p")
    (home.archive / "p").mkdir(parents=True)
    (home.archive / "p/mine").touch()
    assert home.jobrunner("run", "--drain").returncode == 1
    assert home.show("p")["error"] == (
        "the archive already has a package of this name: move that one away, then jobrunner retry it"
    )
    assert [path.name for path in (home.archive / "p").iterdir()] == ["mine"]
    (home.archive / "p").rename(home.path / "elsewhere")
    assert home.jobrunner("retry", "p").returncode == 0
    assert home.jobrunner("run", "--drain").returncode == 0
    assert (home.archive / "p/data.txt").read_text() == "42\n"
