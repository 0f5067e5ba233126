import errno
import os

import pytest

from jobrunner.domain.errors import in_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "in\nbox"), r"Permission denied: in\nbox"),
        (OSError(errno.EACCES, "Permission denied", b"\xff"), r"Permission denied: \xff"),
        (OSError("no number"), "no number"),
        (MemoryError(), "the machine has no memory left"),
    ],
)
def test_what_the_system_refuses_is_said_in_a_line_without_a_number(error: OSError | MemoryError, words: str) -> None:
    assert in_words(error) == words
