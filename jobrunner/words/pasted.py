"""What may be pasted: paths and names as words of a command line."""

import os
import shlex

from jobrunner.domain.package import shown


def place(path: str) -> str:
    """Return a path as it is shown: from the current folder on, where it lies in that."""
    return shown(_from_here(path))


def path_word(path: str) -> str:
    """Return a path as a word for a shell; what is not printable is written as bash, zsh and ksh read it."""
    path = _from_here(path)
    path = f"./{path}" if path.startswith("-") else path
    if shown(path) == path:
        return shlex.quote(path)
    return "$'" + shown(path).replace("'", r"\'") + "'"


def name_word(name: str) -> str:
    """Return a package's name as the last word of a command line of ours."""
    word = shlex.quote(shown(name))
    return f"-- {word}" if word.startswith("-") else word


def _from_here(path: str) -> str:
    return path.removeprefix(os.path.join(os.getcwd(), ""))
