"""Each row of the crash table has a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_row_of_the_table_has_a_test() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    table = page.partition("## The crash table")[2].partition("\n## ")[0]
    table += (ROOT / "docs" / "cluster.md").read_text("utf-8").partition("## How it is done")[2]
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    tests = [*Path(__file__).parent.glob("*.py"), *(ROOT / "tests" / "cluster").rglob("*.py")]
    source = "".join(path.read_text("utf-8") for path in tests)
    tested = {int(number) for number in re.findall(r"(?:\"row-|def test_row_)(\d\d)", source)}
    assert rows == tested
    assert rows == set(range(1, max(rows) + 1))
