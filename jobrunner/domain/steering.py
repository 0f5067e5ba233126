"""Which packages can be steered how: the same for a command and for a button."""

from typing import NamedTuple

from jobrunner.domain.change import Action
from jobrunner.domain.filters import EVERY_STANDING, Filters, Standing


class Steering(NamedTuple):
    """What can be steered, and that in words; `by_default` is what is meant where no state is asked for."""

    takes: frozenset[Standing]
    by_default: frozenset[Standing]
    rule: str

    def narrowed(self, filters: Filters) -> Filters:
        """Return the filters for what can be steered of what fits; for no state, where that is nothing."""
        wanted = self.by_default if filters.standings == EVERY_STANDING else filters.standings & self.takes
        return filters._replace(standings=wanted)


_FAILED = frozenset({Standing.FAILED})
_DONE = frozenset({Standing.DONE})
_QUEUED = frozenset({Standing.QUEUED, Standing.WAITING})
_OPEN = _QUEUED | {Standing.RUNNING}

STEERING = {
    Action.RETRY: Steering(_FAILED | {Standing.CANCELLED}, _FAILED, "only what has failed can be retried"),
    Action.RERUN: Steering(_DONE, _DONE, "only what is done can be run again"),
    Action.FRONT: Steering(_QUEUED, _QUEUED, "only what is queued or waiting can be put in front"),
    Action.CANCEL: Steering(_OPEN, _OPEN, "only what is queued, waiting or running can be cancelled"),
}
