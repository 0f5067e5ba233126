"""Two loops of the queue bench are our own: they use store and worker as these are, and nothing else starts them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
FILL = "import sys; from pathlib import Path; from peers import {0} as peer; peer.fill(Path(sys.argv[1]), 5)"


@pytest.mark.parametrize("peer", ["jobrunner_store", "ceiling"])
def test_a_loop_runs_each_job_once(tmp_path: Path, peer: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(BENCH), "BENCH_MARKS": str(tmp_path / "marks")}
    folder = str(tmp_path)
    for words in (["-c", FILL.format(peer), folder], ["-m", f"peers.{peer}", folder, "1"]):
        subprocess.run([sys.executable, *words], cwd=BENCH, env=environment, check=True)
    read = (
        "import marks, sys; from pathlib import Path; print(*(mark.number for mark in marks.read(Path(sys.argv[1]))))"
    )
    numbers = subprocess.run(
        [sys.executable, "-c", read, tmp_path / "marks"], cwd=BENCH, env=environment, check=True, capture_output=True
    )
    assert sorted(numbers.stdout.split()) == [b"0", b"1", b"2", b"3", b"4"]
