import subprocess
import sys

from tests.support import clean_environment

APPLIED = """
import os, resource
from pathlib import Path
from jobrunner.process.limits import NO_LIMITS, Limits
before = os.nice(0)
NO_LIMITS.apply()
assert os.nice(0) == before
Limits(max_memory=1 << 30, max_open_files=64, nice=3, no_new_privileges=True).apply()
print(resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_NOFILE), os.nice(0) - before)
print(*(line for line in Path("/proc/self/status").read_text().splitlines() if "NoNewPrivs" in line))
"""


def test_a_process_is_put_under_each_limit() -> None:
    """In a handler, that happens between fork and exec."""
    words = [sys.executable, "-c", APPLIED]
    result = subprocess.run(words, env=clean_environment(), capture_output=True, text=True, check=True)
    limits, privileges = result.stdout.splitlines()
    assert limits == f"{(1 << 30, 1 << 30)} {(64, 64)} 3"
    assert privileges.split() == ["NoNewPrivs:", "1"]
