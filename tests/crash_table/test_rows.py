"""Each row of the crash table has a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_row_of_the_table_has_a_test() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    table = page.partition("## The crash table")[2].partition("\n## ")[0]
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    here = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py"))
    tested = {int(number) for number in re.findall(r"(?:\"row-|def test_row_)(\d\d)", here)}
    assert rows == tested
    assert rows == set(range(1, max(rows) + 1))
