"""The options that choose packages: the same for `list` as for what steers many packages at once."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from jobrunner.domain import filters
from jobrunner.domain.filters import Filters, Sort, Standing

States = Annotated[
    list[Standing] | None,
    typer.Option("--state", metavar="STATE", help=f"{', '.join(Standing)}; several by repeating it."),
]
Name = Annotated[str | None, typer.Option(metavar="GLOB", help="Names like this, such as 'scan-00*'.")]
Error = Annotated[str | None, typer.Option(metavar="GLOB", help="Errors like this, such as '*sensor 7*'.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="In their state since 7d ago, 2026-11-01, yesterday, 06:00, or later."),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="In their state since before then.")]
Attempts = Annotated[int | None, typer.Option(min=1, metavar="N", help="At least so many attempts were made.")]
Order = Annotated[
    str, typer.Option("--sort", metavar="KEY", help=f"{', '.join(Sort)}; a - before it turns the order round.")
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many, the first in this order.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show which packages these are.")]

Revision = Annotated[
    int | None, typer.Option(min=2, metavar="N", help="Of NAME the revision N, which is archived as NAME~N.")
]


def filters_of(
    states: Sequence[Standing] | None,
    name: str | None,
    error: str | None,
    since: str | None,
    until: str | None,
    attempts: int | None,
    order: str,
    limit: int | None,
) -> Filters:
    """Return what these options mean. Raises ConfigurationError."""
    start, end = filters.span(since, until, time.time())
    sort, is_reversed = filters.order(order)
    return Filters(
        standings=filters.standings(states) if states else filters.EVERY_STANDING,
        name=name,
        error=error,
        since=start,
        until=end,
        attempts=attempts or 0,
        sort=sort,
        is_reversed=is_reversed,
        limit=limit,
    )
