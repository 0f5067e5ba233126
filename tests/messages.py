"""What tests of messages share: the one plain line of an error, and what a folder holds."""

import os
import subprocess
from pathlib import Path


def met_a_bug(said: str) -> bool:
    """Say whether a command, or a process below it, has printed that it met a bug of ours."""
    return "Traceback" in said or "a bug in jobrunner" in said


def complaint(result: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """Return the one line that a refused command printed; fail where it printed or did anything else."""
    said = f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr, said
    assert result.returncode == code, said
    assert result.stdout == "", said
    lines = result.stderr.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("jobrunner: "), said
    assert lines[0].removeprefix("jobrunner:").strip(), said
    assert "Errno" not in lines[0], f"not plain: {said}"
    return lines[0]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return every path in a folder with its content (None for a folder): to see that nothing changed."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        relative = os.fspath(path.relative_to(folder))
        found[relative] = path.read_bytes() if path.is_file() else None
    return found
