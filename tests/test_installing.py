"""docs/installing.md and contrib/container/ under test: what can be run without a network is run as it stands."""

import re
import shlex
import tomllib
import venv
from pathlib import Path

import pytest

from jobrunner.cli.main import COMMANDS
from jobrunner.domain.settings import SECTIONS
from jobrunner.domain.settings_file import build
from tests.support import TestHome
from tests.test_readme import KEYS, Block, blocks

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/installing.md").read_text("utf-8")
CONTAINER = ROOT / "contrib/container"
BUILDING = (CONTAINER / "Containerfile").read_text("utf-8")
COMPOSED = (CONTAINER / "compose.yaml").read_text("utf-8")


def settings_blocks() -> list[Block]:
    return [block for block in blocks(PAGE) if block.kind == "toml"]


@pytest.mark.parametrize("block", settings_blocks(), ids=lambda block: f"line {block.line}")
def test_each_settings_file_is_one(block: Block, tmp_path: Path) -> None:
    assert build(tmp_path, tomllib.loads(block.text), {}, source="the page").process.command


def test_a_handler_has_the_interpreter_that_its_command_names(home: TestHome) -> None:
    """The environment of the page, /srv/lab/env, lies in the home of this test."""
    venv.create(home.path / "env", with_pip=False, symlinks=True)
    (home.path / "count.py").write_text("import sys\nprint(sys.prefix)\n")
    home.configure(settings_blocks()[0].text.replace("/srv/lab", str(home.path)))
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert (home.logs / "p/1.log").read_text() == f"{home.path / 'env'}\n"


def test_every_variable_that_is_named_is_a_setting_or_the_home() -> None:
    known = {f"JOBRUNNER_{key.replace('.', '_').upper()}" for key in KEYS} | {"JOBRUNNER_HOME"}
    for text in (PAGE, BUILDING, COMPOSED):
        named = set(re.findall(r"JOBRUNNER_[A-Z_]+", text))
        assert named, "it names the inbox or the home"
        assert named <= known


def test_every_setting_and_command_that_is_named_exists() -> None:
    sections = "|".join(SECTIONS)
    assert set(re.findall(rf"`((?:{sections})\.[a-z_]+)`", PAGE)) <= set(KEYS)
    typed = "\n".join(block.text for block in blocks(PAGE) if block.kind == "sh")
    in_the_image = re.findall(r"docker run .* jobrunner ([a-z]+)|docker exec lab jobrunner ([a-z]+)", typed)
    assert len(in_the_image) == 3
    assert {first or second for first, second in in_the_image} <= set(COMMANDS)


def test_each_file_that_is_named_exists() -> None:
    named = re.findall(r"\]\((?!#)([\w./-]+)", PAGE)
    assert named
    for path in [*(Path("docs") / name for name in named), *re.findall(r"-f (contrib\S+)", PAGE)]:
        assert (ROOT / path).exists(), path


def test_what_is_copied_into_the_image_makes_the_wheel() -> None:
    """What else the wheel is made of, test_wheel tells: it is made of what git keeps."""
    copied = {
        word
        for line in BUILDING.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in shlex.split(line)[1:-1]
    }
    assert copied == {"pyproject.toml", "README.md", "LICENSE", "jobrunner", "sql"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert {project["project"]["readme"], *project["project"]["license-files"]} <= copied
    assert {path.split("/")[0] for path in project["tool"]["setuptools"]["package-dir"].values()} <= copied


def test_image_and_page_agree_on_places_and_words() -> None:
    (home,) = re.findall(r"JOBRUNNER_HOME=(\S+)", BUILDING)
    assert f"VOLUME {home}\n" in BUILDING
    assert f":{home}\n" in COMPOSED
    assert f"-v lab:{home} " in PAGE
    assert re.findall(r"^(?:ENTRYPOINT|CMD|HEALTHCHECK .* CMD) (.*)$", BUILDING, re.MULTILINE) == [
        '["jobrunner", "health"]',
        '["jobrunner"]',
        '["run"]',
    ], "none is run by a shell"
    (user,) = re.findall(r"^USER (.*)$", BUILDING, re.MULTILINE)
    assert user == "1000:1000"
    assert "dockerfile: contrib/container/Containerfile\n" in COMPOSED
    grace = build(Path("/"), {}, {}, source="the defaults").work.shutdown_grace
    for seconds in re.findall(r"stop_grace_period: (\d+)s|--stop-timeout (\d+)", COMPOSED + PAGE):
        assert int("".join(seconds)) > grace
