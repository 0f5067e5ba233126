import pytest

from jobrunner.unzip.fields import named


@pytest.mark.parametrize(
    ("name", "said"),
    [("a b", "a b"), ("a\nb", r"a\nb"), ("n" * 200, "n" * 200), ("n" * 70_000, "n" * 200 + "…"), ("\udcff", r"\xff")],
)
def test_a_name_in_a_message_is_on_one_line_and_not_endless(name: str, said: str) -> None:
    assert named(name) == said
