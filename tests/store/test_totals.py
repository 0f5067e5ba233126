import math
import random

import pytest

from jobrunner.domain.job import Details, EndedAttempt, Outcome
from jobrunner.store.database import Database
from jobrunner.store.migrations import migrations
from jobrunner.store.totals import BOUNDS, Totals
from tests.store.one_worker import OneWorkerStore

HOUR = 3600
#: When an hour began.
BEGAN = 500_000 * HOUR


def outcomes(database: Database) -> dict[tuple[int, str], tuple[int, int]]:
    found = database.rows("SELECT * FROM outcome_totals")
    return {(row["hour_at"], row["outcome"]): (row["attempts"], row["jobs"]) for row in found}


def durations(database: Database) -> dict[tuple[int, str, float], tuple[int, float]]:
    found = database.rows("SELECT * FROM duration_totals")
    return {(row["hour_at"], row["step"], row["at_most"]): (row["count"], row["seconds"]) for row in found}


def add(database: Database, now: float, *ended: EndedAttempt) -> None:
    with database.write():
        Totals(database).add(ended, now)


def test_each_hour_counts_its_own_endings(database: Database) -> None:
    done, again, final = (
        EndedAttempt(Outcome.DONE, True),
        EndedAttempt(Outcome.FAILED),
        EndedAttempt(Outcome.FAILED, True),
    )
    add(database, BEGAN, done, again)
    add(database, BEGAN + 3599.9, done, final)
    add(database, BEGAN + 3600, again)
    assert outcomes(database) == {
        (BEGAN, "done"): (2, 2),
        (BEGAN, "failed"): (2, 1),
        (BEGAN + HOUR, "failed"): (1, 0),
    }
    assert durations(database) == {}


def test_every_outcome_can_be_counted(database: Database) -> None:
    add(database, BEGAN, *map(EndedAttempt, Outcome))
    assert outcomes(database) == {(BEGAN, outcome): (1, 0) for outcome in Outcome}


@pytest.mark.parametrize(
    ("seconds", "bound"), [(0.0, 0.001), (0.001, 0.001), (0.0011, 0.003), (29.0, 30.0), (30_001.0, math.inf)]
)
def test_a_duration_is_counted_under_the_least_bound(database: Database, seconds: float, bound: float) -> None:
    add(database, BEGAN, EndedAttempt(Outcome.FAILED, False, Details(handle=seconds)))
    assert durations(database) == {(BEGAN, "handle", bound): (1, seconds)}


def test_each_step_has_its_own_durations(database: Database) -> None:
    add(database, BEGAN, EndedAttempt(Outcome.DONE, True, Details(0.5, 2, 0.02), 2.75), EndedAttempt(Outcome.LATER))
    add(database, BEGAN, EndedAttempt(Outcome.DONE, True, Details(extract=0.75), 0.75))
    assert durations(database) == {
        (BEGAN, "extract", 1.0): (2, 1.25),
        (BEGAN, "handle", 3.0): (1, 2.0),
        (BEGAN, "archive", 0.03): (1, 0.02),
        (BEGAN, "whole", 3.0): (1, 2.75),
        (BEGAN, "whole", 1.0): (1, 0.75),
    }


def test_what_ended_before_the_upgrade_is_counted_alike(store: OneWorkerStore) -> None:
    """Whatever attempts there are, the migration fills the tables as if each of them had been counted at its end."""
    database, chance = store.database, random.Random(18)
    store.enqueue("p")
    for number in range(1, 200):
        outcome = chance.choice(list(Outcome))
        is_final = outcome is Outcome.DONE or (outcome is Outcome.FAILED and chance.random() < 0.5)
        extract, handle, archive = (
            chance.choice([None, bound, bound * 1.01]) for bound in chance.sample(BOUNDS[:-1], 3)
        )
        started = BEGAN + chance.randrange(5 * HOUR)
        whole = chance.choice(BOUNDS[4:-1])
        with database.write():
            database.execute(
                "INSERT INTO attempts"
                " VALUES (1, :number, 1, :start, :end, :outcome, :error, :final, :x, :h, :a, NULL, NULL, NULL)",
                {
                    "number": number,
                    "start": float(started),
                    "end": started + whole,
                    "outcome": outcome.value,
                    "error": None if outcome is Outcome.DONE else "why",
                    "final": is_final and outcome is not Outcome.DONE,
                    "x": extract,
                    "h": handle,
                    "a": archive,
                },
            )
            store.totals.add(
                [
                    EndedAttempt(
                        outcome, is_final, Details(extract, handle, archive), whole if outcome is Outcome.DONE else None
                    )
                ],
                started + whole,
            )
    counted = outcomes(database), durations(database)
    fill = migrations()[13]
    with database.write():
        database.execute("DELETE FROM outcome_totals; DELETE FROM duration_totals")
        database.rows(fill[fill.index("INSERT INTO outcome_totals") :])
    filled = outcomes(database), durations(database)
    assert filled[0] == counted[0]
    assert filled[1].keys() == counted[1].keys()
    for key, (count, seconds) in filled[1].items():
        assert (count, seconds) == pytest.approx(counted[1][key])
