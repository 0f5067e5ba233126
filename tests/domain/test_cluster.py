"""What people write of a cluster."""

import pytest

from jobrunner.domain.cluster import address, has_resources, is_encrypted, is_loopback, node_name, resources


@pytest.mark.parametrize(
    "text", ["tls://ingest:8786", "tcp://10.0.0.1:1", "tls://[::1]:65535", "tcp://a.b-c.example:80"]
)
def test_an_address_of_a_scheduler(text: str) -> None:
    assert address(text) == text
    assert is_encrypted(text) == text.startswith("tls")


@pytest.mark.parametrize(
    "value", [7, "", "ingest:8786", "tls://ingest", "tls://ingest:0", "ucx://a:1", "tls://a:70000", "tls://a b:1"]
)
def test_what_is_none(value: object) -> None:
    with pytest.raises(ValueError, match="Dask scheduler"):
        address(value)


@pytest.mark.parametrize(
    ("text", "is_here"),
    [("tcp://127.0.0.1:1", True), ("tcp://[::1]:1", True), ("tcp://localhost:1", True), ("tcp://10.0.0.1:1", False)],
)
def test_whether_it_is_of_this_machine_alone(text: str, is_here: bool) -> None:
    assert is_loopback(text) is is_here
    assert not is_loopback("tcp://localhost.example.org:1")


@pytest.mark.parametrize("value", ["{", [1], {"GPU": True}, {"GPU": 0}, {"GPU": "1"}, {"GPU": -1}])
def test_resources_are_numbers_above_zero(value: object) -> None:
    with pytest.raises(ValueError, match="table"):
        resources(value)


def test_whether_a_node_has_them() -> None:
    assert has_resources({"GPU": 2.0}, {"GPU": 1.0})
    assert has_resources({}, {})
    assert not has_resources({"GPU": 0.5}, {"GPU": 1.0})


@pytest.mark.parametrize(
    ("host", "worker", "name"),
    [
        ("ingest", "tls://10.0.0.1:4711", "ingest"),
        ("ingest", 4711, "ingest:4711"),
        ("ingest", "gpu 1", "ingest:gpu_1"),
        ("a" * 300, "x", "a" * 100),
        ("\x1b[31m", "\n", "__31m:_"),
        ("", "tls://x:1", "node"),
    ],
)
def test_what_a_node_is_called_is_short_and_plain(host: str, worker: object, name: str) -> None:
    assert node_name(host, worker) == name
