"""Files by which a node proves that it sees the work folder, and that the server sees what it writes there."""

import os
from contextlib import suppress
from pathlib import Path

from jobrunner.domain.home_rights import PRIVATE_FOLDER_MODE
from jobrunner.files import fence


class Probe:
    """One dispatcher's files. Each name is new: what a node has once looked for in vain it may not see for a while."""

    def __init__(self, work: Path) -> None:
        self._folder = work / fence.PROBES

    def leave(self) -> tuple[str, str]:
        """Return the path of a new file, and its content. Raises OSError."""
        self._folder.mkdir(PRIVATE_FOLDER_MODE, exist_ok=True)
        path, content = self._folder / os.urandom(8).hex(), os.urandom(16).hex()
        path.write_text(content, "ascii")
        return str(path), content

    def was_answered(self, path: str) -> bool:
        """Say whether a node has left a file beside this one, and remove both. Raises OSError."""
        name, answers = os.path.basename(path), 0
        for found in os.listdir(self._folder):
            if found.startswith(f"{name}-"):
                answers += 1
            if found.startswith(name):
                with suppress(FileNotFoundError):
                    os.unlink(self._folder / found)
        return answers > 0
