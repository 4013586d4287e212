# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Traefik's metrics in Prometheus' text format, read. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..cluster.engines import DEFAULT_PROVIDER


@dataclass(frozen=True)
class Sample:
    """One line of the exposition format."""

    name: str
    labels: dict[str, str]
    value: float


_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|(?=\}))')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match.group(1), match.group(0)), text)


def metric_samples(text: str, name: str) -> Iterator[Sample]:
    """Yield the samples called exactly *name* in an exposition *text*.

    Lines of other metrics are skipped unparsed (a busy balancer shows
    thousands of histogram buckets).

    Raises:
        ValueError: a line of this metric does not follow the format.
    """
    for line in text.splitlines():
        if not line.startswith(name):
            continue
        rest = line[len(name) :]
        if rest[:1] not in ("{", " ", "\t"):
            continue  # a longer name with the same beginning
        labels: dict[str, str] = {}
        if rest[0] == "{":
            position = 1
            while rest[position : position + 1] != "}":
                match = _LABEL.match(rest, position)
                if match is None:
                    raise ValueError(f"malformed labels: {line}")
                labels[match.group(1)] = _unescape(match.group(2))
                position = match.end()
            rest = rest[position + 1 :]
        fields = rest.split()  # value, then an optional time stamp
        try:
            value = float(fields[0])
        except (ValueError, IndexError):
            raise ValueError(f"malformed value: {line}") from None
        yield Sample(name, labels, value)


def parse_config_reloads(text: str) -> int | None:
    """Count of configuration generations so far; None when the metric is absent."""
    values = [sample.value for sample in metric_samples(text, "traefik_config_reloads_total")]
    return int(sum(values)) if values else None


def parse_service_requests(text: str, service: str) -> int:
    """Requests handed to the servers of *service* (``name@provider``), all codes and methods."""
    samples = metric_samples(text, "traefik_service_requests_total")
    return int(sum(sample.value for sample in samples if sample.labels.get("service") == service))


@dataclass(frozen=True)
class Attempts:
    """How often requests were sent to nodes.

    Attributes:
        process: when the balancer was started; its counters began with it.
        counts: service (``name@provider``) and method to attempts. A request that is sent again counts again.
    """

    process: float
    counts: Mapping[tuple[str, str], int]


def parse_attempts(text: str) -> Attempts:
    """The attempts so far, all codes."""
    counts: Counter[tuple[str, str]] = Counter()
    for sample in metric_samples(text, "traefik_service_requests_total"):
        counts[sample.labels.get("service", ""), sample.labels.get("method", "")] += int(sample.value)
    return Attempts(sum(sample.value for sample in metric_samples(text, "process_start_time_seconds")), dict(counts))


def parse_server_up(text: str, service: str) -> dict[str, bool]:
    """Server URL -> up, by active and passive checks, for *service* (``name@provider``)."""
    return {
        sample.labels["url"]: sample.value == 1.0
        for sample in metric_samples(text, "traefik_service_server_up")
        if sample.labels.get("service") == service and "url" in sample.labels
    }


def qualified(name: str, provider: str = DEFAULT_PROVIDER) -> str:
    """``name@provider``; a name which already bears a provider is kept."""
    return name if "@" in name else f"{name}@{provider}"
