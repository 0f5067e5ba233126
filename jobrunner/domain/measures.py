"""What monitoring is told of a home, as values."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jobrunner.domain.cluster import Node
from jobrunner.domain.job import Outcome
from jobrunner.domain.notice import Undelivered
from jobrunner.domain.status import Runner


class Ended(NamedTuple):
    """How many attempts ended in one way, and how many jobs ended by them."""

    attempts: int = 0
    jobs: int = 0


class Histogram(NamedTuple):
    """How long something took: `counts` has, by upper bounds in seconds, how many took longer than the bound before.

    The last bound is infinite. `seconds`: all of them together.
    """

    counts: Mapping[float, int]
    seconds: float


class Measures(NamedTuple):
    """How a home stands, and what has happened in it since its database was made.

    `counts`: jobs by state. `oldest_seconds`: how long the oldest of the queue has been in it, 0 where it is empty.
    `ended`: by every outcome. `durations`: by step, and of "whole" jobs. `used`: bytes by part of the home, without
    those that hold too much to be looked through. `free`: bytes on the disk of each folder that can be looked at.
    `nodes`: of the cluster that runs the handlers, each with how many run on it.
    """

    counts: Mapping[str, int]
    is_paused: bool
    oldest_seconds: float
    ended: Mapping[Outcome, Ended]
    durations: Mapping[str, Histogram]
    runners: Sequence[Runner]
    has_trouble: bool
    notices: Undelivered
    used: Mapping[str, int]
    free: Mapping[str, int]
    nodes: Mapping[Node, int]
