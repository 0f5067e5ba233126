"""Takes the pictures of the dashboard that are in docs/, of a home that `jobrunner demo` has made."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import TestHome
from tests.web.browser.browsing import Reader, started
from tests.web.browser.dashboards import served

DOCS = Path(__file__).parents[3] / "docs"
#: The pictures by their names, each of a page.
PICTURES = {"overview": "/", "package": "/packages/station-01"}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="jobrunner-") as folder, started() as browser:
        home = TestHome(Path(folder) / "demo")
        home.inbox.rmdir()
        demo = [sys.executable, "-m", "jobrunner", "demo", str(home.path)]
        subprocess.run(demo, check=False, capture_output=True, env=home.environment)  # 1: a package of it is broken
        home.start("run", "-n", "3")
        dashboard = served(home)
        reader = Reader(browser, dashboard.origin, {"viewport": {"width": 1280, "height": 800}, "timezone_id": "UTC"})
        for name, path in PICTURES.items():
            page = reader.go(path)
            page.wait_for_selector(".live[data-kind=live]")
            page.screenshot(path=DOCS / f"dashboard-{name}.png")
        reader.end()
        dashboard.end()
        for process in home.started:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
