"""Open pages stay true: each is made again when something has changed, once for all who look at it."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from jobrunner.domain.errors import JobrunnerError
from jobrunner.web.site import Key, Page

#: Seconds between two looks at whether something has been committed, and between two of what moves without. Pages that
#: cost much, or that many look at, are made more seldom, so that this process takes this part of a processor, whatever
#: it waits for; but not more seldom than that, whatever else it does.
_LOOK, _MOST_SELDOM = 0.25, 5.0
_MOVES = 1.0
_PART = 1 / 50
#: Seconds between two signs of life, by which a lost connection is noticed.
_BEAT = 15.0
_MOST_OPEN = 500
#: After so many milliseconds a browser that has lost its connection tries again.
_RETRY = "retry: 1000\n"


class TooManyError(JobrunnerError):
    """So many pages are open that no other one is kept true."""


@dataclass(eq=False)
class _Watch:
    """A page that is being looked at, of which version of the home it is, and its listeners.

    `trouble`: why it cannot be made again, as they were told; empty where it can.
    """

    page: Page
    made_at: float
    version: object = None
    trouble: str = ""
    listeners: set["asyncio.Queue[str]"] = field(default_factory=set)


class Live:
    """Tells open pages which of their parts have changed. Where none is open, nothing is looked at."""

    def __init__(self, make: Callable[[Key], Awaitable[Page]], version: Callable[[], Awaitable[object]]) -> None:
        """`make` returns a page as it is now, `version` another value once something was committed."""
        self._make = make
        self._version = version
        self._watched: dict[Key, _Watch] = {}
        self._looking: asyncio.Task[None] | None = None

    def hold_to_limit(self) -> None:
        """Raise TooManyError where no other page can be kept true."""
        if sum(len(watch.listeners) for watch in self._watched.values()) >= _MOST_OPEN:
            raise TooManyError(f"{_MOST_OPEN} pages are open already: this one is not kept up to date")

    async def listen(self, key: Key, page: Page) -> AsyncGenerator[str, None]:
        """Yield what is to be sent to the browser that shows a page; the end: it was told too slowly."""
        watch = self._watched.setdefault(key, _Watch(page, time.monotonic()))
        queue: asyncio.Queue[str] = asyncio.Queue(8)
        watch.listeners.add(queue)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            event = _RETRY + _event(watch.page.parts)
            while event:
                yield event
                try:
                    event = await asyncio.wait_for(queue.get(), _BEAT)
                except TimeoutError:
                    event = ": all is well\n\n"
        finally:
            watch.listeners.discard(queue)
            if not watch.listeners:
                self._watched.pop(key, None)

    async def _look(self) -> None:
        spent = time.process_time()
        while self._watched:
            trouble, version = "", None
            try:
                version = await self._version()
            except (JobrunnerError, OSError) as error:
                trouble = str(error)
            for key, watch in list(self._watched.items()):
                moves = watch.page.is_moving and time.monotonic() - watch.made_at >= _MOVES
                if trouble:
                    _put_trouble(watch, trouble)
                elif version != watch.version or moves:
                    await self._tell(key, watch, version)
            before, spent = spent, time.process_time()  # with what was sent since the last look
            await asyncio.sleep(min(max(_LOOK, (spent - before) / _PART), _MOST_SELDOM))

    async def _tell(self, key: Key, watch: _Watch, version: object) -> None:
        try:
            page = await self._make(key)
        except (JobrunnerError, OSError) as error:
            _put_trouble(watch, str(error))
            return
        changed = {name: part for name, part in page.parts.items() if watch.page.parts.get(name) != part}
        watch.page, watch.made_at, watch.version = page, time.monotonic(), version
        if changed or watch.trouble:
            _put(watch, _event(changed))
        watch.trouble = ""


def _event(parts: object) -> str:
    return f"event: parts\ndata: {json.dumps(parts)}\n\n"


def _put_trouble(watch: _Watch, words: str) -> None:
    if words != watch.trouble:
        _put(watch, f"event: trouble\ndata: {json.dumps(words)}\n\n")
    watch.version, watch.trouble = None, words


def _put(watch: _Watch, event: str) -> None:
    for queue in watch.listeners:
        if queue.full():  # its reader sleeps: it gets all of the page when it is connected again
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait("")
        else:
            queue.put_nowait(event)
