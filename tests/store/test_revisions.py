"""Jobs that are not called as their packages are."""

import apsw
import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.domain.job import Identity, State
from jobrunner.store.store import Store

REVISION = Identity("p~2", "p", 2, "p")


@pytest.fixture
def revised(store: Store) -> Store:
    """A store in which p and its revision 2 are queued."""
    with store.write():
        store.queue.enqueue(["p"], 0)
        store.revisions.revise(REVISION, 0)
    return store


def test_a_revision_is_a_job_of_its_own_behind_all_others(revised: Store) -> None:
    found = revised.revisions.find("p", 2)
    assert found is not None
    assert (found.identity, found.state, found.attempt) == (REVISION, State.QUEUED, 0)
    assert [job.name for job in revised.revisions.of("p")] == ["p~2"]
    assert revised.jobs.find("p~2") == found
    first = revised.jobs.find("p")
    assert first is not None
    assert first.identity == Identity.plain("p")
    assert revised.revisions.find("p", 3) is None


def test_a_package_goes_before_a_revision_that_is_called_so(revised: Store) -> None:
    assert revised.revisions.other_packages(["p", "p~2", "p~3"]) == {"p~2"}
    with revised.write():
        assert revised.revisions.enqueue(Identity("p~2~2", "p~2"), 0) == 1
    found = revised.jobs.find("p~2")
    assert found is not None
    assert found.name == "p~2~2"


def test_two_scanners_queue_such_a_package_once(revised: Store) -> None:
    with revised.write():
        assert revised.revisions.enqueue(Identity("p~2~2", "p~2"), 0) == 1
        assert revised.revisions.enqueue(Identity("p~2~3", "p~2"), 0) == 0
    assert revised.revisions.is_used("p~2~2")
    assert not revised.revisions.is_used("p~2~3")


def test_what_is_made_out_of_the_archive_is_not_looked_for_in_the_inbox(revised: Store) -> None:
    assert revised.jobs.untried_names() == ["p"]
    assert set(revised.jobs.known(["p", "p~2"])) == {"p"}
    with revised.write():
        revised.revisions.revise(Identity("q~2", "q", 2), 0)
    assert sorted(revised.jobs.untried_names()) == ["p", "q"]


def test_an_accepted_delivery_goes_before_the_first_while_it_is_under_way(revised: Store) -> None:
    with revised.write():
        revised.database.execute("UPDATE jobs SET state = 'done', attempt = 1, finished_at = 1 WHERE id = 1", {})
    assert revised.jobs.known(["p"])["p"].state is State.DONE
    with revised.write():
        accepted = revised.revisions.revise(Identity("p~3", "p", 3), 0)
    assert revised.jobs.known(["p"])["p"].id == accepted.id


@pytest.mark.parametrize(
    "wrong",
    [
        "INSERT INTO jobs (name, revision, position, created_at) VALUES (CAST('x' AS BLOB), 2, 1, 0)",
        "INSERT INTO jobs (name, package, position, created_at) VALUES (CAST('x' AS BLOB), CAST('x' AS BLOB), 1, 0)",
        "UPDATE jobs SET source = CAST('x' AS BLOB) WHERE revision = 1",
        "UPDATE jobs SET revision = 0",
    ],
)
def test_wrong_revisions_cannot_be_stored(revised: Store, wrong: str) -> None:
    with pytest.raises((apsw.ConstraintError, StoreError)), revised.write():
        revised.database.execute(wrong, {})
