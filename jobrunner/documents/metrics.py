"""The document of `metrics`: the text format of Prometheus, version 0.0.4."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from jobrunner.domain.cluster import Node
from jobrunner.domain.measures import Histogram, Measures
from jobrunner.domain.package import shown

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_COMMANDS = ("run", "work", "scan")
_WHOLE = "whole"

#: Labels and their values.
Labels = Mapping[str, str]


class _Sample(NamedTuple):
    labels: Labels
    value: float
    suffix: str = ""


class _Family(NamedTuple):
    """What has one name; `kind` is gauge, counter or histogram. `meaning` is one line of plain letters."""

    name: str
    kind: str
    meaning: str
    samples: Iterable[_Sample]


def metrics_text(measures: Measures, home: str, version: str) -> str:
    """Return all metrics of a home. Every sample has its path as a label, so that those of several may be joined."""
    lines = []
    for family in _families(measures, version):
        name = f"jobrunner_{family.name}"
        lines += [f"# HELP {name} {family.meaning}", f"# TYPE {name} {family.kind}"]
        for labels, value, suffix in family.samples:
            lines.append(f"{name}{suffix}{_labels({'home': shown(home), **labels})} {_number(value)}")
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else str(value)


def _families(measures: Measures, version: str) -> Iterator[_Family]:
    runners = measures.runners
    yield _Family(
        "build_info",
        "gauge",
        "Always 1, with the version of jobrunner and of Python.",
        [_Sample({"version": version, "python": sys.version.split()[0]}, 1)],
    )
    yield _Family(
        "jobs",
        "gauge",
        "Packages by state. What was cancelled is among the failed ones.",
        _by("state", measures.counts),
    )
    yield _gauge("paused", "1 while a pause is in force, else 0.", measures.is_paused)
    yield _gauge(
        "oldest_queued_seconds",
        "How long the package that has been ready to be claimed for the longest has been in the queue; 0 without any.",
        round(measures.oldest_seconds, 3),
    )
    ended = measures.ended.items()
    yield _Family(
        "attempts_total",
        "counter",
        "Attempts that have ended, by outcome; crashed: their worker died.",
        _by("outcome", {outcome.value: each.attempts for outcome, each in ended}),
    )
    yield _Family(
        "jobs_ended_total",
        "counter",
        "Packages that have ended, by the outcome of their last attempt; again for each retry.",
        _by("outcome", {outcome.value: each.jobs for outcome, each in ended}),
    )
    yield _Family(
        "retries_total",
        "counter",
        "Attempts that did not end their package, so that it was queued again by itself.",
        [_Sample({}, sum(each.attempts - each.jobs for _, each in ended))],
    )
    yield _Family(
        "step_duration_seconds",
        "histogram",
        "How long the steps of attempts took: extract, handle, archive.",
        [
            sample
            for step, histogram in measures.durations.items()
            if step != _WHOLE
            for sample in _histogram({"step": step}, histogram)
        ],
    )
    yield _Family(
        "job_duration_seconds",
        "histogram",
        "How long packages that are done took, from their last claim on.",
        _histogram({}, measures.durations[_WHOLE]),
    )
    yield _Family(
        "runners",
        "gauge",
        "Each run, work and scan --watch that goes on.",
        _by("command", {command: sum(each.command == command for each in runners) for command in _COMMANDS}),
    )
    yield _gauge("workers_wanted", "How many workers they keep alive.", sum(each.workers for each in runners))
    yield _gauge("workers_alive", "How many of these are alive.", sum(each.alive for each in runners))
    if measures.nodes:
        yield from _of_nodes(measures.nodes)
    yield _gauge(
        "worker_deaths",
        "Workers and scanners that died one soon after the other, the last one in the last five minutes.",
        sum(each.deaths.total for each in runners if each.deaths),
    )
    yield _gauge(
        "watch_missed",
        "Packages that came without a word of the kernel's since these have begun; a rescan found them.",
        sum(each.missed for each in runners),
    )
    yield _gauge(
        "trouble",
        "1 while something is wrong with the machine, so that workers wait (jobrunner status says what), else 0.",
        measures.has_trouble,
    )
    yield _gauge(
        "notices_waiting",
        "Notices that wait to be sent, by command and by webhook.",
        sum(each.total for each in measures.notices.waiting),
    )
    yield _gauge(
        "notices_given_up",
        "Notices of the last week that never got to their receiver.",
        measures.notices.given_up_count,
    )
    yield _Family(
        "disk_used_bytes",
        "gauge",
        "What database, logs and work take; left out where one holds too much to be looked through.",
        _by("part", measures.used),
    )
    yield _Family(
        "disk_free_bytes",
        "gauge",
        "What is free on the disk of each folder.",
        _by("folder", measures.free),
    )


def _gauge(name: str, meaning: str, value: float) -> _Family:
    return _Family(name, "gauge", meaning, [_Sample({}, value + 0)])


def _of_nodes(nodes: Mapping[Node, int]) -> Iterator[_Family]:
    slots = {node.name: 0 if node.trouble else node.slots for node in nodes}
    yield _Family(
        "node_slots",
        "gauge",
        "How many handlers each node of the cluster runs at a time; 0: it gets no package.",
        _by("node", slots),
    )
    yield _Family(
        "node_running",
        "gauge",
        "How many handlers run on each node of the cluster.",
        _by("node", {node.name: running for node, running in nodes.items()}),
    )


def _by(label: str, values: Mapping[str, float]) -> list[_Sample]:
    return [_Sample({label: of}, value) for of, value in values.items()]


def _histogram(labels: Labels, histogram: Histogram) -> Iterator[_Sample]:
    """Yield the samples of one histogram: its buckets have all that took at most so long."""
    total = 0
    for bound, total in zip(histogram.counts, accumulate(histogram.counts.values()), strict=True):
        yield _Sample({**labels, "le": _number(bound)}, total, "_bucket")
    yield _Sample(labels, histogram.seconds, "_sum")
    yield _Sample(labels, total, "_count")
