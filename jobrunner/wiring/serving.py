"""Builds what the service manager of a process that goes on is told."""

import os

from jobrunner.linux.service_manager import take_manager
from jobrunner.services.serving import Serving
from jobrunner.wiring.home import Home


def serving(home: Home) -> Serving:
    """Return what tells the service manager that has started this process, if any; nothing else finds it from now on.

    It is told, too, while this process waits for a lock of another program's on the database.
    """
    store = home.store

    def counts() -> str:
        now = store.now()
        numbers = [f"{count:,} {state}" for state, count in store.jobs.pending_counts(now).items() if count]
        is_paused = store.pauses.in_force(now.wall) is not None
        return ", ".join([*(["paused"] if is_paused else []), *numbers]) or "nothing to do"

    told, waiting = Serving(take_manager(os.environ), counts), store.database.waiting
    give_up = waiting.give_up

    def pulse_and_give_up() -> bool:
        told.pulse(waits=True)
        return give_up()

    waiting.give_up = pulse_and_give_up
    return told
