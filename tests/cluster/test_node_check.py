"""`jobrunner node --check`: what a machine lacks to be a node."""

from pathlib import Path

from tests.cluster.dask import TIMEOUTS
from tests.cluster.support import ClusterHome


def lines(home: ClusterHome, code: int) -> dict[str, tuple[bool, str]]:
    """What is looked at, whether it is well, and what is said of it."""
    result = home.jobrunner("node", "--check", environment=TIMEOUTS)  # Dask reads it when it is imported
    assert result.returncode == code, result.stderr + result.stdout
    found = {}
    for line in result.stdout.splitlines():
        mark, rest = line.split(None, 1)
        what, text = rest.split("  ", 1)
        found[what] = mark == "ok", text.strip()
    return found


def test_a_machine_that_has_all(home: ClusterHome) -> None:
    home.handler("")
    home.work.mkdir()
    found = lines(home, 0)
    assert all(is_well for is_well, _ in found.values())
    assert found["scheduler"] == (True, home.dask.address)
    assert list(home.work.iterdir()) == []


def test_all_that_is_missing_is_said_at_once(home: ClusterHome, tmp_path: Path) -> None:
    home.configure('[process]\ncommand = ["no-such-program"]\n')
    settings = (home.path / "jobrunner.toml").read_text()
    settings = settings.replace(home.dask.address, "tls://127.0.0.1:1").replace(
        'node_timeout = "32s"', 'node_timeout = "5s"'
    )
    (home.path / "jobrunner.toml").write_text(settings.replace("all.pem", "scheduler.log"))
    (home.path / "jobrunner.db").touch()
    found = lines(home, 1)
    missing = {what: text for what, (is_well, text) in found.items() if not is_well}
    assert set(missing) == {"certificates", "timeouts", "work folder", "handler", "database"}
    assert "cluster.node_timeout is 5 s" in missing["timeouts"]
    assert "where the first `jobrunner run` makes it" in missing["work folder"]
    assert "process.command: the program no-such-program is not found" in missing["handler"]
    assert "leave it out of what is exported" in missing["database"]


def test_a_scheduler_that_is_not_there(home: ClusterHome) -> None:
    home.handler("")
    settings = (home.path / "jobrunner.toml").read_text()
    (home.path / "jobrunner.toml").write_text(settings.replace(home.dask.address, "tls://127.0.0.1:1"))
    home.work.mkdir()
    found = lines(home, 1)
    assert [what for what, (is_well, _) in found.items() if not is_well] == ["scheduler"]


def test_without_an_address_there_is_nothing_to_look_at(home: ClusterHome) -> None:
    (home.path / "jobrunner.toml").write_text("")
    assert lines(home, 1)["cluster.address"][0] is False
