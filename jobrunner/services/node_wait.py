"""The wait until nothing runs any more on a node that was lost: by the fence, or for a time."""

import time

from jobrunner.files import fence


class NodeWait:
    """A wait until nothing runs any more of an attempt whose node was lost: it says so, or its time is over."""

    def __init__(self, folder: str, attempt: int, node_timeout: float) -> None:
        """Forbid the attempt's start, should it not have been started yet. Raises OSError."""
        self._folder = folder
        self._attempt = attempt
        #: On which node it has been started, None where it was not.
        self.node = fence.forbid(folder, attempt)
        self._until = time.monotonic() + node_timeout

    def is_over(self) -> bool:
        """Say whether nothing runs any more."""
        is_past = self.node is None or time.monotonic() >= self._until
        return is_past or fence.has_ended(self._folder, self._attempt)

    def in_words(self, name: str) -> str:
        """Say what waits for what."""
        left = max(self._until - time.monotonic(), 0)
        return (
            f"the node {self.node} cannot be reached, on which the handler of {name} was started: {name} waits until "
            f"that has ended for certain, at most {left:.0f} s (cluster.node_timeout)"
        )
