"""Some hundreds of broken zips in each run of the tests; for a campaign: python -m tests.zip_fuzz."""

import tempfile
from pathlib import Path

import pytest

from tests.zip_fuzz import check, made, mutated, seeds

pytest.importorskip("hypothesis", reason="hypothesis is not installed: it makes the broken zips")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SEEDS = seeds()


class Drawn:
    """Choices that hypothesis makes, and can make simpler."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def randrange(self, stop: int) -> int:
        return self._data.draw(st.integers(0, stop - 1))


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_broken_zip_is_refused_or_extracted_and_does_no_harm(data: st.DataObject) -> None:
    choices = Drawn(data)
    content = SEEDS[choices.randrange(len(SEEDS))]
    for _ in range(1 + choices.randrange(3)):
        content = mutated(content, choices, SEEDS)
    with tempfile.TemporaryDirectory() as folder:
        check(content, Path(folder))


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_zip_whose_fields_lie_is_refused_or_extracted_and_does_no_harm(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(made(Drawn(data)), Path(folder))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.sampled_from([b"PK\3\4", b"PK\5\6" + bytes(18), b""]))
def test_noise_is_refused_or_extracted_and_does_no_harm(noise: bytes, mark: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(noise + mark, Path(folder))
