# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Draw the charts of a report as SVG: thin over matplotlib.

What is told apart is told apart by hatch, marker, line style or text, never by colour alone, so a chart keeps its
meaning on paper in black and white. Text stays text: it takes the page's font, can be selected and read aloud.
"""

from __future__ import annotations

import html
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .claim import BARS, LOSSES, SEQUENCE, SESSIONS, TIMELINE, TIMES, Chart

# The cache of fonts is made once per environment, and nowhere in the user's home.
os.environ.setdefault("MPLCONFIGDIR", str(Path(sys.prefix) / "cache" / "matplotlib"))

try:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:  # reported by the module in one line
    IMPORT_ERROR = error

# Inches at 72 per inch: about as wide as a phone, so that text is as large there as it is drawn.
_WIDTH = 5.2
_INK, _SOFT, _RULE = "#1b1f24", "#57606a", "#c9d1d9"
_SHADE = "#e6eaef"
_BLUE, _PALE, _RED, _WHITE = "#1f5fa8", "#a9c8ea", "#b3261e", "#ffffff"
# Dots and stars would be round paths of many points each; lines are light.
_STYLES = ((_BLUE, ""), (_PALE, "////"), (_WHITE, ""), ("#d0d7de", "xxx"))
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")
_LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
_SHARE = "equal shares: "
_MAX_LABEL = 22
_LABELS_IN_A_ROW = 27
_MAX_GROUPS = 40
_MAX_MATRIX = 36
_REFERENCE = re.compile(r'(?:url\(#|href="#)([^")]+)')
_IDENTITY = re.compile(r' id="([^"]+)"')
_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "hatch.linewidth": 0.7,
    "hatch.color": _INK,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "figure.constrained_layout.use": False,
}


def draw(chart: Chart, number: int) -> str:
    """The chart as an SVG element that stands in an HTML page.

    Args:
        chart: what to show.
        number: of the chart in its page, so that names inside do not meet those of another.

    Raises:
        ValueError: a chart of an unknown kind.
    """
    painters: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        BARS: _bars,
        SEQUENCE: _sequence,
        SESSIONS: _sessions,
        TIMELINE: _timeline,
        TIMES: _times,
        LOSSES: _losses,
    }
    if chart.kind not in painters:
        raise ValueError(f"chart: got kind {chart.kind!r}, want one of {', '.join(painters)}")
    with mpl.rc_context({**_RC, "svg.hashsalt": f"chart-{number}"}):
        return _as_element(_svg(painters[chart.kind](chart.data)), chart, number)


def short(name: str) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= _MAX_LABEL else name[: _MAX_LABEL - 1] + "…"


def _svg(figure: Any) -> str:
    target = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(target, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return target.getvalue()


def _as_element(svg: str, chart: Chart, number: int) -> str:
    """Only the element, as wide as its place, with its text alternative and without names that nothing refers to."""
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


def _canvas(height: float) -> Any:
    return Figure(figsize=(_WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.04))


def _figure(height: float, rows: int = 1, ratios: Sequence[float] = (1,), **options: Any) -> tuple[Any, Any]:
    figure = _canvas(height)
    axes = figure.subplots(rows, 1, height_ratios=list(ratios), squeeze=False, **options)[:, 0]
    return figure, axes


def _quiet_grid(axis: Any, which: str) -> None:
    axis.grid(axis=which, color=_RULE, linewidth=0.6)
    axis.set_axisbelow(True)


# --------------------------------------------------------------------------
# Bars
# --------------------------------------------------------------------------


def _bars(data: Mapping[str, Any]) -> Any:
    groups, series = list(data["groups"])[:_MAX_GROUPS], data["series"]
    each = 0.8 / max(1, len(series))
    labelled = len(groups) * len(series) <= 24
    figure, (axis,) = _figure(max(1.1, 0.75 + len(groups) * (0.21 * len(series) + 0.12)))
    top = 0.0
    for number, (name, values) in enumerate(series.items()):
        colour, hatch = _STYLES[number % len(_STYLES)]
        places = [index + (number - (len(series) - 1) / 2) * each for index in range(len(groups))]
        lengths = [0 if value is None else value for value in list(values)[: len(groups)]]
        axis.barh(places, lengths, each * 0.92, color=colour, hatch=hatch, edgecolor=_INK, linewidth=0.6, label=name)
        top = max([top, *lengths])
        for place, value in zip(places, values, strict=False):
            if labelled:
                text = "not read" if value is None else f"{value:g}"
                axis.annotate(text, (value or 0, place), (3, 0), textcoords="offset points", va="center", fontsize=9.5)
    expected = data.get("expected")
    if expected is not None:
        axis.axvline(expected, color=_INK, linewidth=1.1, linestyle=_LINES[1], label=f"{_SHARE}{expected:.4g}")
    axis.set_yticks(range(len(groups)), [short(str(name)) for name in groups])
    axis.invert_yaxis()
    axis.set_xlim(0, max(top, expected or 0, 1) * 1.12)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axis.set_xlabel(str(data["unit"]))
    axis.tick_params(axis="y", length=0)
    _quiet_grid(axis, "x")
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


def _sequence(data: Mapping[str, Any]) -> Any:
    nodes, sequence = list(data["nodes"]), list(data["sequence"])
    rows = {name: index for index, name in enumerate(dict.fromkeys([*nodes, *sequence]))}
    figure, (axis,) = _figure(0.75 + 0.22 * max(2, len(rows)))
    for name, row in rows.items():
        places = [index + 1 for index, node in enumerate(sequence) if node == name]
        marker = _MARKS[row % len(_MARKS)]
        axis.plot(
            places, [row] * len(places), marker, color=_BLUE, markersize=4.2, markeredgecolor=_INK, markeredgewidth=0.5
        )
    for begin in range(data["offset"], len(sequence) - len(nodes) + 1, 2 * len(nodes)):
        axis.axvspan(begin + 0.5, begin + len(nodes) + 0.5, color=_SHADE, linewidth=0, zorder=0)
    steps = range(len(sequence))
    axis.plot([index + 1 for index in steps], [rows[node] for node in sequence], color=_SOFT, linewidth=0.5, zorder=1)
    axis.set_yticks(range(len(rows)), [short(name) or "(no name)" for name in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(0, len(sequence) + 1)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10]))
    axis.set_xlabel("request, in the order of sending")
    _quiet_grid(axis, "y")
    return figure


def _sessions(data: Mapping[str, Any]) -> Any:
    panels = [("with a cookie jar", data["sessions"])]
    if data.get("control"):
        panels.append(("control: without", data["control"]))
    nodes = list(dict.fromkeys([*data["nodes"], *(node for _, all_ in panels for one in all_ for node in one)]))
    clients = min(_MAX_MATRIX, max(len(sessions) for _, sessions in panels))
    figure = _canvas(1.0 + 0.175 * clients)
    # A panel alone would be stretched to the whole width, which a matrix does not need.
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
            axis.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor=_WHITE, linewidth=0.8)
            )
            ink = _WHITE if shade > 0.6 else _INK
            axis.text(column, row, str(count), ha="center", va="center_baseline", fontsize=9.5, color=ink)
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


# --------------------------------------------------------------------------
# Drills
# --------------------------------------------------------------------------


def _timeline(data: Mapping[str, Any]) -> Any:
    series, events = data["timeline"], data["events"]
    width = series["bin_seconds"]
    figure, axes = _figure(5.0, 3, (1.15, 1, 1.15), sharex=True)
    members, throughput, latency = axes
    times = [index * width for index in range(len(series["answered"]))]
    for number, (tier, counts) in enumerate(series["nodes"].items()):
        style = _LINES[number % len(_LINES)]
        members.step(
            times,
            counts,
            where="post",
            color=(_BLUE, _INK)[number % 2],
            linestyle=style,
            linewidth=1.4,
            label=short(tier),
        )
    highest = max([1, *(value for counts in series["nodes"].values() for value in counts)])
    members.set_ylim(0, highest + 1.5)
    members.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    _events(axes, events, highest)
    # The load ends inside the last bin, which would look like a fall.
    whole = series["answered"][:-1] or series["answered"]
    rates = [value / width for value in whole]
    throughput.step(times[: len(whole)], rates, where="post", color=_BLUE, label="answered")
    _failures(throughput, times, series["failed"], width)
    throughput.set_ylim(0, max([1.0, *rates]) * 1.1)
    for name, label, style in (("p95_ms", "95 % within", _LINES[1]), ("p50_ms", "median", _LINES[0])):
        known = [(at, value) for at, value in zip(times, series[name], strict=True) if value]
        latency.plot(
            [at for at, _ in known],
            [value for _, value in known],
            color=(_INK if name == "p95_ms" else _BLUE),
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
        _quiet_grid(axis, "y")
    return figure


def _failures(axis: Any, times: Sequence[float], failed: Sequence[int], width: float) -> None:
    lost = [(at + width / 2, count) for at, count in zip(times, failed, strict=True) if count]
    if lost:
        axis.plot(
            [at for at, _ in lost],
            [count / width for _, count in lost],
            "X",
            color=_RED,
            markeredgecolor=_INK,
            markersize=5.5,
            markeredgewidth=0.5,
            label="failed",
        )


def _events(axes: Sequence[Any], events: Sequence[Mapping[str, Any]], highest: float) -> None:
    """Grey while an event goes on; its number above, its name in the table beside."""
    members = axes[0]
    for number, event in enumerate(events, 1):
        for axis in axes:
            axis.axvspan(
                event["began"], max(event["ended"], event["began"] + 0.05), color=_SHADE, linewidth=0, zorder=0
            )
            axis.axvline(event["began"], color=_SOFT, linewidth=0.6, linestyle=_LINES[2], zorder=0)
        if len(events) <= 24:
            members.annotate(
                str(number), (event["began"], 0), (1, 2), textcoords="offset points", fontsize=9.5, fontweight="bold"
            )
    for kind, marker, row, colour in (("left", "v", 0.75, _WHITE), ("joined", "^", 0.75, _BLUE)):
        at = [moment for event in events for moment in event[kind].values()]
        if at:
            members.plot(
                at,
                [highest + row] * len(at),
                marker,
                color=colour,
                markeredgecolor=_INK,
                markeredgewidth=0.7,
                markersize=5,
                label=kind,
            )


def _limit(axis: Any, kind: str, limit: float, number: int, longest: float) -> None:
    colour, left = (_BLUE, _INK)[number % 2], limit > longest * 0.6
    axis.plot([limit, limit], [0, 95], color=colour, linestyle=_LINES[2], linewidth=1.2)
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


def _times(data: Mapping[str, Any]) -> Any:
    figure, (axis,) = _figure(2.5)
    known = [value for value in data["limits"].values() if value is not None]
    longest = max([0.0, *known, *(value for values in data["times"].values() for value in values)])
    for number, (kind, values) in enumerate(data["times"].items()):
        if not values:
            continue
        shares = [(index + 1) / len(values) * 100 for index in range(len(values))]
        colour, style = (_BLUE, _INK)[number % 2], _LINES[number % 2]
        axis.step(
            [0, *values],
            [0, *shares],
            where="post",
            color=colour,
            linestyle=style,
            linewidth=1.4,
            marker=_MARKS[number],
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
    _quiet_grid(axis, "both")
    return figure


def _losses(data: Mapping[str, Any]) -> Any:
    bars = list(data["bars"])
    figure, (axis,) = _figure(0.85 + 0.3 * max(1, len(bars)))
    top = max([bar["high"] for bar in bars], default=0.001) * 1e4
    for row, bar in enumerate(bars):
        rate, low, high = (value * 1e4 for value in (bar["lost"] / bar["sent"], bar["low"], bar["high"]))
        ours = bar["who"] == "ours"
        axis.barh(
            row,
            rate,
            0.66,
            color=_BLUE if ours else _WHITE,
            hatch="" if ours else "////",
            edgecolor=_INK,
            linewidth=0.6,
        )
        axis.plot([low, high], [row, row], color=_INK, linewidth=1.2, marker="|", markersize=6)
        axis.annotate(
            f"{bar['lost']} of {bar['sent']:,}",
            (high, row),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
    words = {"ours": "contract", "control": "control"}
    axis.set_yticks(range(len(bars)), [f"{short(str(bar['drill']))}, {words[bar['who']]}" for bar in bars])
    axis.invert_yaxis()
    axis.set_xlim(0, top * 1.3)
    axis.set_xlabel("requests lost of 10,000; the whisker is the 95 % interval")
    axis.tick_params(axis="y", length=0)
    _quiet_grid(axis, "x")
    return figure
