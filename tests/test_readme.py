"""README.md under test: every command is in it, and all that it shows runs as it stands."""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from jobrunner.cli.main import COMMANDS
from jobrunner.domain.settings import SECTIONS
from jobrunner.domain.settings_file import build
from tests.messages import met_a_bug
from tests.support import clean_environment

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
#: What a session shows but a test does not do: it fetches from the network or builds the project itself.
NOT_RUN = ("make", "git", "pipx", "pip", "uv", "uvx", "sudo")
SESSION_SECONDS = 60
KEYS = [f"{section}.{spec.name}" for section, kind in SECTIONS.items() for spec in fields(kind)]


@dataclass(frozen=True)
class Block:
    """A fenced block; `file` is the name in a first line "# file: NAME" within or right before it."""

    kind: str
    text: str
    line: int
    file: str | None


def readme() -> str:
    if not README.is_file():
        pytest.fail("README.md is missing: the project has no page that says what it is and how to start")
    return README.read_text("utf-8")


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in their order."""
    found = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opening = re.match(r"( *)(`{3,})\s*(\w*)", lines[number])
        if not opening:
            number += 1
            continue
        first = number + 1
        indent = len(opening[1])
        closing = (last for last in range(first, len(lines)) if lines[last].strip() == opening[2])
        end = next(closing, None)
        assert end is not None, f"README.md line {first}: the block is not closed"
        content = "\n".join(line[indent:] for line in lines[first:end]) + "\n"
        before = next((line for line in reversed(lines[:number]) if line.strip()), "")
        named = re.match(r"\s*# file: (\S+)", content) or re.search(r"# file: ([^\s`*>]+)", before)
        found.append(Block(opening[3], content, first, named[1] if named else None))
        number = end + 1
    return found


def of_kind(kind: str) -> list[Block]:
    """Return the README's blocks of one kind, for parametrize: none where there is no README, which one test says."""
    return [block for block in blocks(README.read_text("utf-8")) if block.kind == kind] if README.is_file() else []


def commands(block: Block) -> list[str]:
    """Return the lines of a session that are typed: after "$ ", with what a backslash carries on."""
    typed: list[str] = []
    carried = False
    for line in block.text.splitlines():
        if carried:
            typed[-1] += "\n" + line.removeprefix("> ")
        elif line.startswith("$ "):
            typed.append(line.removeprefix("$ "))
        else:
            continue
        carried = line.endswith("\\")
    return typed


def is_run(command: str, clone: str | None) -> bool:
    words = command.split()
    return words[0] not in NOT_RUN and not (clone and words[:2] == ["cd", clone])


def lines_of(block: Block) -> str:
    return f"line {block.line}"


def test_the_readme_shows_a_session_with_the_main_commands() -> None:
    typed = "\n".join(command for block in blocks(readme()) if block.kind == "console" for command in commands(block))
    for command in ("init", "run", "status"):
        assert re.search(rf"jobrunner (--home \S+ )?{command}\b", typed), f"no session shows jobrunner {command}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_mentioned(command: str) -> None:
    assert re.search(rf"jobrunner {command}\b", readme()), f"README.md does not mention jobrunner {command}"


def test_no_command_is_mentioned_that_does_not_exist() -> None:
    mentioned = set(re.findall(r"`jobrunner ([a-z]+)", readme()))
    for block in blocks(readme()):
        if block.kind == "console":
            mentioned |= set(
                re.findall(r"(?:^|[;&|]\s*)jobrunner (?:--home \S+ )?([a-z]+)", "\n".join(commands(block)), re.M)
            )
    assert mentioned <= set(COMMANDS)


def test_every_file_and_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for path in re.findall(r"`((?:tests|bench|docs)/[\w./-]+)`|\]\(((?!http)[\w./-]+)\)", readme()):
        assert (ROOT / (path[0] or path[1])).exists(), path
    for target in re.findall(r"make ([a-z]+)", readme()):
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target}"


def test_every_key_of_the_settings_is_in_the_readme_or_the_docs() -> None:
    pages = readme() + "".join(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))
    missing = [key for key in KEYS if not re.search(rf"\b{key.rpartition('.')[2]}\b", pages)]
    assert not missing, f"neither README.md nor docs/ says what {', '.join(missing)} is for"


def test_the_sessions_run_as_they_stand(tmp_path: Path) -> None:
    session = tmp_path / "session"
    session.mkdir()
    environment = clean_environment() | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(session),
        "TMPDIR": str(tmp_path),
    }
    here = session
    clone = None
    ran = 0
    for block in blocks(readme()):
        if block.file and block.kind != "console":
            (here / block.file).parent.mkdir(parents=True, exist_ok=True)
            (here / block.file).write_text(block.text)
        if block.kind != "console":
            continue
        for command in commands(block):
            if cloned := re.match(r"git clone \S*?([\w.-]+?)(\.git)?(\s|$)", command):
                clone = cloned[1]
            if not is_run(command, clone):
                continue
            where = tmp_path / "where"
            try:
                result = subprocess.run(
                    ["bash", "-c", f"trap 's=$?; pwd > \"{where}\"; exit $s' EXIT\n{command}"],
                    cwd=here,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=SESSION_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                pytest.fail(f"README.md line {block.line}: `{command}` does not end within {SESSION_SECONDS} s")
            assert result.returncode == 0, (
                f"README.md line {block.line}: `{command}` exits {result.returncode}\n{result.stdout}{result.stderr}"
            )
            assert not met_a_bug(result.stderr), result.stderr
            here = Path(where.read_text().rstrip("\n"))
            ran += "jobrunner" in command
    assert ran, "no session of README.md runs jobrunner"


def test_what_is_made_exists_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z-]+)", readme()))
    for block in blocks(readme()):
        if block.kind in {"console", "sh", "bash"}:
            named |= set(re.findall(r"^(?:\$ )?make ([a-z-]+)", block.text, re.M))
    assert named
    assert named <= targets


def test_links_to_files_of_the_project_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", readme())
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("block", of_kind("toml"), ids=lines_of)
def test_settings_shown_are_valid(block: Block, tmp_path: Path) -> None:
    build(tmp_path, tomllib.loads(block.text), {}, source=f"README.md line {block.line}")


def test_the_settings_shown_in_full_are_the_defaults(tmp_path: Path) -> None:
    shown = [tomllib.loads(block.text) for block in blocks(readme()) if block.kind == "toml"]
    full = [toml for toml in shown if set(toml) == set(SECTIONS)]
    for toml in full:
        toml["process"] = {key: value for key, value in toml["process"].items() if key == "timeout"}
        assert build(tmp_path, toml, {}, source="README.md") == build(tmp_path, {}, {}, source="")
    assert full, "README.md shows no jobrunner.toml with all of its sections"


@pytest.mark.parametrize("block", of_kind("python"), ids=lines_of)
def test_python_shown_compiles(block: Block) -> None:
    compile(block.text, f"README.md line {block.line}", "exec")
