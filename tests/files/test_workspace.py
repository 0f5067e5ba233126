from pathlib import Path

import pytest

from jobrunner.domain.status import Step
from jobrunner.files.workspace import Workspace
from tests.users import without_privileges


@pytest.mark.parametrize(
    ("parts", "step"),
    [
        ([], Step.TAKING),
        (["delivered", "copying"], Step.TAKING),
        (["package"], Step.TAKING),
        (["package", "data-2", "progress-2"], Step.EXTRACTING),
        (["package", "data-2"], Step.HANDLER),
        (["package", "handled"], Step.ARCHIVING),
        (["package", "flushed"], Step.ARCHIVING),
        (["emptied", "flushed"], Step.ARCHIVING),
        (["emptied"], Step.ARCHIVING),
    ],
)
def test_what_an_attempt_is_at_shows_in_its_work_folder(tmp_path: Path, parts: list[str], step: Step) -> None:
    workspace = Workspace.at(str(tmp_path), 7, 2)
    Path(workspace.path).mkdir()
    for part in parts:
        Path(workspace.handled if part == "handled" else f"{workspace.path}/{part}").mkdir()
    assert workspace.step(has_handler=True) is step
    without = workspace.step(has_handler=False)
    assert without is (Step.EXTRACTING if step is Step.HANDLER else step)


def test_what_an_attempt_is_at_does_not_show_without_a_work_folder(tmp_path: Path) -> None:
    assert Workspace.at(str(tmp_path), 7, 2).step(has_handler=True) is None


def test_what_an_attempt_is_at_does_not_show_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.at(".", 7, 2)
    monkeypatch.chdir(tmp_path)  # the way there is its owner's only
    Path(workspace.data).mkdir(parents=True)
    assert workspace.step(has_handler=True) is Step.HANDLER
    Path(workspace.path).chmod(0o000)
    with without_privileges():
        assert workspace.step(has_handler=True) is None
    Path(workspace.path).chmod(0o700)
