"""What is installed is whole: the wheel alone, without the source tree, makes a home and shows it."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.support import clean_environment

ROOT = Path(__file__).parents[1]


def run(*words: str | Path, cwd: Path) -> str:
    result = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=clean_environment() | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


def kept_by_git() -> list[str]:
    """Return the files that are tracked or about to be."""
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    return [name for name in names.split("\0") if name]


def setuptools_is_new_enough() -> bool:
    """Say whether ours can build the wheel; if not, pip fetches one."""
    try:
        return int(metadata.version("setuptools").split(".")[0]) >= 77
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of what git keeps: nothing is built in the tree itself, and nothing that is ignored helps."""
    place = tmp_path_factory.mktemp("wheel")
    for name in kept_by_git():
        if (ROOT / name).is_file():  # not one that is about to be removed
            (place / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "tree" / name).write_bytes((ROOT / name).read_bytes())
    isolation = ["--no-build-isolation"] if setuptools_is_new_enough() else []
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation),
        *("--wheel-dir", place, place / "tree"),
        cwd=place,
    )
    (made,) = place.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The bin folder of a fresh environment with the wheel; the dependencies are those of this environment."""
    environment = wheel.parent / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel, cwd=wheel.parent)
    # A plain line in a .pth file appends the folder, behind the wheel, without reading the .pth files in it: the
    # editable jobrunner, if there is one, is not seen.
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return environment / "bin"


def test_the_wheel_holds_the_sql_and_nothing_but_jobrunner(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    statements = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sql").rglob("*.sql")}
    assert statements
    assert {f"jobrunner/{path}" for path in statements} <= set(names)
    assert "jobrunner/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"jobrunner"}


def test_the_wheel_holds_every_module(wheel: Path) -> None:
    modules = {name for name in kept_by_git() if name.startswith("jobrunner/") and (ROOT / name).is_file()}
    assert "jobrunner/wiring/home.py" in modules
    assert modules <= set(zipfile.ZipFile(wheel).namelist())


def test_what_is_installed_runs_without_the_source_tree(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import jobrunner; print(jobrunner.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    home = tmp_path / "home"
    run(installed / "jobrunner", "init", home, cwd=tmp_path)
    assert (home / "jobrunner.toml").is_file()
    assert "queued" in run(installed / "jobrunner", "--home", home, "status", cwd=tmp_path).lower()
    assert os.path.getsize(home / "jobrunner.db") > 0
    (home / "inbox" / "p").mkdir()
    with zipfile.ZipFile(home / "inbox" / "p" / "p.zip", "w") as archive:
        archive.writestr("data.txt", "42")
    (home / "analysis.py").write_text("def process(package): (package.data / 'seen.txt').touch()\n")
    (home / "jobrunner.toml").write_text('[process]\ncallable = "analysis:process"\n')
    for words in (("scan",), ("work", "--drain")):
        run(installed / "jobrunner", "--home", home, *words, cwd=tmp_path)
    assert (home / "archive" / "p" / "seen.txt").exists()
