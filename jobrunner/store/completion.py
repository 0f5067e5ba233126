"""Which names a user who has typed the beginning of one may mean."""

import os
from collections.abc import Collection, Sequence

from jobrunner.domain.job import State
from jobrunner.domain.package import MAX_NAME_BYTES
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


def names_from(
    database: Database, beginning: str, states: Collection[State], most: int, *, look: int = 5_000
) -> Sequence[str]:
    """Return names of jobs in these states that begin so, a `few` of them, in their order.

    In each place at most `look` rows are read: where very many begin so, and very many are in these states, one that is
    neither near to an end of the order nor new may be left out. Raises StoreError.
    """
    first = os.fsencode(beginning)
    parameters = {
        "first": first,
        "beyond": first + b"\xff" * MAX_NAME_BYTES,
        "states": " ".join(states),
        "look": look if set(states) != set(State) else most,
    }
    found = [os.fsdecode(name) for name in database.column(statements("completion")["names"], parameters)]
    return few(found, most)


def few(names: Sequence[str], most: int) -> Sequence[str]:
    """Return up to so many of names in their order: the first ones and, of too many, the last.

    So what these have in common, all of them have.
    """
    return names if len(names) <= most else [*names[: most - 1], names[-1]]
