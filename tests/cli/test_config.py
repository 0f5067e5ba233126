"""`jobrunner config`: every setting, its value and its origin."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.settings_file import build
from tests.domain.test_settings import KEYS
from tests.messages import complaint, tree
from tests.support import TestHome
from tests.terminal import Terminal

TOML = """\
[process]
command = ["python3", "analyze.py", "--words", "far more of them than there is room for on a line of a terminal"]
timeout = "none"
[extract]
keep_free = "0 B"
"""
#: What takes nearly a line of its own.
LONG = "on = ["
UNWISE = (
    '# unwise: it is "none": a handler that hangs keeps its worker until it is cancelled',
    "# unwise: it is 0: packages may fill the disk, which stops whatever else writes to it",
)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    home = TestHome(tmp_path_factory.mktemp("config") / "ho\x1bme")
    home.configure(TOML)
    return home


def test_each_setting_is_shown_with_its_origin_as_a_file_that_means_the_same(configured: TestHome) -> None:
    before = tree(configured.path)
    result = configured.jobrunner("config", environment={"JOBRUNNER_WORK_WORKERS": "3"})
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        f"# the home, by --home: {configured.path.parent}/ho\\x1bme",
        f"# its settings: {configured.path.parent}/ho\\x1bme/jobrunner.toml",
    ]
    assert [line for line in lines if line.startswith("# unwise")] == [*reversed(UNWISE)]
    origins = {line.partition(" = ")[0]: line.rpartition("  # ")[2] for line in lines if " = " in line}
    assert origins["command"] == "jobrunner.toml line 2"
    assert origins["workers"] == "JOBRUNNER_WORK_WORKERS"
    assert origins["shutdown_grace"] == "default"
    again = build(configured.path, tomllib.loads(result.stdout), {}, source="")
    assert again == build(configured.path, tomllib.loads(TOML) | {"work": {"workers": 3}}, {}, source="")
    assert tree(configured.path) == before, "it wants neither a database nor folders"


def test_the_document_has_the_same(configured: TestHome) -> None:
    document = configured.asked("config", "--json")
    assert document["home_origin"] == "--home"
    assert document["file"].endswith("jobrunner.toml")
    settings = {each.pop("key"): each for each in document["settings"]}
    assert set(settings) == set(KEYS)
    assert settings["extract.keep_free"] == {
        "value": "0 B",
        "origin": "jobrunner.toml line 5",
        "is_default": False,
        "warning": "is 0: packages may fill the disk, which stops whatever else writes to it",
    }
    assert settings["folders.group"] == {"value": None, "origin": "default", "is_default": True, "warning": None}


def test_only_what_is_named_is_shown(configured: TestHome) -> None:
    lines = configured.jobrunner("config", "extract.keep_free", "retry").stdout.splitlines()[2:]
    assert [line.split()[0] for line in lines if line and line[0] != "#"] == [
        "[extract]", "keep_free", "[retry]", "max_attempts", "backoff", "max_backoff",
    ]  # fmt: skip
    assert "# unwise" in "\n".join(lines)
    document = configured.asked("config", "--json", "work.workers")
    assert [setting["key"] for setting in document["settings"]] == ["work.workers"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("retry.backof", "did you mean retry.backoff?"),
        ("work.x", "did you mean work.workers?"),
        ("x\n", "known are: folders, "),
        ("", "known are: folders, "),
    ],
)
def test_a_setting_that_there_is_not_is_one_line(configured: TestHome, name: str, said: str) -> None:
    assert said in complaint(configured.jobrunner("config", name))


@pytest.fixture
def wide(configured: TestHome) -> Iterator[Terminal]:
    with Terminal([*configured.program, "--home", str(configured.path), "config"]) as terminal:
        yield terminal


def test_on_a_terminal_origins_stand_below_each_other_and_warnings_are_wrapped(wide: Terminal) -> None:
    assert wide.wait() == 0
    lines = wide.printed.replace("\r", "").split("\n")
    defaults = [line.index("  # default") for line in lines if "  # default" in line and not line.startswith(LONG)]
    assert len(set(defaults)) == 1
    assert max(len(line) for line in lines if "command" not in line and "/" not in line) <= 80
    [first] = [number for number, line in enumerate(lines) if line.startswith("# unwise: it is 0")]
    assert f"{lines[first]} {lines[first + 1].removeprefix('# ')}" == UNWISE[1]


def test_without_a_file_the_defaults_are_shown(home: TestHome) -> None:
    result = home.jobrunner("config")
    assert result.stdout.splitlines()[1] == "# its settings: no jobrunner.toml: these are the defaults"


@pytest.mark.parametrize(
    ("toml", "words"),
    [("[work]\nworkers = 0\n", "work.workers is 0, but must be a whole number from 1"), ("[work", "not valid TOML")],
)
def test_what_is_wrong_with_a_broken_file_is_said_in_one_line(tmp_path: Path, toml: str, words: str) -> None:
    home = TestHome(tmp_path / "home")
    home.configure(toml)
    assert words in complaint(home.jobrunner("config"))
