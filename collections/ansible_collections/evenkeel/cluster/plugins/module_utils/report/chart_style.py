# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What all charts share: matplotlib, colours, line styles, axes.

Series differ by hatch, marker, line style or text, never by colour alone, so a chart is readable in black and white.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

# Keeps the cache of fonts in the environment, and out of the user's home.
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

# Inches of 72 points: about as wide as a phone, so text has its drawn size there.
_WIDTH = 5.2
INK, SOFT, _RULE = "#1b1f24", "#57606a", "#c9d1d9"
SHADE = "#e6eaef"
BLUE, PALE, RED, WHITE = "#1f5fa8", "#a9c8ea", "#b3261e", "#ffffff"
# Hatches of lines only: dots and stars are paths of many points and make the file large.
STYLES = ((BLUE, ""), (PALE, "////"), (WHITE, ""), ("#d0d7de", "xxx"))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")
LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
_MAX_LABEL = 22
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
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "hatch.linewidth": 0.7,
    "hatch.color": INK,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "figure.constrained_layout.use": False,
}


def short(name: str) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= _MAX_LABEL else name[: _MAX_LABEL - 1] + "…"


def styled(number: int) -> AbstractContextManager[None]:
    """The style of our charts while one is drawn; *number* keeps the names in it apart from those of other charts."""
    return mpl.rc_context({**_RC, "svg.hashsalt": f"chart-{number}"})


def svg_text(figure: Any) -> str:
    """The drawn figure."""
    target = io.StringIO()
    writer: Any = FigureCanvasSVG(figure)
    writer.print_svg(target, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return target.getvalue()


def canvas(height: float) -> Any:
    """An empty figure, *height* inches high."""
    return Figure(figsize=(_WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.04))


def stacked_axes(height: float, rows: int = 1, ratios: Sequence[float] = (1,), **options: Any) -> tuple[Any, Any]:
    """A figure, *height* inches high, and its axes, one below the other."""
    figure = canvas(height)
    axes = figure.subplots(rows, 1, height_ratios=list(ratios), squeeze=False, **options)[:, 0]
    return figure, axes


def grid(axes: Any, which: str) -> None:
    """Pale lines behind the data, along ``x``, ``y`` or ``both``."""
    axes.grid(axis=which, color=_RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def whole_ticks(axis: Any, most: int, steps: Sequence[int] | None = None) -> None:
    """Ticks at whole numbers only, *most* intervals of them at most."""
    axis.set_major_locator(MaxNLocator(integer=True, nbins=most, steps=steps))


def cell(column: float, row: float, colour: Any) -> Any:
    """A square of a matrix."""
    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor=WHITE, linewidth=0.8)
