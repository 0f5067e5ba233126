"""Serves the pages of a home until a signal comes."""

import signal
from collections.abc import Callable
from pathlib import Path

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown
from jobrunner.domain.role import Role
from jobrunner.domain.settings import Settings
from jobrunner.web.application import Application
from jobrunner.web.reader import Reader
from jobrunner.web.rendering import environment
from jobrunner.web.server import Server, bound, bound_to_file, is_loopback
from jobrunner.web.site import Site
from jobrunner.web.users import Sessions, Users
from jobrunner.wiring.home import open_home
from jobrunner.wiring.watching import Looks


def serve(
    settings: Settings, place: str | Path, say: Callable[[str], object], told_of_bug: Callable[[BaseException], None]
) -> signal.Signals:
    """Serve the pages at an address or a Unix socket, and return the signal that came.

    `say` hears where; `told_of_bug` of unexpected errors. Raises ConfigurationError, JobrunnerError.
    """
    users_file = settings.web.users_file
    if users_file is None and isinstance(place, str) and not is_loopback(place):
        raise ConfigurationError(
            f"{place} is an address that others reach: set web.users_file, which says who they are, or listen on "
            "127.0.0.1"
        )
    users = Users(str(settings.home / users_file)) if users_file else None
    reader = Reader(lambda: open_home(settings, Emit(Role.COMMAND), to_read=True))
    site = Site(settings, reader, environment(), users, Sessions())
    listening = bound(place) if isinstance(place, str) else bound_to_file(place)
    looks = Looks()
    server = Server(Application(site, told_of_bug).starlette(), listening)
    server.start()
    if isinstance(place, str):
        host, port = place.rpartition(":")[0], listening.getsockname()[1]
        say(f"The dashboard of {shown(str(settings.home))}: http://{host}:{port}/")
    else:
        say(f"The dashboard of {shown(str(settings.home))} is served on {shown(str(place))}")
    try:
        return reader.answer_until_stopped(looks)
    finally:
        server.stop()
        if isinstance(place, Path):
            place.unlink(missing_ok=True)
