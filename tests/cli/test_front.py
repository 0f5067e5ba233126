"""`jobrunner front`: queued packages are claimed next."""

import os
import time
from contextlib import closing

from jobrunner.domain.explanation import OfJob
from tests.messages import complaint
from tests.support import TestHome


def test_named_packages_are_next_in_their_order_and_others_are_refused_in_words(home: TestHome) -> None:
    home.handler('import os\nopen("order", "ab").write(os.environb[b"JOBRUNNER_PACKAGE"] + b"\\n")\n')
    names = ["done", "a", "b", "c", os.fsdecode(b"d\xff")]
    for name in names:
        home.package(name)
    with closing(home.open().store) as store, store.write():
        store.queue.enqueue(names, time.time())
    assert home.jobrunner("front", "done").stdout == "1 package is claimed next.\n"
    home.jobrunner("cancel", "a")
    result = home.jobrunner("front", r"d\xff", "gone", "c", "a", "c")
    assert (result.returncode, result.stdout) == (1, "2 packages are claimed next, in this order.\n")
    assert result.stderr.splitlines() == [
        "jobrunner: no package named gone is known: jobrunner explain gone looks for it",
        "jobrunner: a is cancelled: only what is queued or waiting can be put in front",
    ]
    assert [ahead(home, name) for name in (names[-1], "c", "done", "b")] == [0, 1, 2, 3]
    home.jobrunner("work", "--drain")
    assert (home.path / "order").read_text("utf-8", "surrogateescape").splitlines() == [names[-1], "c", "done", "b"]
    assert "b is done: only what is queued" in complaint(home.jobrunner("front", "b"), code=1)


def ahead(home: TestHome, name: str) -> int | None:
    found = home.explain(name)
    assert isinstance(found, OfJob)
    return found.ahead
