import pytest

from jobrunner.cli.output import Line
from jobrunner.cli.sections import Room, Row, Section, laid_out, on_a_screen, shared


def text(line: Line) -> str:
    return "".join(part if isinstance(part, str) else part.text for part in line)


def page(sections: list[Section], room: Room, head: int = 2) -> list[str]:
    return list(map(text, laid_out([["head"]] * head, sections, room)))


def section(title: str, number: int, *hints: str) -> Section:
    return Section(title, number, [Row([f"{title}-{row}"]) for row in range(number)], "see elsewhere", hints)


@pytest.mark.parametrize(
    ("heights", "lines", "shares"),
    [
        ([[1, 1, 1], [1]], 10, [3, 1]),
        ([[1, 1, 1], [1, 1]], 4, [2, 2]),
        ([[1, 1, 1], [1, 1]], 3, [2, 1]),
        ([[1, 1], [1, 1], [1]], 1, [1, 0, 0]),
        ([[3, 1], [1, 1]], 2, [0, 2]),
        ([[1]], 0, [0]),
        ([[1]], -3, [0]),
        ([], 5, []),
    ],
)
def test_lists_take_turns_at_the_lines_that_there_are(heights: list[list[int]], lines: int, shares: list[int]) -> None:
    assert shared(heights, lines) == shares


@pytest.mark.parametrize("lines", range(8, 60))
def test_a_page_takes_no_more_lines_than_there_are(lines: int) -> None:
    made = page([section("a", 30), section("b", 3), section("c", 1)], Room(80, lines))
    assert len(made) <= lines
    assert {"a-0", "b-0", "c-0"} <= {line.strip() for line in made}


def test_what_is_cut_says_how_much_more_there_is_and_where() -> None:
    made = page([section("a", 30, "do this")], Room(80, 8))
    assert made == ["head", "head", "", "a (30)  26 more: see elsewhere; do this", *(f"  a-{row}" for row in range(4))]


def test_a_hint_that_has_no_room_is_left_out_whole() -> None:
    hints = ("do this and that, and then the other thing, too", "briefly")
    assert "a (2)  briefly" in page([section("a", 2, *hints)], Room(30, 20))


def test_empty_lines_stand_between_lists_where_there_is_room_for_them() -> None:
    sections = [section("a", 3), section("b", 3)]
    assert page(sections, Room(80, 24)).count("") == 2
    assert page(sections, Room(80, 9)).count("") == 0
    assert page(sections, Room()).count("") == 2


def test_without_a_terminal_a_list_has_its_first_rows_uncut() -> None:
    rows = [Row([f"p{number} "], "x" * 500) for number in range(25)]
    made = page([Section("a", 25, rows, "see elsewhere")], Room())
    assert "a (25)  5 more: see elsewhere" in made
    assert "  p19 " + "x" * 500 in made
    assert not [line for line in made if "p20" in line]


def test_a_text_is_cut_so_that_what_is_behind_it_fits() -> None:
    row = Row(["7x "], "a reason that is very long " * 5, "  (scan-1, 12:00)")
    made = text(row.fitted(60))
    assert len(made) == 60
    assert made.startswith("  7x a reason that")
    assert made.endswith("…  (scan-1, 12:00)")


def test_a_list_without_packages_is_not_there() -> None:
    assert page([section("a", 0), section("b", 1)], Room(80, 24)) == ["head", "head", "", "b (1)", "  b-0"]


def test_wide_characters_take_two_columns() -> None:
    made = text(Row(["数据 "], "很长的原因" * 10).fitted(40))
    assert made.endswith("…")
    assert len(made) < 25


def test_a_screen_that_is_too_small_has_the_first_lines() -> None:
    lines: list[Line] = [["a"], ["b" * 30], ["c"]]
    assert on_a_screen(lines, Room(20, 3)) == lines[:2]
    assert on_a_screen(lines, Room(20, 2)) == lines[:1]
    assert on_a_screen(lines, Room(40, 9)) == lines
