"""The service manager that has started us, if any: what its environment says, and how it is told (sd_notify(3))."""

import math
import os
import re
from collections.abc import MutableMapping

#: What shows that there is one: systemd.exec(5), sd_notify(3).
_SIGNS = {"INVOCATION_ID", "NOTIFY_SOCKET"}
_found: set[str] = set()


def is_there() -> bool:
    """Say whether a service manager has started us."""
    return not _SIGNS.isdisjoint({*os.environ, *_found})


class ServiceManager:
    """Hears datagrams at an address, a path or "@" and a name; without one, nothing. It heeds one process only."""

    def __init__(self, address: str = "", watchdog: float = math.inf) -> None:
        """`watchdog`: seconds without a ping after which it takes this process for dead."""
        self.watchdog = watchdog
        self._address = os.fsencode(address)
        if address.startswith("@"):
            self._address = b"\0" + self._address[1:]

    @property
    def is_there(self) -> bool:
        """Whether anybody hears what is told."""
        return bool(self._address)

    def tell(self, *lines: str) -> bool:
        """Tell it some assignments, such as READY=1, and never wait for it. Say whether that can be left at that."""
        if not self.is_there:
            return True
        import socket  # noqa: PLC0415  (most have no manager, and commands start faster)

        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as way:
            try:
                way.sendto("\n".join(lines).encode("utf-8", "backslashreplace"), self._address)
            except OSError:  # it is being started again, or has not read for long
                return False
        return True


def take_manager(environment: MutableMapping[str, str]) -> ServiceManager:
    """Return the manager that an environment tells of, and remove all that tells how to speak to it.

    So no program that is started later can speak in our name.
    """
    address, watchdog, pid = (environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
    if not address.startswith(("/", "@")):
        return ServiceManager()
    _found.add("NOTIFY_SOCKET")
    is_ours = pid in {"", str(os.getpid())} and re.fullmatch(r"0*[1-9][0-9]{0,15}", watchdog)
    return ServiceManager(address, int(watchdog) / 1e6 if is_ours else math.inf)
