"""Open pages by themselves: one that cannot be made disturbs no other, and is told once."""

import asyncio
import json
import threading
from typing import Any

from jobrunner.domain.errors import StoreError
from jobrunner.web.live import Live
from jobrunner.web.site import Key, Page

ONE, OTHER = Key("/one", "", False), Key("/other", "", False)


class Home:
    """What pages are made of here: `parts` by their addresses; one that is an error is raised."""

    def __init__(self) -> None:
        self.version = 0
        self.parts: dict[str, str | Exception] = {"/one": "a", "/other": "a"}

    def change(self, **parts: str | Exception) -> None:
        self.parts |= {f"/{name}": part for name, part in parts.items()}
        self.version += 1

    async def make(self, key: Key) -> Page:
        part = self.parts[key.path]
        if isinstance(part, Exception):
            raise part
        return Page(key.path, {"part": part})

    async def ask_version(self) -> object:
        return self.version


def told(event: str) -> tuple[str, Any]:
    lines = dict(line.split(": ", 1) for line in event.strip().splitlines())
    return lines["event"], json.loads(lines["data"])


def test_a_page_that_cannot_be_made_is_told_once_and_disturbs_no_other() -> None:
    async def followed() -> None:
        home = Home()
        live = Live(home.make, home.ask_version)
        one, other = live.listen(ONE, await home.make(ONE)), live.listen(OTHER, await home.make(OTHER))
        assert [told(await anext(each)) for each in (one, other)] == [("parts", {"part": "a"})] * 2
        for error in (StoreError("it is locked"), OSError(5, "a disk hangs")):
            home.change(one=error, other="b")
            assert told(await anext(one))[0] == "trouble"
            assert told(await anext(other)) == ("parts", {"part": "b"})
            home.change(other="c")
            assert told(await anext(other)) == ("parts", {"part": "c"})
            home.change(one="a")  # as it was: that it can be shown again is told all the same
            assert told(await anext(one)) == ("parts", {})
        await one.aclose()
        await other.aclose()

    asyncio.run(followed())


def test_a_busy_machine_makes_a_page_late_and_no_later() -> None:
    """What is made is made again more seldom the more of a processor it takes: to wait for one takes nothing."""

    async def followed() -> None:
        home = Home()
        waited = threading.Event()

        async def make_late(key: Key) -> Page:
            await asyncio.to_thread(waited.wait, 0.8)
            return await home.make(key)

        live = Live(make_late, home.ask_version)
        one = live.listen(ONE, await home.make(ONE))
        await anext(one)
        for part in ("b", "c"):
            home.change(one=part)
            assert told(await asyncio.wait_for(anext(one), 40)) == ("parts", {"part": part})
        await one.aclose()

    asyncio.run(followed())
