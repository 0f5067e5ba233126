"""What a handler is and finds, as people write it in settings: its program, its function, its environment.

As in `values`, each parser returns the value or raises ValueError with what it wants.
"""

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

#: A word that only a shell understands.
_OF_A_SHELL = re.compile(r"\|\|?|&&?|;|[0-9&]?>>?\S*|<<?\S*")
_PLACEHOLDERS = ("{data}", "{package}", "{home}", "{attempt}")
_A_SHELL = 'write ["sh", "-c", "…"]'
_A_COMMAND = 'a list of words such as ["python3", "analyze.py"]'


def command(value: object) -> tuple[str, ...]:
    """Return the words of a command: a list of them, in JSON, too, or one text that is split as a shell does."""
    if isinstance(value, str):
        value = _json_list(value) if value.lstrip().startswith("[") else _words(value)
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
        raise ValueError(_A_COMMAND)
    return tuple(value)


def _json_list(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise ValueError(f"{_A_COMMAND}, or one text") from None


def _words(text: str) -> list[str]:
    try:
        words, quoted_words = shlex.split(text), shlex.split(text, posix=False)
    except ValueError:
        raise ValueError("a command whose quotes are closed") from None
    if of_a_shell := next(filter(_OF_A_SHELL.fullmatch, quoted_words), None):
        raise ValueError(f'one program with its arguments: "{of_a_shell}" is for a shell, so {_A_SHELL}')
    return words


def unwise(command: tuple[str, ...]) -> Iterator[str]:
    """Yield what is odd about the words of `process.command`, though it can be meant."""
    if "{package}" in command:
        yield (
            "has the word {package}: a package named --help would be an option to your program; "
            "write --name={package}, or use $JOBRUNNER_PACKAGE"
        )
    for word in command:
        if _OF_A_SHELL.fullmatch(word):
            yield f'has the word "{word}", which the program gets as it is: for a shell {_A_SHELL}'
        for placeholder in re.findall(r"(?<!\$)\{[a-z_]+\}", word):
            if placeholder not in _PLACEHOLDERS:
                yield (
                    f"has {placeholder}, which the program gets as it is: only {', '.join(_PLACEHOLDERS)} are replaced"
                )


def function(value: object) -> str:
    """Return a callable's name as "module:function"."""
    if isinstance(value, str) and (file := re.fullmatch(r"(?:.*/)?(.+)\.py:(.*)", value)):
        raise ValueError(f'the name of the module, which has no .py: "{file[1]}:{file[2] or "function"}"')
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", value if isinstance(value, str) else ""):
        raise ValueError('a module and a function in it, such as "analysis:process"')
    return str(value)


def environment(value: object) -> tuple[tuple[str, str | None], ...]:
    """Return variables with their texts, None for one that is taken away, from a table or a JSON object."""
    try:
        table: Any = json.loads(value) if isinstance(value, str) else value
        return tuple((_variable(name), _content(name, content)) for name, content in table.items())
    except (json.JSONDecodeError, AttributeError):
        raise ValueError('a table such as { OMP_NUM_THREADS = "1" }, and a JSON object in a variable') from None


def _variable(name: str) -> str:
    if not name or re.search("[=\0]", name):
        raise ValueError(f"a table of names to texts: {name!r} is no name of a variable")
    if name.startswith("JOBRUNNER_"):
        raise ValueError(f"without {name}: the names that begin with JOBRUNNER_ are jobrunner's own")
    return name


def _content(name: str, content: object) -> str | None:
    if content is False:
        return None
    if not isinstance(content, str) or "\0" in content:
        raise ValueError(f"a table of names to texts in quotes, or false: {name} is neither")
    return content
