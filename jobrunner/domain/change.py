"""What an operator has changed, as a value."""

from enum import StrEnum
from typing import NamedTuple

#: The variable by which the dashboard tells a command for whom it runs.
BY = "JOBRUNNER_BY"


class Action(StrEnum):
    """What people change packages and homes by, as the commands are called."""

    RETRY = "retry"
    RERUN = "rerun"
    ACCEPT = "accept"
    FRONT = "front"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"


class Change(NamedTuple):
    """Who did what, `at` seconds since 1970."""

    at: float
    who: str
    action: Action
