# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Draw the charts of a report as SVG: thin over matplotlib.

Text stays text: it takes the page's font, can be selected and read aloud.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import Any

from .chart_data import (
    BARS,
    LOSSES,
    SEQUENCE,
    SESSIONS,
    TIMELINE,
    TIMES,
    BarsData,
    Chart,
    SequenceData,
    SessionsData,
)
from .chart_style import (
    BLUE,
    INK,
    LINES,
    MARKERS,
    SHADE,
    SOFT,
    STYLES,
    WHITE,
    canvas,
    cell,
    grid,
    short,
    stacked_axes,
    styled,
    svg_text,
    whole_ticks,
)
from .charts_drill import draw_losses, draw_timeline, draw_times

_SHARE = "equal shares: "
_LABELS_IN_A_ROW = 27
_MAX_GROUPS = 40
_MAX_MATRIX = 36
_REFERENCE = re.compile(r'(?:url\(#|href="#)([^")]+)')
_IDENTITY = re.compile(r' id="([^"]+)"')


def draw(chart: Chart, number: int) -> str:
    """The chart as an SVG element that stands in an HTML page.

    Args:
        chart: what to show.
        number: of the chart in its page; keeps the names in it apart from those of other charts.

    Raises:
        ValueError: a chart of an unknown kind.
    """
    painters: dict[str, Callable[[Any], Any]] = {
        BARS: _bars,
        SEQUENCE: _sequence,
        SESSIONS: _sessions,
        TIMELINE: draw_timeline,
        TIMES: draw_times,
        LOSSES: draw_losses,
    }
    if chart.kind not in painters:
        raise ValueError(f"chart: got kind {chart.kind!r}, want one of {', '.join(painters)}")
    with styled(number):
        return _as_element(svg_text(painters[chart.kind](chart.data)), chart, number)


def _as_element(svg: str, chart: Chart, number: int) -> str:
    """Only the element, with its text alternative, scaled by the page, and without names that nothing refers to."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    used = set(_REFERENCE.findall(body))
    body = _IDENTITY.sub(lambda match: match[0] if match[1] in used else "", body)
    view = re.search(r'viewBox="([^"]+)"', body)
    content = body[body.index(">") + 1 :]
    title, text = html.escape(chart.title), html.escape(chart.text)
    return (
        f'<svg class="chart" viewBox="{view[1] if view else ""}" role="img"'
        f' aria-labelledby="chart-{number}-title chart-{number}-text" xmlns="http://www.w3.org/2000/svg"'
        ' xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="chart-{number}-title">{title}</title><desc id="chart-{number}-text">{text}</desc>{content}'
    )


# --------------------------------------------------------------------------
# Bars
# --------------------------------------------------------------------------


def _bars(data: BarsData) -> Any:
    groups, series = list(data["groups"])[:_MAX_GROUPS], data["series"]
    each = 0.8 / max(1, len(series))
    labelled = len(groups) * len(series) <= 24
    figure, (axis,) = stacked_axes(max(1.1, 0.75 + len(groups) * (0.21 * len(series) + 0.12)))
    top = 0.0
    for number, (name, values) in enumerate(series.items()):
        colour, hatch = STYLES[number % len(STYLES)]
        places = [index + (number - (len(series) - 1) / 2) * each for index in range(len(groups))]
        lengths = [0 if value is None else value for value in list(values)[: len(groups)]]
        axis.barh(places, lengths, each * 0.92, color=colour, hatch=hatch, edgecolor=INK, linewidth=0.6, label=name)
        top = max([top, *lengths])
        for place, value in zip(places, values, strict=False):
            if labelled:
                text = "not read" if value is None else f"{value:g}"
                axis.annotate(text, (value or 0, place), (3, 0), textcoords="offset points", va="center", fontsize=9.5)
    expected = data.get("expected")
    if expected is not None:
        axis.axvline(expected, color=INK, linewidth=1.1, linestyle=LINES[1], label=f"{_SHARE}{expected:.4g}")
    axis.set_yticks(range(len(groups)), [short(name) for name in groups])
    axis.invert_yaxis()
    axis.set_xlim(0, max(top, expected or 0, 1) * 1.12)
    whole_ticks(axis.xaxis, 6)
    axis.set_xlabel(data["unit"])
    axis.tick_params(axis="y", length=0)
    grid(axis, "x")
    handles, labels = axis.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda index: labels[index].startswith(_SHARE))
    figure.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc="outside upper left",
        ncols=2 if len(labels) > 3 else 3,
        columnspacing=1.2,
    )
    return figure


# --------------------------------------------------------------------------
# Round robin and sessions
# --------------------------------------------------------------------------


def _sequence(data: SequenceData) -> Any:
    nodes, sequence = list(data["nodes"]), list(data["sequence"])
    rows = {name: index for index, name in enumerate(dict.fromkeys([*nodes, *sequence]))}
    figure, (axis,) = stacked_axes(0.75 + 0.22 * max(2, len(rows)))
    for name, row in rows.items():
        places = [index + 1 for index, node in enumerate(sequence) if node == name]
        marker = MARKERS[row % len(MARKERS)]
        axis.plot(
            places, [row] * len(places), marker, color=BLUE, markersize=4.2, markeredgecolor=INK, markeredgewidth=0.5
        )
    for begin in range(data["offset"], len(sequence) - len(nodes) + 1, 2 * len(nodes)):
        axis.axvspan(begin + 0.5, begin + len(nodes) + 0.5, color=SHADE, linewidth=0, zorder=0)
    steps = range(len(sequence))
    axis.plot([index + 1 for index in steps], [rows[node] for node in sequence], color=SOFT, linewidth=0.5, zorder=1)
    axis.set_yticks(range(len(rows)), [short(name) or "(no name)" for name in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(0, len(sequence) + 1)
    whole_ticks(axis.xaxis, 8, [1, 2, 5, 10])
    axis.set_xlabel("request, in the order of sending")
    grid(axis, "y")
    return figure


def _sessions(data: SessionsData) -> Any:
    panels = [("with a cookie jar", data["sessions"])]
    if data["control"]:
        panels.append(("control: without", data["control"]))
    nodes = list(dict.fromkeys([*data["nodes"], *(node for _name, all_ in panels for one in all_ for node in one)]))
    clients = min(_MAX_MATRIX, max(len(sessions) for _name, sessions in panels))
    figure = canvas(1.0 + 0.175 * clients)
    # Always two places: one alone would be stretched to the whole width, which a matrix does not need.
    axes = figure.subplots(1, 2, squeeze=False, sharey=True)[0]
    for axis, (title, sessions) in zip(axes, panels, strict=False):
        _matrix(axis, nodes, sessions[:clients])
        more = f", first {clients} of {len(sessions)}" if len(sessions) > clients else ""
        axis.set_title(title + more, loc="left", fontweight="bold")
    axes[0].set_ylabel("client")
    if len(panels) == 1:
        axes[1].set_axis_off()
    return figure


def _matrix(axis: Any, nodes: Sequence[str], sessions: Sequence[Sequence[str]]) -> None:
    longest = max((len(session) for session in sessions), default=1)
    for row, session in enumerate(sessions):
        for column, node in enumerate(nodes):
            count = list(session).count(node)
            if not count:
                continue
            shade = 0.15 + 0.85 * count / longest
            colour = tuple(1 - (1 - channel) * shade for channel in (0.122, 0.373, 0.659))
            ink = WHITE if shade > 0.6 else INK
            number = axis.text(column, row, str(count), ha="center", va="center_baseline", fontsize=9.5, color=ink)
            # Inside of limits that are set below, so nothing is to be measured for them.
            for part in (axis.add_artist(cell(column, row, colour)), number):
                part.set_in_layout(False)
    axis.set_xlim(-0.5, len(nodes) - 0.5)
    axis.set_ylim(len(sessions) - 0.5, -0.5)
    # Beside each other they would meet.
    many = len(nodes) * max((len(short(name)) for name in nodes), default=0) > _LABELS_IN_A_ROW
    names = [short(name) or "(no name)" for name in nodes]
    axis.set_xticks(range(len(nodes)), names, rotation=90 if many else 0)
    axis.set_yticks(range(0, len(sessions), 4), [str(row + 1) for row in range(0, len(sessions), 4)])
    axis.tick_params(length=0)
    axis.set_xlabel("requests answered by")
    for side in axis.spines.values():
        side.set_visible(False)
