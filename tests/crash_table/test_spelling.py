"""Row 43: a package whose zip is not called as it is."""

from dataclasses import replace

import pytest

from jobrunner.domain.findings import Kind
from tests.crash_driver import Kill
from tests.crash_table.scene import Scene
from tests.crash_table.steps import HANDLED, HANDLED_STEP, LATER, Step, assert_lies_at

SPELLED = {
    "row-43-name-recorded": Step(
        Kill("os.symlink", matching="/work/1-1/name$"), "work", ["data-1", "name", "package"], 0, LATER
    ),
    "row-09-of-another-spelling": replace(HANDLED_STEP, workspace=[HANDLED, "name", "package"]),
}


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in SPELLED.items()])
@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
def test_a_package_whose_zip_is_spelled_in_another_way_is_archived(scene: Scene, step: Step, alone: bool) -> None:
    scene.deliver(zip_name="P.ZIP")
    code = scene.crash(replace(step.kill, alone=alone), words=("run", "-n", "2" if alone else "1", "--drain"))
    if alone:
        assert code == 0
    else:
        assert scene.workspaces() == {"1-1": step.workspace}
        assert_lies_at(scene, step.at)
        scene.restart()
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)


def test_row_43_its_name_is_known_without_a_database(scene: Scene) -> None:
    scene.deliver(zip_name="P.ZIP")
    scene.crash(SPELLED["row-43-name-recorded"].kill, words=("run", "-n", "1", "--drain"))
    for file in scene.home.path.glob("jobrunner.db*"):
        file.unlink()
    assert scene.differences("--rebuild") == []
    scene.restart()
    scene.assert_archived(by="p 2")
    assert Kind.WORK_WITHOUT_NAME not in scene.differences()
