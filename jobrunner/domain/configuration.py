"""Every setting as its writer put it, where it comes from, and what is unwise about it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown
from jobrunner.domain.settings import SECTIONS
from jobrunner.domain.settings_file import Given, given, nearest
from jobrunner.domain.unwise import Warned

#: The origin of what is not set.
DEFAULT = "default"
_FILE = "jobrunner.toml"
_SECTION = re.compile(r"\s*\[\s*([\w-]+)\s*\]")


class Setting(NamedTuple):
    """A key of a section. `value` is as it stands in the file, None where nothing is set and there is no default.

    `origin`: "default", the file and the line if that is known, or an environment variable. `is_default`: it is what
    holds by default, wherever it comes from.
    """

    section: str
    name: str
    value: object
    origin: str
    is_default: bool
    warnings: Sequence[str]

    @property
    def key(self) -> str:
        """The name with its section."""
        return f"{self.section}.{self.name}"


class Configuration(NamedTuple):
    """All settings of a home; `file` is its jobrunner.toml, None where there is none."""

    home: str
    home_origin: str
    file: str | None
    settings: Sequence[Setting]


def narrowed(configuration: Configuration, names: Sequence[str]) -> Configuration:
    """Return only the settings that are named, as SECTION.KEY, or all of a SECTION. Raises ConfigurationError."""
    sections = dict.fromkeys(each.section for each in configuration.settings)
    keys = [each.key for each in configuration.settings]
    for name in names:
        section = name.partition(".")[0]
        if section not in sections:
            raise ConfigurationError(f"there is no setting {shown(name)}{nearest(name, sections)}")
        if name not in (section, *keys):
            others = [key for key in keys if key.startswith(f"{section}.")]
            raise ConfigurationError(f"there is no setting {shown(name)}{nearest(name, others)}")
    kept = [each for each in configuration.settings if each.key in names or each.section in names]
    return configuration._replace(settings=kept)


def listing(
    toml: Mapping[str, object], text: str, environment: Mapping[str, str], warnings: Iterable[Warned]
) -> list[Setting]:
    """Return every setting in the order of the file that `init` writes; `text` is what `toml` was read from."""
    written = {(each.section, each.spec.name): each for each in given(toml, environment)}
    lines = {place: number for number, place in _places(text)}
    warned = list(warnings)
    return [
        _setting(section, spec.name, spec.metadata["written"], written.get((section, spec.name)), lines, warned)
        for section, kind in SECTIONS.items()
        for spec in fields(kind)
    ]


def _setting(
    section: str,
    name: str,
    default: object,
    found: Given | None,
    lines: Mapping[tuple[str, str], int],
    warned: Sequence[Warned],
) -> Setting:
    why = [each.why for each in warned if each.key == f"{section}.{name}"]
    if found is None:
        return Setting(section, name, default, DEFAULT, is_default=True, warnings=why)
    parse = found.spec.metadata["parse"]
    parsed = parse(found.value)
    is_default = default is not None and parsed == parse(default)
    if found.variable:
        return Setting(section, name, _as_in_the_file(found.value, parsed), found.variable, is_default, why)
    line = lines.get((section, name))
    return Setting(section, name, found.value, f"{_FILE} line {line}" if line else _FILE, is_default, why)


def _as_in_the_file(text: object, parsed: Any) -> object:
    """Return what the user would write in the file for the text of an environment variable that means `parsed`."""
    if isinstance(parsed, int) and text in {str(parsed), str(parsed).lower()}:
        return parsed
    if not isinstance(parsed, tuple):
        return text
    is_a_table = not parsed or isinstance(parsed[0], tuple)  # a list from the environment is never empty
    return {name: content is not None and content for name, content in parsed} if is_a_table else list(parsed)


def _places(text: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the number of each line that sets a key, and which key of which section it is."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _SECTION.match(line):
            section = found[1]
        elif found := re.match(r"\s*([\w-]+)\s*=", line):
            yield number, (section, found[1])
