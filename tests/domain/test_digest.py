"""Many failures become one notice."""

import json
import shlex
from fnmatch import fnmatchcase

import pytest

from jobrunner.domain.digest import Digest
from jobrunner.domain.last_words import as_pattern
from jobrunner.domain.notice import Notice, Origin

HOME = "/srv/my home"


def told(*failures: tuple[str, str]) -> Notice:
    digest = Digest()
    for number, (name, error) in enumerate(failures):
        digest.add(name, error, 60.0 * number, package=name)
    assert digest.count == len(failures)
    return digest.notice(HOME)


def test_one_failure_is_told_with_its_name_and_reason() -> None:
    notice = told(("scan-0017", "exit status 1: no sensor 7"))
    assert notice.text == "scan-0017 failed in /srv/my home: exit status 1: no sensor 7"


def test_five_hundred_of_one_reason_are_told_once_with_some_names() -> None:
    notice = told(*((f"p{number}", f"exit status 1: no sensor {number}") for number in range(500)))
    assert notice.text == "500 packages failed in /srv/my home: exit status 1: no sensor N"
    [reason] = notice.details["reasons"]
    assert reason["names"] == ["p0", "p1", "p2", "p3", "p4"]
    assert (reason["count"], notice.details["count"]) == (500, 500)
    assert reason["first_at"] == "1970-01-01T00:00:00.000+00:00"
    assert reason["last_at"] == notice.details["last_at"] == "1970-01-01T08:19:00.000+00:00"
    command = "jobrunner --home '/srv/my home'"
    assert reason["list"] == f"{command} list --state failed --error 'exit status 1: no sensor *'"
    assert reason["retry"] == f"{command} retry --error 'exit status 1: no sensor *'"


def test_what_differs_only_by_the_packages_names_is_one_reason() -> None:
    digest = Digest()
    errors = {"alpha": "[no] data in alpha.zip", "数\n": r"[no] data in 数\n.zip", "beta~2": "[no] data in beta.zip"}
    for name, error in errors.items():
        digest.add(name, error, 0.0, package=name.partition("~")[0])
    notice = digest.notice(HOME)
    assert notice.text == "3 packages failed in /srv/my home: [no] data in NAME.zip"
    [reason] = notice.details["reasons"]
    pattern = shlex.split(reason["retry"])[-1]
    assert pattern == "[[]no] data in *.zip"
    assert all(fnmatchcase(error, pattern) for error in errors.values())


def test_of_several_reasons_the_most_frequent_comes_first_and_few_are_told() -> None:
    words = [chr(ord("a") + number % 26) * (1 + number // 26) for number in range(50)]
    notice = told(("first", "rare"), *((word, word) for word in words), ("again", "b"))
    assert notice.text == "52 packages failed in /srv/my home for 51 reasons, 2 of them: b"
    assert len(notice.details["reasons"]) == 20
    assert notice.details["more_reasons"] == 31


def test_a_notice_stays_short_however_different_the_reasons_are() -> None:
    digest = Digest()
    for number in range(5000):
        digest.add(
            "\udcff" * 200, "x" * 5000 + "".join(chr(0x4E00 + int(digit)) for digit in str(number)), 0.0, package="p"
        )
    for number in range(5000):
        digest.add("p", "".join(chr(0x4E00 + int(digit)) for digit in str(number)), 0.0, package="p")
    assert digest.count == 10_000
    assert len(digest.notice(HOME).document(Origin(HOME, "host"))) < 200_000


@pytest.mark.parametrize(
    "error",
    [
        "exit status 65: 3 of [7] are *bad* in /data/a.txt, why?",
        "killed by signal 9",
        "no such file: 'raw/scan 17.dat'",
        "[" * 20,
        "a" * 600 + " 7",
        "a" * 495 + " package 7",
        "no: NAME of package is in [/srv/package/package.zip]",
    ],
)
def test_the_pattern_of_a_reason_fits_it_and_is_one_word_of_a_shell(error: str) -> None:
    pattern = as_pattern(error, "package")
    assert fnmatchcase(error, pattern)
    assert not fnmatchcase(f"x{error}", pattern)
    [reason] = told(("package", error)).details["reasons"]
    assert shlex.split(reason["retry"])[-1] == pattern
    json.dumps(reason)
