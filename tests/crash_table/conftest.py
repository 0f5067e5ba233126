"""Scenes to begin with."""

import pytest

from tests.crash_table.scene import HANDLER, Scene
from tests.support import TestHome


@pytest.fixture
def scene(home: TestHome) -> Scene:
    home.handler(HANDLER, retry='backoff = "0.01s"')
    made = Scene(home)
    made.plan()
    return made


@pytest.fixture
def failed(scene: Scene) -> Scene:
    """A home in which the package p has failed in its first attempt."""
    scene.plan(p_1=65)
    scene.deliver()
    scene.restart(code=1)
    scene.assert_failed(error="exit status 65")
    return scene
