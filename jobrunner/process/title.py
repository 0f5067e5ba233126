"""The titles of our processes: which one it is, and what it is at, for whoever looks with ps, top or htop."""

from typing import NamedTuple

from jobrunner.domain.package import printable
from jobrunner.linux import kernel
from jobrunner.linux import title as command_line

#: What a process is at that waits for a package.
IDLE = "idle"
_LONGEST_NAME = 15  # characters


class Title(NamedTuple):
    """A title such as "jobrunner: worker 2: scan-0017"; `process` is the second part."""

    process: str

    def take(self) -> None:
        """Show this title from now on; where only a short name is shown, as in top, its beginning."""
        kernel.set_name(f"jobrunner: {self.process}"[:_LONGEST_NAME])
        self.show()

    def show(self, what: str | None = None) -> None:
        """Show what the process is at, such as a package's name, which may be anything."""
        title = f"jobrunner: {self.process}: {what}" if what else f"jobrunner: {self.process}"
        command_line.show(printable(title))
