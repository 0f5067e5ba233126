import math

import pytest

from jobrunner.domain.progress import LONGEST, Progress, line_of, progress_in


@pytest.mark.parametrize(
    ("raw", "done", "total", "text"),
    [
        (b"40/100 aligning\n", 40, 100, "aligning"),
        (b"40/100", 40, 100, ""),
        (b"  40 / 100   two  words \n", 40, 100, "two  words"),
        (b"0.5/12.25 GB", 0.5, 12.25, "GB"),
        (b"40 aligning", 40, None, "aligning"),
        (b"40", 40, None, ""),
        (b"0/3", 0, 3, ""),
        (b"7/3 more than all", 3, 3, "more than all"),
        (b"1/2 first\n2/2 second\n", 1, 2, "first"),
        (b"1/2 first\r2/2 second", 1, 2, "first"),
        (b"1/2 \x1b[31mred\x07", 1, 2, r"\x1b[31mred\x07"),
        (b"1/2 \xff\xe2\x80\xae!", 1, 2, "\\xff\\u202e!"),
        ("1/2 größer".encode(), 1, 2, "größer"),
    ],
)
def test_a_line_of_numbers_and_words_tells_a_progress(raw: bytes, done: float, total: float, text: str) -> None:
    assert progress_in(raw) == Progress(done, total, text)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n40/100",
        b"aligning",
        b"40%",
        b"40/",
        b"/100",
        b"40/100aligning",
        b"-1/100",
        b"1/-100",
        b"0/0",
        b"nan/1",
        b"inf",
        b"1e3/2e3",
        b"1,5/2",
        b"1.",
        b"1" * 16,
        b"1." + b"1" * 10,
        "\u0664\u0660/\u0661\u0660\u0660".encode(),
        bytes(range(256)),
        b"\0" * LONGEST,
    ],
)
def test_anything_else_is_no_progress(raw: bytes) -> None:
    assert progress_in(raw) is None


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\U0001f600", "\x1b", "\udcff"])
def test_of_long_words_the_beginning_is_taken(letter: str) -> None:
    progress = progress_in(b"1/2 " + letter.encode("utf-8", "surrogateescape") * 10_000)
    assert progress
    assert progress.text.isprintable()
    assert 40 < len(progress.text) <= 80


@pytest.mark.parametrize("done", [0, 3, 0.125, 999_999_999_999_999])
@pytest.mark.parametrize("total", [None, 1e15 - 1])
def test_what_is_written_is_read_as_it_was(done: float, total: float | None) -> None:
    assert progress_in(line_of(done, total, "aligning  the\nreads")) == Progress(done, total, "aligning the reads")


@pytest.mark.parametrize("number", [math.nan, math.inf, -1, 1e300])
def test_a_number_that_makes_no_sense_is_written_as_no_progress(number: float) -> None:
    assert progress_in(line_of(number, None, "")) is None
    assert progress_in(line_of(1, number, "")) is None


def test_a_line_is_never_longer_than_what_is_read() -> None:
    assert len(line_of(1, 2, "\U0001f600 \udcff" * 500)) <= LONGEST
