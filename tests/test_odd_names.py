"""Odd names: processed byte for byte, and shown on one line that can be typed again."""

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

from jobrunner.domain.package import shown
from tests.messages import complaint
from tests.support import RECEIPT, TestHome

#: Each name with how it is shown.
NAMES = {
    "two  words": "two  words",
    " leading blank": " leading blank",
    "trailing blank ": "trailing blank ",
    "trailing dot.": "trailing dot.",
    "it's": "it's",
    'so "called"': 'so "called"',
    "-rf": "-rf",
    "--home": "--home",
    "new\nline": r"new\nline",
    "tab\tstop\r": r"tab\tstop\r",
    "\x1b[31mred\x07": r"\x1b[31mred\x07",
    "🚀": "🚀",
    "👩‍🔬": r"👩\u200d🔬",
    "\u202etxt.exe": r"\u202etxt.exe",
    "数据": "数据",
    os.fsdecode("数据".encode("gbk")): r"\xca\xfd\xbe\xdd",
    os.fsdecode(b"caf\xe9\n"): r"caf\xe9\n",
    "e\u0301": "e\u0301",
    "\u00e9": "\u00e9",
    "x" * 251: "x" * 251,
    "包" * 83 + "ab": "包" * 83 + "ab",
    "100%s%(x)d%": "100%s%(x)d%",
    "back\\slash": "back\\slash",
    "both\\and\n": r"both\\and\n",
    "*": "*",
    "?[a-z]{b,c}": "?[a-z]{b,c}",
    "~": "~",
    "~root": "~root",
    "NAME~1": "NAME~1",
    "$(touch pwned)": "$(touch pwned)",
    "`id`;a|b&c>d": "`id`;a|b&c>d",
    "[red]x[bold]": "[red]x[bold]",
    "[": "[",
    ":smile:": ":smile:",
    "{data}": "{data}",
    "#hash": "#hash",
}
#: So many fail in the second home; the others are not scanned there.
FAILING = 18

HANDLER = """\
import os, sys
name = os.environb[b"JOBRUNNER_PACKAGE"]
assert os.fsencode(sys.argv[1]) == name
with open(os.path.join(sys.argv[2], "named"), "wb") as file:
    file.write(name)
os.write(1, b"<" + name + b">")
raise SystemExit(int(open("status").read()))
"""

every_name = pytest.mark.parametrize("name", NAMES, ids=[f"{number}" for number in range(len(NAMES))])


def odd_home(path: Path, status: int, names: list[str]) -> TestHome:
    home = TestHome(path)
    (path / "handler.py").write_text(HANDLER)
    (path / "status").write_text(str(status))
    home.configure(f'[process]\ncommand = ["{sys.executable}", "handler.py", "{{package}}", "{{data}}"]\n')
    for name in names:
        home.package(name)
    return home


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> tuple[TestHome, str]:
    """A home in which all of the names have been processed, and what was printed meanwhile."""
    home = odd_home(tmp_path_factory.mktemp("odd") / "home", 0, list(NAMES))
    result = home.jobrunner("run", "-n", "2", "--drain")
    assert result.returncode == 0, result.stderr
    return home, result.stderr


@every_name
def test_a_package_with_an_odd_name_is_archived_byte_for_byte(processed: tuple[TestHome, str], name: str) -> None:
    home, said = processed
    assert sorted(os.listdir(home.archive / name)) == sorted([RECEIPT, "data.txt", "named", f"{name}.zip"])
    assert (home.archive / name / "named").read_bytes() == os.fsencode(name)
    assert zipfile.is_zipfile(home.archive / name / f"{name}.zip")
    assert any(f"  done       {NAMES[name]}  " in line for line in said.split("\n"))


@every_name
def test_an_odd_name_is_shown_on_one_line_and_found_raw_and_as_shown(
    processed: tuple[TestHome, str], name: str
) -> None:
    home, _ = processed
    text = home.jobrunner("show", "--", name)
    assert text.returncode == 0, text.stderr
    assert text.stdout.split("\n")[0] == f"package    {NAMES[name]}"
    if NAMES[name] != name:
        by_shown = home.jobrunner("show", "--json", "--", NAMES[name])
        assert by_shown.returncode == 0, by_shown.stderr
        is_utf8 = not any(0xDC80 <= ord(char) <= 0xDCFF for char in name)
        assert json.loads(by_shown.stdout)["name"] == (name if is_utf8 else NAMES[name])
        by_shown.stdout.encode("utf-8")  # strictly
        logs = home.jobrunner("logs", "--", NAMES[name])
        assert logs.stdout == f"<{name}>"


def test_nothing_was_run_or_made_on_the_way(processed: tuple[TestHome, str]) -> None:
    home, said = processed
    assert sorted(os.fsencode(name) for name in os.listdir(home.archive)) == sorted(map(os.fsencode, NAMES))
    assert os.listdir(home.inbox) == []
    assert not list(home.path.rglob("pwned"))
    assert "\x1b" not in said
    assert len(said.rstrip("\n").split("\n")) == len(NAMES) + 4  # a warning, start, found, end, and one each


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    """A home in which some odd packages have failed, and the others are new."""
    path = tmp_path_factory.mktemp("odd") / "home"
    names = list(NAMES)
    home = odd_home(path, 65, names[:FAILING])
    assert home.jobrunner("run", "-n", "2", "--drain").returncode == 1
    for name in names[FAILING:]:
        home.package(name)
    return home


def test_status_shows_each_odd_name_on_a_line_of_its_own(failed: TestHome) -> None:
    result = failed.jobrunner("status")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.split("\n")
    for escaped in list(NAMES.values())[FAILING:]:
        assert any(f"{line}  ".startswith(f"  {escaped}  ") for line in lines)
    assert "\x1b" not in result.stdout
    reasons = [line for line in lines if "exit status 65" in line]
    assert sum(int(line.partition("x ")[0]) for line in reasons) == FAILING
    assert all(any(f"  ({escaped}, " in line for escaped in list(NAMES.values())[:FAILING]) for line in reasons)


def test_status_names_each_odd_name_in_valid_json(failed: TestHome) -> None:
    result = failed.jobrunner("status", "--json")
    result.stdout.encode("utf-8")  # strictly
    document = json.loads(result.stdout)
    said = {entry["name"] for entry in document["failed"] + document["new"]}
    assert len(document["failed"]) == FAILING
    for name, escaped in NAMES.items():
        assert name in said or escaped in said


def test_odd_packages_in_the_failed_folder_are_whole_and_can_be_retried_as_shown(failed: TestHome) -> None:
    names = list(NAMES)[:FAILING]
    for name in names:
        assert sorted(os.listdir(failed.failed / name)) == sorted(["error.txt", f"{name}.zip"])
    result = failed.jobrunner("retry", "--", *(NAMES[name] for name in names))
    assert result.stdout == f"{FAILING} packages queued again.\n", result.stderr


def test_a_name_that_only_looks_escaped_is_not_shown_like_one_that_is(home: TestHome) -> None:
    for name in ("a\nb", r"a\nb"):
        home.package(name)
    home.jobrunner("scan")
    texts = [shown(name) for name in ("a\nb", r"a\nb")]
    assert len(set(texts)) == 2, texts
    assert [home.show(text)["name"] for text in texts] == ["a\nb", r"a\nb"]


def test_an_unknown_odd_name_is_complained_of_on_one_line(home: TestHome) -> None:
    for name in ("no\nsuch \x1b[31mname", os.fsdecode(b"\xca\xfd")):
        assert "\x1b" not in complaint(home.jobrunner("show", name), code=1)


def test_odd_but_honest_members_are_laid_as_they_are_named(home: TestHome) -> None:
    members = [
        "two words",
        "trailing ",
        "trailing.",
        "it's",
        "-rf",
        "new\nline",
        "tab\t",
        "🚀/数据/e\u0301.txt",
        "x" * 255,
        "deep/" * 200 + "file",
        "back\\slash",
        "*",
        "~",
        "$(touch pwned)",
        "[red]",
        "%s",
        ".hidden",
        "CON",
        "...",
        "a/./b",
        "error.txt",
        "p.zip.txt",
    ]
    home.handler("")
    home.package("p", {member: member for member in members})
    assert home.jobrunner("run", "--drain").returncode == 0, home.show("p")["error"]
    for member in members:
        assert (home.archive / "p" / member).read_text() == member
    assert not list(home.path.rglob("pwned"))


def test_member_names_in_an_old_encoding_are_read_as_the_settings_say(home: TestHome) -> None:
    home.configure('[extract]\nencoding = "cp932"\n')
    package = home.package("p", {"____.txt": "42\n"})
    content = (package / "p.zip").read_bytes()
    assert content.count(b"____") == 2
    (package / "p.zip").write_bytes(content.replace(b"____", "測定".encode("cp932")))
    assert home.jobrunner("run", "--drain").returncode == 0
    assert sorted(os.listdir(home.archive / "p")) == sorted([RECEIPT, "p.zip", "測定.txt"])
