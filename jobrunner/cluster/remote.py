"""A worker's end of the way to the nodes."""

from collections.abc import Callable
from contextlib import suppress

from jobrunner.cluster.door import Door
from jobrunner.cluster.request import Lost, Setup
from jobrunner.domain.outcome import HandlerResult
from jobrunner.linux.waiting import ready
from jobrunner.process.channel import Channel, Garbage, result_of
from jobrunner.process.handler import Call

#: Seconds for which an answer is waited for at most, while the dispatcher starts and looks at the nodes.
_PATIENCE = 20.0
_NO_ANSWER = "the process that speaks to the cluster does not answer"
_GONE = "the process that speaks to the cluster has ended"

#: Sleeps for so many seconds at most, until a descriptor can be read or there is a reason not to wait any more.
Sleep = Callable[[float, int], object]


class Remote:
    """Whatever happens to the dispatcher, the next question goes to its successor."""

    def __init__(self, door: Door, setup: Setup, sleep: Sleep) -> None:
        """`setup`: how the handler is run, by this worker's settings."""
        self._door = door
        self._setup = setup.as_message()
        self._sleep = sleep
        self._channel: Channel | None = None

    def trouble(self) -> str | None:
        """Return why no handler can be run now, in words; None where one can."""
        try:
            channel = self._knocked()
            channel.send({"setup": self._setup})
            self._sleep(_PATIENCE, channel.fileno())
            if not ready((channel.fileno(),), 0):
                self.close()
                return _NO_ANSWER
            answer = channel.receive()
        except (EOFError, OSError, Garbage):
            self.close()
            return _GONE
        return answer if answer is None or isinstance(answer, str) else _NO_ANSWER

    def run(self, call: Call) -> HandlerResult | Lost:
        """Have the handler run on some node, as soon as there is one with a free slot, and return how it ended."""
        try:
            channel = self._knocked()
            channel.send({"setup": self._setup, "call": call.as_message()})
            match channel.receive():
                case {"lost": str(why)}:
                    return Lost(why)
                case answer:
                    return result_of(answer)
        except (EOFError, OSError, Garbage):
            self.close()
            return Lost(_GONE)

    def close(self) -> None:
        """End the connection, and with it what runs for us."""
        if self._channel:
            with suppress(OSError):
                self._channel.close()
        self._channel = None

    def _knocked(self) -> Channel:
        """Return the connection; a new one where the dispatcher has ended since the last answer. Raises OSError."""
        if self._channel and ready((self._channel.fileno(),), 0):
            self.close()
        self._channel = self._channel or self._door.knock()
        return self._channel
