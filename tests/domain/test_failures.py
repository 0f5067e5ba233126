from jobrunner.domain.failures import grouped
from jobrunner.domain.job import Job, Outcome, State


def failed(name: str, error: str, at: float, verdict: Outcome = Outcome.FAILED) -> Job:
    return Job(
        *(1, name, State.FAILED, 1, None, 1, 0, 0, 0, verdict, None, error),
        failed_name=name,
        error_name="error.txt",
        created_at=0.0,
        finished_at=at,
        package=name,
        revision=1,
        source=None,
    )


def test_failures_of_one_kind_are_told_once_with_the_newest_of_them_the_most_first() -> None:
    jobs = [
        failed("e", "no notes.txt", 50),
        failed("d", "sensor 8 is silent", 40),
        failed("c", "sensor 7 is silent", 30),
    ]
    found = grouped(jobs, since=0)
    assert [(group.reason, group.total, group.newest.name) for group in found.groups] == [
        ("sensor N is silent", 2, "d"),
        ("no notes.txt", 1, "e"),
    ]
    assert (found.total, found.cancelled) == (3, 0)


def test_what_differs_only_by_the_packages_names_is_one_kind() -> None:
    again = failed("beta~2", "no data in beta.zip", 50)._replace(package="beta", revision=2)
    odd = failed("数\n", r"no data in 数\n.zip", 30)
    (group,) = grouped([again, failed("alpha", "no data in alpha.zip", 40), odd], since=0).groups
    assert (group.reason, group.total, group.newest.name) == ("no data in NAME.zip", 3, "beta~2")


def test_a_reason_that_is_the_same_of_all_is_told_as_it_is() -> None:
    jobs = [failed("b", "sensor 7 is silent", 30), failed("a", "sensor 7 is silent", 20)]
    (group,) = grouped(jobs, since=0).groups
    assert (group.reason, group.total) == ("sensor 7 is silent", 2)


def test_what_failed_before_is_left_out_and_what_was_cancelled_is_counted_apart() -> None:
    jobs = [
        failed("c", "cancelled", 30, Outcome.CANCELLED),
        failed("b", "bad", 20, Outcome.REJECTED),
        failed("a", "worse", 9.9),
    ]
    found = grouped(jobs, since=10)
    assert [group.reason for group in found.groups] == ["bad"]
    assert (found.since, found.total, found.cancelled) == (10, 1, 1)


def test_nothing_failed_makes_no_groups() -> None:
    assert grouped([], since=0).groups == []
