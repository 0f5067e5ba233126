import os

import pytest

from jobrunner.domain.package import MAX_NAME_BYTES, printable, shown, unshown

ODD = [
    "line\nbreak",
    "tab\tand\rreturn",
    "back\\slash",
    "back\\nslash\nand newline",
    "\\x41\x07",
    "\\\\\n\\",
    "\x1b[31mred\x1b[0m",
    "nul-neighbours\x01\x7f\x85",
    "separators\u2028\u2029\u00a0",
    "right\u202eto-left",
    "emoji \U0001f980",
    "family \U0001f468\u200d\U0001f469",
    "private \U000f0000",
    "数据-é",
    os.fsdecode(b"latin-1 \xe9\xff"),
    os.fsdecode(b"\xe6\x95 cut short\n\x80"),
    os.fsdecode(bytes(range(1, 256)).replace(b"/", b"")),
    " spaces ",
    "-dash",
]


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_what_is_shown_is_printable_and_finds_the_name_again(name: str) -> None:
    text = shown(name)
    assert text.isprintable()
    assert name in {text, unshown(text)}  # as `report.find` looks it up: as it is, then unshown
    text.encode("utf-8")  # no surrogates left: every terminal takes it


@pytest.mark.parametrize("name", [name for name in ODD if not name.isprintable()], ids=ascii)
def test_an_escaped_name_round_trips(name: str) -> None:
    assert shown(name) != name
    assert unshown(shown(name)) == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scan-0017", "scan-0017"),
        ("back\\slash", "back\\slash"),
        ("a\nb", r"a\nb"),
        ("a\\\nb", r"a\\\nb"),
        ("\x1b", r"\x1b"),
        ("\x85", r"\u0085"),
        ("\U000f0000", r"\U000f0000"),
        (os.fsdecode(b"\xff"), r"\xff"),
        ("\U0001f980", "\U0001f980"),
    ],
    ids=ascii,
)
def test_names_are_shown_in_the_shortest_escape(name: str, text: str) -> None:
    assert shown(name) == text


def test_all_odd_names_that_are_escaped_are_shown_differently() -> None:
    escaped = [shown(name) for name in ODD if not name.isprintable()]
    assert len(set(escaped)) == len(escaped)


#: What steers a terminal, moves or hides text, or ends a line somewhere.
HARMFUL = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    *"\u00ad\u200b\u200c\u200d\u2060\ufeff\u180e",
    *"\u2028\u2029\ufff9\ufffb\U000e0001\U000e007f",
    *"\ue000\U0010fffd\u0378\uffff\udc80\ud800",
]


@pytest.mark.parametrize("char", HARMFUL, ids=ascii)
def test_what_is_harmful_is_escaped_in_names_and_in_messages(char: str) -> None:
    for text in (shown(f"a{char}b"), printable(f"a{char}b")):
        assert char not in text
        assert text.isprintable()
        assert text.isascii()


def test_a_message_keeps_the_names_that_are_shown_in_it() -> None:
    said = "the member " + shown("new\nline") + " is \x1b[1mbad\n"
    assert printable(said) == r"the member new\nline is \x1b[1mbad\n"
    assert printable(printable(said)) == printable(said)
    assert printable(said, keep="\n") == printable(said.rstrip("\n")) + "\n"


def test_what_only_looks_like_an_escape_is_left_alone() -> None:
    assert unshown(r"C:\data \q \xZZ \u12") == r"C:\data \q \xZZ \u12"


def test_the_longest_name_leaves_room_for_its_zip() -> None:
    assert len(("n" * MAX_NAME_BYTES) + ".zip") == 255
