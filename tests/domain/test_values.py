from collections.abc import Callable
from pathlib import Path

import pytest

from jobrunner.domain import values


@pytest.mark.parametrize(
    ("parse", "written", "value"),
    [
        (values.duration, "0s", 0.0),
        (values.duration, "10s", 10.0),
        (values.duration, "1.5 m", 90.0),
        (values.duration, "2h", 7200.0),
        (values.duration, "30d", 2592000.0),
        (values.size, "7 B", 7),
        (values.size, "500KiB", 512000),
        (values.size, "1.5 MiB", 1572864),
        (values.size, "10 GiB", 10 * 2**30),
        (values.size, "2 TiB", 2 * 2**40),
        (values.positive, 1, 1),
        (values.positive, "200000", 200000),
        (values.niceness, 0, 0),
        (values.niceness, "19", 19),
        (values.text, " ", " "),
        (values.path, "in/box", Path("in/box")),
        (values.path, "/abs", Path("/abs")),
        (values.patterns, "-downloading", ("-downloading",)),
        (values.patterns, "-downloading, *.part", ("-downloading", "*.part")),
        (values.patterns, ["a, b", "*.part"], ("a, b", "*.part")),
        (values.patterns, [], ()),
        (values.pattern, "final_summary_*.txt", "final_summary_*.txt"),
        (values.complete_when, "still", "still"),
        (values.zip_name, "only", "only"),
        (values.codec, "auto", "auto"),
        (values.codec, "gbk", "gbk"),
        (values.command, ["python", "a b.py"], ("python", "a b.py")),
        (values.command, "python 'a b.py' {data}", ("python", "a b.py", "{data}")),
        (values.function, "analysis:process", "analysis:process"),
        (values.function, "pakét.mod:fn_2", "pakét.mod:fn_2"),
        (values.database_url, "sqlite:///jobrunner.db", "sqlite:///jobrunner.db"),
        (values.database_url, "sqlite:////var/lib/j.db", "sqlite:////var/lib/j.db"),
    ],
)
def test_what_people_write_is_understood(parse: Callable[[object], object], written: object, value: object) -> None:
    assert parse(written) == value


@pytest.mark.parametrize(
    ("parse", "written"),
    [
        *[(values.duration, bad) for bad in (10, "10", "-1s", "s", "1 week", "1e3s", "", None, "1s\n", True)],
        *[(values.timeout, bad) for bad in ("0s", "0.0m", 10)],
        *[(values.size, bad) for bad in (10, "10", "10 GB", "10 gib", "-1 B", "", None, "1 B\n")],
        *[(values.positive, bad) for bad in (0, -1, True, 1.0, "0", "-1", "1.5", "", "²", "٣", None)],
        *[(values.niceness, bad) for bad in (-1, 20, True, 1.0, "20", "-1", "", None)],
        *[(values.text, bad) for bad in ("", 5, None, ["a"])],
        *[(values.path, bad) for bad in ("", 5, None)],
        *[(values.patterns, bad) for bad in ("", "a,", "a/b", 5, [""], ["a/b"], ["a", 5], None)],
        *[(values.pattern, bad) for bad in ("", "a/b", 5, ["a"])],
        *[(values.complete_when, bad) for bad in ("", "now", True, ["still"])],
        *[(values.zip_name, bad) for bad in ("", "any", None)],
        *[(values.codec, bad) for bad in ("", "no-such-codec", 5)],
        *[(values.command, bad) for bad in ("", [], [""], ["a", ""], ["a", 5], 5, {"a": "b"}, "'unclosed")],
        *[(values.function, bad) for bad in ("", "module", ":f", "m:", "m:f()", "m.:f", "1m:f", "m:f.g", 5, None)],
        *[
            (values.database_url, bad)
            for bad in ("", "jobrunner.db", "sqlite://j.db", "sqlite:///", "sqlite:///a?b", 5)
        ],
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_is_wanted(
    parse: Callable[[object], object], written: object
) -> None:
    with pytest.raises(ValueError, match=r"^(a |the |\"auto\" )"):
        parse(written)


@pytest.mark.parametrize("name", ["hex", "rot13", "zlib"])
def test_a_codec_that_is_not_of_text_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a codec such as"):
        values.codec(name)


def test_the_home_of_a_person_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert values.path("~/inbox") == Path("/home/ada/inbox")


def test_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        values.path("~nobody-by-this-name/inbox")
