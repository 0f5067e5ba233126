"""`jobrunner init`: a home is made, and nothing is overwritten."""

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from jobrunner.domain import settings_file
from jobrunner.domain.settings import SECTIONS
from jobrunner.wiring.home import load_settings
from tests.messages import complaint, tree
from tests.support import TestHome

FOLDERS = ["inbox", "work", "archive", "failed", "logs"]


def test_a_home_is_made_and_can_be_used_at_once(home: TestHome) -> None:
    made = home.path / "new" / "home"
    result = home.jobrunner("init", str(made))
    assert (result.returncode, result.stderr) == (0, "")
    assert str(made / "jobrunner.toml") in result.stdout
    assert result.stdout.splitlines()[-1] == f"  jobrunner --home {made} run -n 3"
    assert all((made / folder).is_dir() for folder in FOLDERS)
    used = TestHome(made)
    used.package("p")
    assert used.jobrunner("run", "--drain").returncode == 0
    assert (used.archive / "p" / "data.txt").read_text() == "42\n"


def test_without_a_folder_the_home_itself_is_made(tmp_path: Path) -> None:
    made = TestHome(tmp_path / "home")
    assert made.jobrunner("init").returncode == 0
    assert (made.path / "jobrunner.toml").is_file()


def test_again_it_changes_nothing_and_says_so(home: TestHome) -> None:
    home.configure('# mine\n[folders]\ninbox = "drop"\n')
    home.package("p")
    first = home.jobrunner("init")
    before = tree(home.path)
    second = home.jobrunner("init")
    assert (first.returncode, second.returncode) == (0, 0)
    assert "left as it is" in second.stdout
    assert tree(home.path) == before
    assert before["jobrunner.toml"] == b'# mine\n[folders]\ninbox = "drop"\n'
    assert (home.path / "drop").is_dir()


def test_a_file_in_the_place_of_the_home_is_left_and_said(home: TestHome, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    said = complaint(home.jobrunner("init", str(tmp_path / "file")))
    assert str(tmp_path / "file") in said
    assert (tmp_path / "file").read_text() == "mine"


def test_broken_settings_are_said_and_left(home: TestHome) -> None:
    home.configure("[folders\n")
    before = tree(home.path)
    result = home.jobrunner("init")
    assert result.returncode == 2
    assert "jobrunner.toml is not valid TOML" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert tree(home.path) == before


def test_the_sample_command_runs_where_only_python3_is_installed(home: TestHome) -> None:
    made = TestHome(home.path / "new")
    home.jobrunner("init", str(made.path))
    lines = (made.path / "jobrunner.toml").read_text().splitlines()
    sample, _ = (line for line in lines if line.startswith("# command = "))
    assert "write this analyze.py" in sample
    made.configure(f"[process]\n{sample.removeprefix('# ')}\n")
    (made.path / "analyze.py").write_text("import os, sys\nprint(os.listdir(sys.argv[1]))\n")
    made.package("p")
    assert made.jobrunner("run", "--drain").returncode == 0
    assert made.jobrunner("logs", "p").stdout == "['data.txt']\n"


def test_the_template_is_valid_as_it_is_and_with_each_comment_removed(tmp_path: Path) -> None:
    text = settings_file.template()
    (tmp_path / "jobrunner.toml").write_text(text)
    assert load_settings(tmp_path) == settings_file.build(tmp_path, {}, {}, source="none")
    header, *lines = text.splitlines()
    assert header.startswith("#")
    toml = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines))
    assert {section: set(table) for section, table in toml.items()} == {
        section: {spec.name for spec in fields(kind)} for section, kind in SECTIONS.items()
    }
    for section, name in (  # examples of what has no default
        ("folders", "group"),
        ("database", "group"),
        ("intake", "marker"),
        ("process", "callable"),
        ("process", "recycle_after"),
        ("process", "max_memory"),
        ("process", "max_open_files"),
        ("process", "max_processes"),
        ("process", "environment"),
        ("process", "user"),
        ("log", "format"),
        ("log", "file"),
        ("notify", "command"),
        ("notify", "webhook"),
        ("notify", "secret_file"),
        ("web", "users_file"),
        *(("cluster", name) for name in ("address", "tls_ca", "tls_cert", "tls_key", "without_tls")),
    ):
        del toml[section][name]
    given = settings_file.build(tmp_path, toml, {}, source="template")
    command = given.process.command
    assert command is not None
    with pytest.raises(AttributeError):
        given.process.command = None  # type: ignore[misc]
    defaults = settings_file.build(tmp_path, {"process": {"command": list(command)}}, {}, source="none")
    assert given == defaults
