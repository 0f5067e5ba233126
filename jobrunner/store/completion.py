"""Which names somebody may mean who has typed the beginning of one."""

import os
from collections.abc import Collection

from jobrunner.domain.job import State
from jobrunner.domain.package import MAX_NAME_BYTES
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


def names_from(
    database: Database, beginning: str, states: Collection[State], most: int, *, look: int = 5_000
) -> list[str]:
    """Return names of jobs in these states that begin so, in their order: the first ones and, of too many, the last.

    So what all of these names have in common, all that begin so have. Where very many begin so, and very many are in
    one of the states, one that is neither near to an end nor new may be left out: so many rows are looked at in each
    place (`look`). Raises StoreError.
    """
    first = os.fsencode(beginning)
    parameters = {
        "first": first,
        "beyond": first + b"\xff" * MAX_NAME_BYTES,
        "states": " ".join(states),
        "look": look if set(states) != set(State) else most,
    }
    found = [os.fsdecode(name) for name in database.column(statements("completion")["names"], parameters)]
    return found if len(found) <= most else [*found[: most - 1], found[-1]]
