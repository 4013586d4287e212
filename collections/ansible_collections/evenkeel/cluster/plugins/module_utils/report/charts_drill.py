# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Draw the charts of drills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .chart_data import CONTROL, OURS, EventData, LossesData, TimelineData, TimesData
from .chart_style import BLUE, INK, LINES, MARKERS, RED, SHADE, SOFT, WHITE, grid, short, stacked_axes, whole_ticks


def draw_timeline(data: TimelineData) -> Any:
    """Nodes in use, throughput and latency of a drill, below each other."""
    series, events = data["timeline"], data["events"]
    width = series["bin_seconds"]
    figure, axes = stacked_axes(5.0, 3, (1.15, 1, 1.15), sharex=True)
    members, throughput, latency = axes
    times = [index * width for index in range(len(series["answered"]))]
    for number, (tier, counts) in enumerate(series["nodes"].items()):
        style = LINES[number % len(LINES)]
        members.step(
            times,
            counts,
            where="post",
            color=(BLUE, INK)[number % 2],
            linestyle=style,
            linewidth=1.4,
            label=short(tier),
        )
    highest = max([1, *(value for counts in series["nodes"].values() for value in counts)])
    members.set_ylim(0, highest + 1.5)
    whole_ticks(members.yaxis, 5)
    _events(axes, events, highest)
    # The load ends within the last bin; its lower rate would look like a drop.
    whole = series["answered"][:-1] or series["answered"]
    rates = [value / width for value in whole]
    throughput.step(times[: len(whole)], rates, where="post", color=BLUE, label="answered")
    _failures(throughput, times, series["failed"], width)
    throughput.set_ylim(0, max([1.0, *rates]) * 1.1)
    for values, label, colour, style in (
        (series["p95_ms"], "95 % within", INK, LINES[1]),
        (series["p50_ms"], "median", BLUE, LINES[0]),
    ):
        known = [(at, value) for at, value in zip(times, values, strict=True) if value]
        latency.plot(
            [at for at, _value in known],
            [value for _at, value in known],
            color=colour,
            linestyle=style,
            linewidth=1.1,
            label=label,
        )
    latency.set_yscale("log")
    latency.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    latency.set_xlabel("seconds of load")
    latency.set_xlim(0, max([1.0, *times]) + width)
    for axis, title in zip(axes, ("nodes in use", "requests per second", "latency in ms"), strict=True):
        axis.set_title(title, loc="left", fontweight="bold")
        axis.legend(loc="lower right", bbox_to_anchor=(1.01, 0.96), ncols=4, columnspacing=0.9, borderaxespad=0)
        grid(axis, "y")
    return figure


def _failures(axis: Any, times: Sequence[float], failed: Sequence[int], width: float) -> None:
    lost = [(at + width / 2, count) for at, count in zip(times, failed, strict=True) if count]
    if lost:
        axis.plot(
            [at for at, _count in lost],
            [count / width for _at, count in lost],
            "X",
            color=RED,
            markeredgecolor=INK,
            markersize=5.5,
            markeredgewidth=0.5,
            label="failed",
        )


def _events(axes: Sequence[Any], events: Sequence[EventData], highest: float) -> None:
    """Grey during an event, with its number; the table beside the chart has its name."""
    members = axes[0]
    for number, event in enumerate(events, 1):
        for axis in axes:
            axis.axvspan(event["began"], max(event["ended"], event["began"] + 0.05), color=SHADE, linewidth=0, zorder=0)
            axis.axvline(event["began"], color=SOFT, linewidth=0.6, linestyle=LINES[2], zorder=0)
        if len(events) <= 24:
            members.annotate(
                str(number), (event["began"], 0), (1, 2), textcoords="offset points", fontsize=9.5, fontweight="bold"
            )
    left = [moment for event in events for moment in event["left"].values()]
    joined = [moment for event in events for moment in event["joined"].values()]
    for kind, moments, marker, colour in (("left", left, "v", WHITE), ("joined", joined, "^", BLUE)):
        if moments:
            members.plot(
                moments,
                [highest + 0.75] * len(moments),
                marker,
                color=colour,
                markeredgecolor=INK,
                markeredgewidth=0.7,
                markersize=5,
                label=kind,
            )


def _limit(axis: Any, kind: str, limit: float, number: int, longest: float) -> None:
    colour, left = (BLUE, INK)[number % 2], limit > longest * 0.6
    axis.plot([limit, limit], [0, 95], color=colour, linestyle=LINES[2], linewidth=1.2)
    axis.plot([limit], [95], "|", color=colour, markersize=12, markeredgewidth=2.2)
    axis.annotate(
        f"{kind}: 95 % by {limit:g} s",
        (limit, 62),
        (-5 if left else 5, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        fontsize=9.5,
        color=colour,
    )


def draw_times(data: TimesData) -> Any:
    """The share of nodes that joined or left within a time, and the thresholds."""
    figure, (axis,) = stacked_axes(2.5)
    known = [value for value in data["limits"].values() if value is not None]
    longest = max([0.0, *known, *(value for values in data["times"].values() for value in values)])
    for number, (kind, values) in enumerate(data["times"].items()):
        if not values:
            continue
        shares = [(index + 1) / len(values) * 100 for index in range(len(values))]
        colour, style = (BLUE, INK)[number % 2], LINES[number % 2]
        axis.step(
            [0, *values],
            [0, *shares],
            where="post",
            color=colour,
            linestyle=style,
            linewidth=1.4,
            marker=MARKERS[number],
            markersize=3.4,
            label=f"{kind} ({len(values)})",
        )
        limit = data["limits"].get(kind)
        if limit is not None:
            _limit(axis, kind, limit, number, longest)
    axis.set_xlim(0, max(longest * 1.06, 0.1))
    axis.set_ylim(0, 104)
    axis.set_xlabel("seconds")
    axis.set_ylabel("% of the nodes")
    axis.legend(loc="lower right", bbox_to_anchor=(1.01, 0.98), ncols=2, borderaxespad=0)
    grid(axis, "both")
    return figure


def draw_losses(data: LossesData) -> Any:
    """The rate of lost requests of each load, with its confidence interval."""
    bars = list(data["bars"])
    figure, (axis,) = stacked_axes(0.85 + 0.3 * max(1, len(bars)))
    top = max([entry["high"] for entry in bars], default=0.001) * 1e4
    for row, entry in enumerate(bars):
        rate, low, high = (value * 1e4 for value in (entry["lost"] / entry["sent"], entry["low"], entry["high"]))
        ours = entry["who"] == OURS
        axis.barh(
            row,
            rate,
            0.66,
            color=BLUE if ours else WHITE,
            hatch="" if ours else "////",
            edgecolor=INK,
            linewidth=0.6,
        )
        axis.plot([low, high], [row, row], color=INK, linewidth=1.2, marker="|", markersize=6)
        axis.annotate(
            f"{entry['lost']} of {entry['sent']:,}",
            (high, row),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
    words = {OURS: "cluster", CONTROL: "baseline"}
    axis.set_yticks(range(len(bars)), [f"{short(entry['drill'])}, {words[entry['who']]}" for entry in bars])
    axis.invert_yaxis()
    axis.set_xlim(0, top * 1.3)
    axis.set_xlabel("requests lost of 10,000; the whisker is the 95 % interval")
    axis.tick_params(axis="y", length=0)
    grid(axis, "x")
    return figure
