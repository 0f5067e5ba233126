from collections.abc import Callable

import pytest

from jobrunner.domain import programs


@pytest.mark.parametrize(
    ("parse", "written", "value"),
    [
        (programs.command, ["python", "a b.py"], ("python", "a b.py")),
        (programs.command, "python 'a b.py' {data}", ("python", "a b.py", "{data}")),
        (programs.command, "grep '|' \">\" a;b --url=x?a&b=c", ("grep", "|", ">", "a;b", "--url=x?a&b=c")),
        (programs.command, ' ["a b", "|"]', ("a b", "|")),
        (programs.function, "analysis:process", "analysis:process"),
        (programs.function, "pakét.mod:fn_2", "pakét.mod:fn_2"),
    ],
)
def test_what_people_write_is_understood(parse: Callable[[object], object], written: object, value: object) -> None:
    assert parse(written) == value


@pytest.mark.parametrize(
    "bad", ["", [], [""], ["a", ""], ["a", 5], 5, {"a": "b"}, "[]", '["a"', "[ -f x ]", '["a", 5]']
)
def test_what_is_no_command_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"^a list of words such as "):
        programs.command(bad)


@pytest.mark.parametrize("text", ["a | b", "a > b", "a >b", "a 2>&1", "a && b", "a ; b", "a & ", "a < b", "a || b"])
def test_a_line_for_a_shell_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is for a shell"):
        programs.command(text)


def test_open_quotes_are_refused() -> None:
    with pytest.raises(ValueError, match="quotes are closed"):
        programs.command("a 'b")


@pytest.mark.parametrize("bad", ["", "module", ":f", "m:", "m:f()", "m.:f", "1m:f", "m:f.g", "a/b:f", 5, None])
def test_what_is_no_function_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"^a module and a function in it"):
        programs.function(bad)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("a.py:f", "a:f"), ("sub/a.py:f", "a:f"), ("./a.py:f", "a:f"), ("a.py:", "a:function")],
)
def test_a_file_in_the_place_of_a_module_is_refused_with_its_module(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f'"{meant}"'):
        programs.function(written)
