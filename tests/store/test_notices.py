"""Notices that are on their way, and failures that no notice tells of."""

import pytest

from jobrunner.domain.job import Identity
from jobrunner.domain.moment import Moment
from jobrunner.domain.notice import Kind
from jobrunner.store.notices import PendingNotice, is_due
from tests.store.one_worker import NOW, OneWorkerStore

MOMENT = Moment(NOW, NOW)


def add(store: OneWorkerStore, *texts: str, channel: str = "command") -> None:
    with store.write():
        for text in texts:
            store.notices.add(Kind.FAILED, channel, f'{{"text": "{text}"}}', NOW)


def claim(store: OneWorkerStore, channel: str = "command") -> PendingNotice:
    first = store.notices.first(channel)
    assert first
    with store.write():
        claimed = store.notices.claim(first, MOMENT, 120)
    assert claimed
    return claimed


def test_one_notice_after_the_other_is_claimed_and_forgotten(store: OneWorkerStore) -> None:
    add(store, "a", "b")
    add(store, "a", channel="webhook")
    for text in ("a", "b"):
        claimed = claim(store)
        assert (text in claimed.document, claimed.tries) == (True, 1)
        with store.write():
            store.notices.delivered(claimed)
    assert store.notices.first("command") is None
    assert store.notices.first("webhook")


def test_of_two_notifiers_one_gets_it_and_the_other_cannot_change_it(store: OneWorkerStore) -> None:
    add(store, "a")
    seen = store.notices.first("command")
    assert seen
    ours = claim(store)
    with store.write():
        assert store.notices.claim(seen, MOMENT, 120) is None
        store.notices.delivered(seen)
        store.notices.give_up(seen, NOW, "lost")
    first = store.notices.first("command")
    assert first == ours._replace(due_at=NOW + 120)


@pytest.mark.parametrize(("seconds", "due"), [(119, False), (120, True), (-10_000, True)])
def test_one_that_nobody_has_reported_on_is_due_again(store: OneWorkerStore, seconds: float, due: bool) -> None:
    add(store, "a")
    claim(store)
    first = store.notices.first("command")
    assert first
    assert is_due(first, Moment(NOW, NOW + seconds)) is due


def test_what_waits_and_what_was_given_up_is_told(store: OneWorkerStore) -> None:
    add(store, "a", "b", "c")
    add(store, "a", channel="webhook")
    claimed = claim(store)
    with store.write():
        store.notices.give_up(claimed, NOW + 9, "HTTP 500")
    claimed = claim(store)
    with store.write():
        store.notices.put_off(claimed, MOMENT, 10, "HTTP 502")
        store.notices.put_off(claimed, MOMENT, 0, None)
    undelivered = store.notices.undelivered()
    assert [tuple(each) for each in undelivered.waiting] == [
        ("command", 2, NOW, "HTTP 502"),
        ("webhook", 1, NOW, None),
    ]
    assert (undelivered.given_up_count, list(map(tuple, undelivered.given_up))) == (
        1,
        [("command", "failed", "a", NOW + 9, "HTTP 500")],
    )


def test_failures_are_taken_together_or_not_at_all(store: OneWorkerStore) -> None:
    assert store.notices.last_unnoticed() is None
    with store.write():
        for number in range(2500):
            store.notices.note_failure(f"p\udcff{number}", "no room", NOW)
    last = store.notices.last_unnoticed()
    assert last
    with store.write():
        store.notices.note_failure("late", "no room", NOW)
    read = list(store.notices.unnoticed(last))
    assert (len(read), read[0].name, read[-1].name) == (2500, "p\udcff0", "p\udcff2499")
    with store.write():
        assert not store.notices.take_failures(last, 2499)
        assert store.notices.take_failures(last, 2500)
        assert not store.notices.take_failures(last, 2500)
        store.notices.note_failure("later", "no room", NOW)
    newest = store.notices.last_unnoticed()
    assert newest
    assert [failure.name for failure in store.notices.unnoticed(newest)] == ["late", "later"]
    assert newest > last


def test_a_failure_has_its_packages_name_as_long_as_its_job_is_known(store: OneWorkerStore) -> None:
    with store.write():
        store.revisions.enqueue(Identity("p~2~2", "p~2"), NOW)
        for name in ("p~2~2", "pruned~2"):
            store.notices.note_failure(name, "no room", NOW)
    last = store.notices.last_unnoticed()
    assert last
    found = [(failure.name, failure.package) for failure in store.notices.unnoticed(last)]
    assert found == [("p~2~2", "p~2"), ("pruned~2", "pruned~2")]


def test_a_backlog_is_told_once_until_it_is_over(store: OneWorkerStore) -> None:
    with store.write():
        assert store.notices.begin_backlog(NOW)
        assert not store.notices.begin_backlog(NOW)
        assert store.notices.is_in_backlog()
        store.notices.end_backlog()
        assert not store.notices.is_in_backlog()
        assert store.notices.begin_backlog(NOW)


def test_what_is_old_is_forgotten(store: OneWorkerStore) -> None:
    add(store, "a", "b")
    claimed = claim(store)
    with store.write():
        store.notices.give_up(claimed, NOW, "HTTP 500")
        store.notices.note_failure("p", "no room", NOW)
    assert not store.notices.is_any_old(given_up_before=NOW, before=NOW)
    assert store.notices.is_any_old(given_up_before=NOW + 1)
    with store.write():
        store.notices.forget(given_up_before=NOW + 1)
    assert store.notices.undelivered().given_up_count == 0
    assert store.notices.first("command")
    assert store.notices.last_unnoticed()
    with store.write():
        store.notices.forget(before=NOW + 1)
    assert store.notices.first("command") is None
    assert store.notices.last_unnoticed() is None
