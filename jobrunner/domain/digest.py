"""Many failures in one notice: reasons folded, each with its number, some names, and what to do."""

import shlex
from dataclasses import dataclass, field

from jobrunner.domain.last_words import as_pattern, folded
from jobrunner.domain.notice import Kind, Notice, brief, command, utc
from jobrunner.domain.package import shown

#: So many reasons a notice tells of, with so many names of each, and so many are told apart.
_MOST_REASONS = 20
_MOST_NAMES = 5
_MOST_APART = 1000


@dataclass
class _Reason:
    error: str
    pattern: str
    first_at: float
    last_at: float
    count: int = 0
    names: list[str] = field(default_factory=list)


class Digest:
    """Failures of packages, added one by one in their order; it takes no more memory for more of one reason."""

    def __init__(self) -> None:
        self.count = 0
        self._reasons: dict[str, _Reason] = {}
        self._first_at = self._last_at = 0.0

    def add(self, name: str, error: str, at: float, *, package: str) -> None:
        """Add a job that failed for this reason at a time (seconds since 1970), and what its package is called."""
        names = shown(name), shown(package)
        kind = folded(error, *names)
        if kind not in self._reasons and len(self._reasons) >= _MOST_APART:
            kind = "other reasons"
        reason = self._reasons.setdefault(kind, _Reason(error, as_pattern(error, *names), at, at))
        if reason.error != error:  # what differs is N, PATH or NAME
            reason.error = kind
        reason.count += 1
        reason.last_at = at
        if len(reason.names) < _MOST_NAMES:
            reason.names.append(names[0])
        self._first_at = at if self.count == 0 else self._first_at
        self._last_at = at
        self.count += 1

    def notice(self, home: str) -> Notice:
        """Return the notice of these failures, of which there is one at least."""
        reasons = sorted(self._reasons.values(), key=lambda reason: -reason.count)
        details = {
            "count": self.count,
            "first_at": utc(self._first_at),
            "last_at": utc(self._last_at),
            "reasons": [
                {
                    "reason": brief(reason.error),
                    "count": reason.count,
                    "names": reason.names,
                    "first_at": utc(reason.first_at),
                    "last_at": utc(reason.last_at),
                    "list": f"{command(home)} list --state failed --error {shlex.quote(reason.pattern)}",
                    "retry": f"{command(home)} retry --error {shlex.quote(reason.pattern)}",
                }
                for reason in reasons[:_MOST_REASONS]
            ],
            "more_reasons": max(len(reasons) - _MOST_REASONS, 0),
        }
        return Notice(Kind.FAILED, self._last_at, self._text(reasons, shown(home)), details)

    def _text(self, reasons: list[_Reason], home: str) -> str:
        first = reasons[0]
        who = first.names[0] if self.count == 1 else f"{self.count:,} packages"
        if len(reasons) == 1:
            return f"{who} failed in {home}: {brief(first.error)}"
        return f"{who} failed in {home} for {len(reasons):,} reasons, {first.count:,} of them: {brief(first.error)}"
