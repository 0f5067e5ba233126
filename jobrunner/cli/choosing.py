"""Which packages a command steers: those that are named, or all that fit filters."""

from collections.abc import Iterator, Sequence

from jobrunner.cli.listing import print_listing, screenful
from jobrunner.cli.output import complain, say, styled
from jobrunner.domain.errors import ConfigurationError, JobrunnerError
from jobrunner.domain.filters import EVERY_STANDING, Filters, ListedJob
from jobrunner.domain.package import shown
from jobrunner.domain.steering import Steering
from jobrunner.wiring.home import Home
from jobrunner.words.phrases import packages


class Chosen:
    """The packages that a command steers, one after the other, however many. It says of each that it cannot take."""

    def __init__(
        self,
        home: Home,
        steering: Steering,
        names: Sequence[str],
        filters: Filters,
        revision: int | None = None,
    ) -> None:
        """Without `names` they are those that fit. Raises ConfigurationError where they are in a wrong state.

        `revision`: which one of those that are named.
        """
        self.taken = self.refused = 0
        self._report = home.report
        self._steering = steering
        self._ids = self._named(names, revision) if names else self._report.select(_narrowed(filters, steering))

    def __iter__(self) -> Iterator[ListedJob]:
        for listed in self._report.listed(self._ids):
            if listed.standing in self._steering.takes:
                self.taken += 1
                yield listed
            else:
                self.refuse(f"{shown(listed.job.name)} is {listed.standing}: {self._steering.rule}")

    def refuse(self, why: str) -> None:
        """Say why a package is left as it is."""
        self.refused += 1
        complain(why)

    def show(self, what_would_be: str) -> None:
        """Print the packages instead of steering them."""
        jobs = iter(self)
        shown_here = print_listing(jobs, most_lines=screenful())
        for _ in jobs:
            pass
        if more := self.taken - shown_here:
            say(styled(f"… and {more:,} more", dim=True))
        say(f"{packages(self.taken)} {what_would_be}.")

    def _named(self, names: Sequence[str], revision: int | None) -> Sequence[int]:
        found: dict[int, None] = {}
        for name in names:
            try:
                found[self._report.find(name, revision).id] = None
            except JobrunnerError as error:
                self.refuse(str(error))
        return list(found)


def _narrowed(filters: Filters, steering: Steering) -> Filters:
    """Return the filters for the states that a command takes."""
    wrong = sorted(filters.standings - steering.takes)
    if wrong and filters.standings != EVERY_STANDING:
        raise ConfigurationError(f"--state {wrong[0]}: {steering.rule}")
    return steering.narrowed(filters)


def check_one_way(what: str, names: Sequence[str] | None, filters: Filters, *, everything: bool = False) -> None:
    """Raise ConfigurationError unless packages are named, or filters choose them, or all are asked for."""
    ways = (bool(names), filters != Filters(), everything)
    leaves_out = filters._replace(sort=Filters().sort, is_reversed=False, limit=None) != Filters()
    if sum(ways) != 1 or (ways[1] and not leaves_out):
        raise ConfigurationError(what)
