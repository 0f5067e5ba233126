"""A Python that every user may run: that of the tests may lie where nobody else can come, such as below /root."""

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.metadata import Distribution, distribution
from pathlib import Path

import coverage
from packaging.requirements import Requirement

import jobrunner

_NOT_NEEDED = shutil.ignore_patterns(
    "test",
    "tests",
    "site-packages",
    "dist-packages",
    "config-*",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "tkinter",
    "*.opt-*",
)


def lay_out(folder: Path) -> list[str]:
    """Lay out interpreter, library and jobrunner with what it needs; return the words that start Python there."""
    library, interpreter = Path(os.__file__).parent, Path(sys.executable).resolve()
    python, packages = folder / "bin" / interpreter.name, folder / "packages"
    python.parent.mkdir()
    packages.mkdir()
    _lay(interpreter, python)
    _lay_tree(library, folder / library.parent.name / library.name)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        name = sysconfig.get_config_var("INSTSONAME")
        _lay(Path(sysconfig.get_config_var("LIBDIR"), name), folder / "lib" / name)
    for top in {top for needed in _needed("jobrunner", set()) for top in _tops(needed)}:
        (_lay_tree if top.is_dir() else _lay)(top, packages / top.name)
    if "COVERAGE_PROCESS_CONFIG" in os.environ:  # `make coverage` measures these processes, too
        _lay_tree(Path(coverage.__file__).parent, packages / "coverage")
        (packages / "sitecustomize.py").write_text("import coverage\ncoverage.process_startup()\n")
    _lay_tree(Path(jobrunner.__file__).parent, packages / "jobrunner")
    _lay_tree(Path(import_module("jobrunner.sql").__path__[0]), packages / "jobrunner" / "sql")
    compileall.compile_dir(packages / "jobrunner", quiet=2)
    subprocess.run(["find", folder, "-type", "d", "-exec", "chmod", "755", "{}", "+"], check=True)
    return ["env", f"LD_LIBRARY_PATH={folder / 'lib'}", f"PYTHONPATH={packages}", str(python)]


def _lay_tree(source: Path, target: Path) -> None:
    if target.exists():  # the SQL, where jobrunner is installed from a wheel
        return
    shutil.copytree(source, target, symlinks=True, ignore=_NOT_NEEDED, copy_function=_lay)


def _lay(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, which takes a tenth of the time; copy it where that cannot be, or not be read."""
    if os.stat(source).st_mode & 0o004:
        with suppress(OSError):  # another filesystem
            os.link(source, target)
            return
    shutil.copy2(source, target)
    os.chmod(target, 0o755)


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
