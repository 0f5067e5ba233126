"""Row 52: packages that are put in front, cut short."""

from tests.crash_driver import Kill
from tests.crash_table.scene import DRAIN, Scene


def test_row_52_all_are_put_in_front_or_none(scene: Scene) -> None:
    for name in ("p", "q", "r"):
        scene.deliver(name)
        scene.restart("scan")
    scene.crash(Kill("commit of front", "before"), words=("front", "r", "q"))
    assert places(scene) == ["p", "q", "r"]
    scene.crash(Kill("commit of front"), words=("front", "r", "q"))
    assert places(scene) == ["r", "q", "p"]
    scene.restart(*DRAIN)
    assert scene.ran() == ["r 1", "q 1", "p 1"]


def places(scene: Scene) -> list[str]:
    return [row["name"].decode() for row in scene.rows("SELECT name FROM jobs ORDER BY position, id")]
