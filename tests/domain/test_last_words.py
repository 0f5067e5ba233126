import time

import pytest

from jobrunner.domain.last_words import folded, last_words

TRACEBACK = b"""\
reading p
Traceback (most recent call last):
  File "/home/handler.py", line 3, in <module>
    calibrate(7)
    ~~~~~~~~~^^^
  File "/home/handler.py", line 2, in calibrate
    raise ValueError(f"cannot calibrate sensor {number}")
"""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (b"", ""),
        (b"\n \n\t\n---\n", ""),
        (b"one\ntwo", "two"),
        (b"one\ntwo\n\n-----\n  \n", "two"),
        (b"  all is\n  indented\n", "indented"),
        (TRACEBACK + b"ValueError: cannot calibrate sensor 7\n", "ValueError: cannot calibrate sensor 7"),
        (TRACEBACK + b"ValueError: two\n  deep\nlines\n", "ValueError: two / lines"),
        (TRACEBACK + b"SensorError: one\ntwo\nthree\nfour\n", "four"),
        (
            TRACEBACK + b"KeyError: 7\n\nDuring handling of the above exception, another exception occurred:\n\n"
            b"Traceback (most recent call last):\n  File\nOSError: bad\n",
            "OSError: bad",
        ),
        (
            b'Exception in thread "main" Bad: a\n\tat X.y(X.java:3)\nCaused by: Z: b\n\tat Z.z\n',
            'Exception in thread "main" Bad: a / Caused by: Z: b',
        ),
        (b"Error in f(7) : no sensor\nExecution halted\n", "Error in f(7) : no sensor / Execution halted"),
        (b"10%\r20%\rcannot open x\r\n", "cannot open x"),
        (b"\x1b[1;31mError:\x1b[0m no sensor\x1b[K\n", "Error: no sensor"),
        ("Größe fehlt\n".encode(), "Größe fehlt"),
    ],
)
def test_the_line_that_says_why_is_found(output: bytes, words: str) -> None:
    assert last_words(output) == words


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (b"caf\xe9 \x00 \x07 \x1b]0;title\x07 x", r"caf\xe9 \x00 \x07 \x1b]0;title\x07 x"),
        ("\u202egpj.exe\u2028next\x85 a".encode(), r"\u202egpj.exe\u2028next\u0085 a"),
        (b"x" * 10_000, "x" * 499 + "…"),
        (b"\xff" * 10_000 + b"a", r"\xff" * 124 + r"\xf" + "…"),
        (b"error " + b"a" * 400 + b"\nb" + b"b" * 400, "error " + "a" * 400 + " / " + "b" * 90 + "…"),
    ],
)
def test_hostile_output_becomes_one_short_printable_line(output: bytes, words: str) -> None:
    said = last_words(output)
    assert said == words
    assert said.isprintable()
    assert len(said) <= 500


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("ValueError: sensor 7", "ValueError: sensor 12", "ValueError: sensor N"),
        ("line 3: -1.5e-07", "line 30: 2,000.5", "line N: N"),
        ("scan-0017 is bad", "scan-0018 is bad", "scan-N is bad"),
        ("img_3.tif", "img_44.tif", "img_N.tif"),
        ("object at 0x7f3ac0", "object at 0x51", "object at N"),
        ("job 3f2a9c1be7 lost", "job 00aa99ff12 lost", "job N lost"),
        ("at 12:30:01 no disk", "at 03:04:05 no disk", "at N no disk"),
        ("cannot open /data/a/b.tif: no", "cannot open ~/x: no", "cannot open PATH: no"),
        ("cannot open ./a.tif", "cannot open raw/day/b.tif", "cannot open PATH"),
        ("no file '/my data/a b.csv'", "no file 'my data/c'", "no file 'PATH'"),
    ],
)
def test_reasons_of_one_kind_are_the_same_when_folded(one: str, other: str, both: str) -> None:
    assert folded(one) == folded(other) == both


@pytest.mark.parametrize(
    ("name", "reason", "kind"),
    [
        ("alpha", "the handler removed alpha.zip, the sender's zip", "the handler removed NAME.zip, the sender's zip"),
        ("alpha", "alpha: no alpha_2.csv for alpha", "NAME: no NAME_N.csv for NAME"),
        ("scan-0017", "scan-0017 is bad", "NAME is bad"),
        ("my scan", "cannot open /data/a.tif of my scan", "cannot open PATH of NAME"),
        ("alpha", "alphabet or betalpha or alphas", "alphabet or betalpha or alphas"),
        ("17", "exit status 17: sensor 17", "exit status 17: sensor N"),
        ("a", "a file is missing", "a file is missing"),
        ("no", "no file", "no file"),
    ],
)
def test_the_name_of_the_package_is_folded_where_it_stands_by_itself(name: str, reason: str, kind: str) -> None:
    assert folded(reason, name) == kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exit status 1: no", "exit status 2: no"),
        ("the handler was killed by signal 9 (Killed)", "the handler was killed by signal 15 (Terminated)"),
        ("KeyError: 'a'", "KeyError: 'b'"),
        ("read/write error", "open/close error"),
        ("feedface", "deadbeef"),
    ],
)
def test_reasons_of_two_kinds_stay_two(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@pytest.mark.parametrize("piece", ["a/", "/", "'/", '"', "1", "-", "a", "1e", "~", "a.b/", "0x"])
def test_no_reason_takes_long_to_fold(piece: str) -> None:
    start = time.process_time()
    folded(piece * 10_000)
    assert time.process_time() - start < 1
