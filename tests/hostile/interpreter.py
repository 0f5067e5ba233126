"""A Python that every user may run: that of the tests may lie where nobody else can come, such as below /root."""

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import jobrunner.sql
from packaging.requirements import Requirement

import jobrunner

_NOT_NEEDED = shutil.ignore_patterns(
    "test", "tests", "site-packages", "dist-packages", "config-*", "idlelib", "tkinter"
)


def lay_out(folder: Path) -> list[str]:
    """Copy the interpreter, its library and jobrunner with what it needs; return the words that start Python there."""
    library = Path(os.__file__).parent
    python = folder / "bin" / Path(sys.executable).resolve().name
    python.parent.mkdir()
    shutil.copy2(Path(sys.executable).resolve(), python)
    shutil.copytree(library, folder / library.parent.name / library.name, symlinks=True, ignore=_NOT_NEEDED)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        name = sysconfig.get_config_var("INSTSONAME")
        shutil.copy2(Path(sysconfig.get_config_var("LIBDIR"), name), folder / "lib" / name)
    packages = folder / "packages"
    packages.mkdir()
    for top in {top for needed in _needed("jobrunner", set()) for top in _tops(needed)}:
        (shutil.copytree if top.is_dir() else shutil.copy2)(top, packages / top.name)
    shutil.copytree(Path(jobrunner.__file__).parent, packages / "jobrunner", ignore=shutil.ignore_patterns("sql"))
    shutil.copytree(Path(jobrunner.sql.__file__).parent, packages / "jobrunner" / "sql")
    compileall.compile_dir(packages / "jobrunner", quiet=2)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    return ["env", f"LD_LIBRARY_PATH={folder / 'lib'}", f"PYTHONPATH={packages}", str(python)]


def _needed(name: str, seen: set[str]) -> Iterator[Distribution]:
    """Yield what a package needs to be imported, that which is needed by it included, and not itself."""
    for requirement in map(Requirement, distribution(name).requires or []):
        if requirement.name not in seen and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            seen.add(requirement.name)
            yield distribution(requirement.name)
            yield from _needed(requirement.name, seen)


def _tops(needed: Distribution) -> set[Path]:
    files = needed.files or []
    return {
        Path(str(needed.locate_file(file.parts[0]))) for file in files if file.parts[0] not in {"..", "__pycache__"}
    }
