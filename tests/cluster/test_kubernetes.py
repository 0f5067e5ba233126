"""contrib/kubernetes/nodes.yaml under test: what it says fits Dask, the image and docs/cluster.md."""

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from distributed.cli import dask_worker

ROOT = Path(__file__).parents[2]
VOLUME, CLAIM, DEPLOYMENT = yaml.safe_load_all((ROOT / "contrib/kubernetes/nodes.yaml").read_text("utf-8"))
POD = DEPLOYMENT["spec"]["template"]["spec"]
PAGE = (ROOT / "docs/cluster.md").read_text("utf-8")


def container() -> dict[str, Any]:
    (only,) = POD["containers"]
    return dict(only)


def test_a_node_starts_as_dask_has_it(tmp_path: Path) -> None:
    dask, worker, *words = container()["command"]
    assert (dask, worker) == ("dask", "worker")
    for name in ("ca.pem", "node.pem", "node.key"):
        (tmp_path / name).touch()
    words += [word.replace("=/etc/lab/", f"={tmp_path}/") for word in container()["args"]]
    options = dask_worker.main.make_context("dask worker", words).params
    assert options["preload"] == ("jobrunner.cluster.node",)
    assert options["scheduler"] == "tls://10.0.0.1:8786"
    assert options["name"] == "$(POD)"
    assert [each["name"] for each in container()["env"]] == ["POD"]


def test_all_that_is_named_is_there() -> None:
    mounts = {each["name"]: each["mountPath"] for each in container()["volumeMounts"]}
    assert mounts.keys() == {each["name"] for each in POD["volumes"]}
    assert VOLUME["spec"]["nfs"]["path"] == mounts["lab"] == "/srv/lab"
    assert CLAIM["spec"]["volumeName"] == VOLUME["metadata"]["name"]
    (secret,) = (each["secret"]["secretName"] for each in POD["volumes"] if "secret" in each)
    (kept,) = re.findall(rf"kubectl create secret generic {secret} (.*)", PAGE)
    files = {f"{mounts['certificates']}/{name}" for name in re.findall(r"--from-file=(\S+)", kept)}
    assert files == {word.partition("=")[2] for word in container()["args"] if word.startswith("--tls-")}
    assert f"EXTRAS=cluster -t {container()['image']} " in PAGE
    assert f"deployment {DEPLOYMENT['metadata']['name']} " in PAGE
