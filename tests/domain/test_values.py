import math
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrunner.domain import values


@pytest.mark.parametrize(
    ("parse", "written", "value"),
    [
        (values.age, "30d", 2592000.0),
        (values.age, "0s", 0.0),
        (values.age_if_any, "12 hours", 43200.0),
        (values.age_if_any, "none", math.inf),
        (values.duration, "0s", 0.0),
        (values.duration, "10s", 10.0),
        (values.duration, "1.5 m", 90.0),
        (values.duration, "2h", 7200.0),
        (values.duration, "30d", 2592000.0),
        (values.duration, 90, 90.0),
        (values.duration, 0.5, 0.5),
        (values.duration, "90", 90.0),
        (values.duration, "10 minutes", 600.0),
        (values.duration, "1h30m", 5400.0),
        (values.duration, " 1 hour 30 Min ", 5400.0),
        (values.duration, "2 weeks", 1209600.0),
        (values.timeout, "none", math.inf),
        (values.timeout, "1s", 1.0),
        (values.memory, "4 MiB", 2**22),
        (values.open_files, 8, 8),
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
        (values.database_url, "sqlite:///jobrunner.db", "sqlite:///jobrunner.db"),
        (values.database_url, "sqlite:////var/lib/j.db", "sqlite:////var/lib/j.db"),
    ],
)
def test_what_people_write_is_understood(parse: Callable[[object], object], written: object, value: object) -> None:
    assert parse(written) == value


@pytest.mark.parametrize(
    ("parse", "written"),
    [
        *[(values.duration, bad) for bad in (-1, "-1s", "s", "1h30", "1 hours ago", "1e3s", "", None, True)],
        *[(values.duration, bad) for bad in (math.inf, math.nan, "9" * 400, "٣s", "1h -3m")],
        *[(values.age, bad) for bad in ("30", "1.5", " 30 ", 30, 0.5, True, "none", "-1d", "soon", "")],
        *[(values.age_if_any, bad) for bad in ("30", 90, "None", None)],
        *[(values.timeout, bad) for bad in ("0s", "0.0m", 0, "None", "")],
        *[(values.memory, bad) for bad in ("1 KiB", 5, "")],
        *[(values.open_files, bad) for bad in (7, "", None)],
        *[(values.size, bad) for bad in (10, "10", "10 GB", "10 gib", "-1 B", "", None, "1 B\n")],
        *[(values.positive, bad) for bad in (0, -1, True, 1.0, "0", "-1", "1.5", "", "²", "٣", None)],
        *[(values.niceness, bad) for bad in (-1, 20, True, 1.0, "20", "-1", "", None)],
        *[(values.text, bad) for bad in ("", 5, None, ["a"])],
        *[(values.path, bad) for bad in ("", 5, None)],
        *[(values.patterns, bad) for bad in ("", "a,", "a/b", "*", ["a", "**"], 5, [""], ["a/b"], ["a", 5], None)],
        *[(values.pattern, bad) for bad in ("", "a/b", 5, ["a"])],
        *[(values.complete_when, bad) for bad in ("", "now", True, ["still"])],
        *[(values.zip_name, bad) for bad in ("", "any", None)],
        *[(values.codec, bad) for bad in ("", "no-such-codec", 5)],
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


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (2**16, "64 KiB"),
        (3 * 2**29, "1.5 GiB"),
        (90_000 * 2**30, "90000 GiB"),
        (2**60, "1048576 TiB"),
        (123_456_789, "117.7 MiB"),
    ],
)
def test_a_size_is_written_in_a_unit_in_which_it_is_short(count: int, written: str) -> None:
    assert values.in_bytes(count) == written


def test_the_home_of_a_person_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert values.path("~/inbox") == Path("/home/ada/inbox")


def test_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        values.path("~nobody-by-this-name/inbox")
