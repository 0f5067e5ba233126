from pathlib import Path

from jobrunner.domain.package import Package
from jobrunner.process.handler import Call, environment_of_call

PACKAGE = Package("scan-1", Path("/w/1-2/data"), Path("/w/1-2/package/scan-1.zip"), 2, Path("/home/of/it"))


def test_the_environment_tells_a_handler_about_its_package() -> None:
    assert environment_of_call(Call(PACKAGE, "/logs/scan-1/2.log", "/w/1-2/handler-progress-2")) == {
        "JOBRUNNER_PACKAGE": "scan-1",
        "JOBRUNNER_DATA": "/w/1-2/data",
        "JOBRUNNER_ZIP": "/w/1-2/package/scan-1.zip",
        "JOBRUNNER_ATTEMPT": "2",
        "JOBRUNNER_HOME": "/home/of/it",
        "JOBRUNNER_PROGRESS": "/w/1-2/handler-progress-2",
    }
