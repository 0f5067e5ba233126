import re
from importlib import resources
from pathlib import Path

import pytest

import jobrunner.store
from jobrunner.store.database import Database
from jobrunner.store.statements import statements, without_comments
from tests.store.conftest import SqlFolder

STORE = Path(jobrunner.store.__file__).parent
TABLES = sorted(
    file.name.removesuffix(".sql") for file in resources.files("jobrunner.sql").joinpath("queries").iterdir()
)
#: The modules that execute the statements of a file.
USERS = {
    "adoption": {"adoption"},
    "attempts": {"attempts"},
    "changes": {"changes"},
    "charts": {"charts"},
    "clock": {"clock"},
    "completion": {"completion"},
    "identity": {"identity"},
    "jobs": {"jobs", "queue"},
    "listing": {"listing"},
    "revisions": {"revisions"},
    "nodes": {"nodes"},
    "notices": {"notices"},
    "pauses": {"pauses"},
    "old_jobs": {"old_jobs"},
    "runners": {"runners"},
    "totals": {"totals"},
    "workers": {"workers"},
}


def test_every_file_of_statements_has_a_user() -> None:
    assert set(TABLES) == set(USERS)


# Lists make up the names of theirs: tests/store/test_listing.py.
@pytest.mark.parametrize("table", sorted({*TABLES} - {"listing"}))
def test_every_statement_is_used_and_every_statement_that_is_used_exists(table: str) -> None:
    source = "".join((STORE / f"{module}.py").read_text("utf-8") for module in USERS[table])
    used = set(re.findall(r'(?:self\._statements|statements\("\w+"\))\["(\w+)"\]|self\._fenced\("(\w+)"', source))
    assert {name or fenced for name, fenced in used} == set(statements(table))


@pytest.mark.parametrize("table", TABLES)
def test_every_statement_is_one_that_the_schema_understands(table: str, database: Database) -> None:
    for sql in statements(table).values():
        assert "--" not in sql
        assert not sql.endswith(";")
        database.rows(f"EXPLAIN {sql}", dict.fromkeys(re.findall(r":(\w+)", sql)))


def test_comments_and_the_last_semicolon_are_left_out(sql_folder: SqlFolder) -> None:
    text = "-- of the file\n\n-- name: one\n-- why\nSELECT 1  -- here\n\nFROM a;\n\n-- name: two\nSELECT 2;\n"
    sql_folder.install({"queries/few.sql": text})
    assert statements("few") == {"one": "SELECT 1\nFROM a", "two": "SELECT 2"}


def test_a_name_that_is_given_twice_is_refused(sql_folder: SqlFolder) -> None:
    sql_folder.install({"queries/twice.sql": "-- name: a\nSELECT 1;\n-- name: b\nSELECT 2;\n-- name: a\nSELECT 3;\n"})
    with pytest.raises(ValueError, match=r"twice\.sql names a twice"):
        statements("twice")


def test_a_fragment_stands_in_the_statements_that_name_it(sql_folder: SqlFolder) -> None:
    text = (
        "-- fragment: some\n-- why\na, b\n\n-- fragment: where\nWHERE {some}\n\n"
        "-- name: one\nSELECT {some}\nFROM c {where};\n"
    )
    sql_folder.install({"queries/shared.sql": text})
    assert statements("shared") == {"one": "SELECT a, b\nFROM c WHERE a, b"}


def test_a_fragment_of_another_file_stands_in_a_statement(sql_folder: SqlFolder) -> None:
    sql_folder.install(
        {
            "queries/owner.sql": "-- fragment: some\na, b\n\n-- name: one\nSELECT {some};\n",
            "queries/guest.sql": "-- fragments of: owner\n\n-- name: two\nSELECT {some} FROM c;\n",
        }
    )
    assert statements("guest") == {"two": "SELECT a, b FROM c"}


def test_a_fragment_that_is_not_there_is_refused(sql_folder: SqlFolder) -> None:
    sql_folder.install({"queries/lacking.sql": "-- name: one\nSELECT {some};\n"})
    with pytest.raises(KeyError, match="some"):
        statements("lacking")


@pytest.mark.parametrize("table", TABLES)
def test_no_statement_asks_for_all_columns(table: str) -> None:
    assert [name for name, sql in statements(table).items() if re.search(r"\*(?!\))", sql)] == []


def test_sql_without_comments_keeps_its_lines() -> None:
    assert without_comments("-- a\nSELECT 1, -- b\n       2\n\n") == "SELECT 1,\n       2"
