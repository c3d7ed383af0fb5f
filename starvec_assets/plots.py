"""Small charts for the UI: sparklines and bars as inline SVG, line, point and histogram charts as PNG bytes.

The UI shows Markdown of less than 1,000 characters at once, and more behind a click.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from starvec_assets.markdown import Markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = Sequence[float] | npt.NDArray[np.number]

INK, GRID, SERIES = "#24292f", "#d0d7de", ("#0969da", "#bf3989", "#1a7f37", "#9a6700", "#8250df", "#57606a")

CATEGORY_COLOURS = (
    *("#2f6fd6", "#e0b400", "#16a8c7", "#0b7a75", "#e8751a", "#c2188b", "#3a4a5e", "#8a4b2a"),
    *("#8b5cf6", "#7fb800", "#1f8f3b", "#ff8f80", "#d62728", "#ef6fc0", "#7a0019", "#8fb7ff"),
)
"""Sixteen colours that remain distinguishable as small dots."""


def sparkline(values: Numbers, points: int = 40) -> Markdown:
    """Return the lowest and the highest value and an inline SVG of at most `points` points, short enough for the UI."""
    data = np.asarray(values, float)
    data = data[np.isfinite(data)]
    if len(data) < 2:
        return Markdown(_short(data[0]) if len(data) else "no values")
    low, high = data.min(), data.max()
    if len(data) > points:
        data = np.array([chunk.mean() for chunk in np.array_split(data, points)])
    x = np.linspace(2, 158, len(data))
    y = 28 - 26 * (data - low) / (high - low or 1)
    line = " ".join(f"{a:.0f},{b:.0f}" for a, b in zip(x, y, strict=True))
    line = f"<polyline points='{line}' fill='none' stroke='{SERIES[0]}'/>"
    bounds = f"{_short(low)} to {_short(high)}"
    return Markdown(f"{bounds} {_inline_svg(line, 160, 30, bounds)}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def inline_bars(values: Mapping[str, float], intervals: Mapping[str, tuple[float, float]], title: str) -> Markdown:
    """Return named bars, with a line over each interval, as an inline SVG: up to eight are short enough.

    Values and intervals are not negative.
    """
    longest = max([1e-9, *values.values(), *(high for _, high in intervals.values())])
    names = bars = whiskers = ""
    for row, (name, value) in enumerate(values.items()):
        y = 15 * row + 8
        names += f"<text y='{y + 4}'>{html.escape(name[:10])} {value:.3g}</text>"
        bars += f"M110 {y}h{150 * value / longest:.0f}"
        if name in intervals:
            low, high = (110 + 150 * bound / longest for bound in intervals[name])
            whiskers += f"M{low:.0f} {y}H{high:.0f}"
    bars = f"<path stroke='{SERIES[0]}' stroke-width='9' d='{bars}'/><path stroke='{INK}' d='{whiskers}'/>"
    return _inline_svg(f"<g font-size='11' font-family='Arial'>{names}</g>{bars}", 265, 15 * len(values) + 2, title)


def _inline_svg(shapes: str, width: int, height: int, alt: str) -> Markdown:
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'>{shapes}</svg>"
    return Markdown(f"![{alt}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")


def line_chart(series: Mapping[str, tuple[Numbers, Numbers]], title: str, x: str, y: str) -> bytes:
    """Draw named curves (xs, ys)."""
    figure, axes = _axes(title, x, y)
    for (name, (xs, ys)), colour in zip(series.items(), cycle(SERIES), strict=False):
        axes.plot(xs, ys, label=name, color=colour, linewidth=1.6, marker="o" if len(xs) < 40 else None, markersize=3)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def labelled_scatter(points: Mapping[str, tuple[float, float]], title: str, x: str, y: str) -> bytes:
    """Draw named points (x, y) on a logarithmic x axis, names in a column at the right, highest y on top."""
    from matplotlib.ticker import LogLocator

    figure, axes = _axes(title, x, y, height=max(2.8, 0.9 + 0.15 * len(points)))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.plot([at[0] for at in points.values()], [at[1] for at in points.values()], "o", color=SERIES[0], markersize=4)
    low, high = axes.get_ylim()
    gap = 1 / max(len(points), 1)
    ceiling = 1.0 + gap
    for left, (name, (_, value)) in enumerate(sorted(points.items(), key=lambda point: -point[1][1])):
        # At the height of its point, but below the previous name and with room for the remaining ones.
        ceiling = max(min((value - low) / (high - low), ceiling - gap), 1 - (left + 1) * gap)
        axes.annotate(
            name,
            points[name],
            (1.03, ceiling),
            textcoords="axes fraction",
            fontsize=6.5,
            color=INK,
            va="center",
            arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 0.8, "relpos": (0, 0.5), "shrinkA": 0},
        )
    return _png(figure)


def month_chart(
    months: Sequence[str],
    panels: Mapping[str, Mapping[str, Sequence[float | None]]],
    title: str,
    bands: Mapping[str, tuple[Sequence[float | None], Sequence[float | None]]] | None = None,
) -> bytes:
    """Draw curves over months ("2024-01", in order) in panels below each other.

    `panels` maps the label of a y axis to named curves, each with one value per month. None, and a month that is not in
    `months`, leaves a gap. `bands` shades a panel between two curves (low, high).
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    at = np.array([int(month[:4]) * 12 + int(month[5:]) - 1 for month in months])
    span = np.arange(at[0], at[-1] + 1)
    figure = _figure(6.4, 0.7 + 1.5 * len(panels))
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]

    def spread(values: Sequence[float | None]) -> npt.NDArray[np.float64]:
        ys = np.full(len(span), np.nan)
        ys[at - at[0]] = [np.nan if value is None else value for value in values]
        return ys

    for axis, (label, curves) in zip(axes, panels.items(), strict=True):
        for (name, values), colour in zip(curves.items(), cycle(SERIES), strict=False):
            axis.plot(span, spread(values), label=name, color=colour, linewidth=1.4, marker="o", markersize=2)
        if bands and label in bands:
            low, high = map(spread, bands[label])
            axis.fill_between(span, low, high, color=SERIES[0], alpha=0.2, linewidth=0)
        if len(curves) > 1:
            axis.legend(frameon=False, fontsize=7)
        _style_axes(axis, "", label)
        axis.set_ylim(bottom=0)
    axes[0].set_title(title, fontsize=10, color=INK, loc="left")
    axes[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{int(x) // 12}-{int(x) % 12 + 1:02}"))
    return _png(figure)


def histogram(values: Numbers, title: str, x: str, bins: int = 50) -> bytes:
    """Draw a histogram with a logarithmic x axis, linear if no value is above 1 or all are equal."""
    data = np.asarray(values, float)
    figure, axes = _axes(title, x, "count")
    edges: list[float] | int = bins
    if len(data) and data.max() > max(data.min(), 1):
        edges = np.geomspace(max(data.min(), 1), data.max(), bins).tolist()
        axes.set_xscale("log")
    axes.hist(data, bins=edges, color=SERIES[0])
    return _png(figure)


def scatter_map(
    points: npt.NDArray[np.floating], groups: Sequence[int], labels: Sequence[tuple[str, float, float]], title: str
) -> bytes:
    """Draw points [n, 2], x to the right and y downwards from -1 to 1, coloured by group, and labels at (x, y).

    Of labels that would overlap, the first is drawn; the first quarter of those drawn is larger. There are sixteen
    colours: several groups share one.
    """
    figure, axes = _axes(title, "", "", height=9.6, width=10.4)
    axes.axis("off")
    axes.set(xlim=(-1, 1), ylim=(1, -1))
    shades = [CATEGORY_COLOURS[group % len(CATEGORY_COLOURS)] for group in groups]
    axes.scatter(
        points[:, 0], points[:, 1], s=max(0.5, min(14, 50_000 / len(points))), c=shades, linewidths=0, alpha=0.6
    )
    _write_labels(figure, axes, labels)
    return _png(figure, dpi=100, palette=True)


def _write_labels(figure: "Figure", axes: "Axes", labels: Sequence[tuple[str, float, float]], most: int = 120) -> None:
    """Write the first labels that overlap no earlier one, with a halo: at most `most`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.patheffects import withStroke

    figure.draw_without_rendering()  # fixes the layout, hence the positions of text boxes
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    halo = [withStroke(linewidth=2.2, foreground="white")]
    taken: list[Any] = []
    for name, x, y in labels:
        if len(taken) == most:
            break
        size = 8.5 if len(taken) < most / 4 else 6.5
        text = axes.text(x, y, name, fontsize=size, color=INK, ha="center", va="center", path_effects=halo)
        box = text.get_window_extent(renderer).padded(2)
        if box.count_overlaps(taken):
            text.remove()
        else:
            taken.append(box)


def _axes(title: str, x: str, y: str, height: float = 2.8, width: float = 6.4) -> "tuple[Figure, Axes]":
    figure = _figure(width, height)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    _style_axes(axes, x, y)
    return figure, axes


def _figure(width: float, height: float) -> "Figure":
    # Figure without pyplot needs no display and is thread-safe.
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["text.parse_math"] = False  # names may contain dollar signs
    return Figure(figsize=(width, height), layout="constrained")


def _style_axes(axes: "Axes", x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _png(figure: "Figure", dpi: int = 110, palette: bool = False) -> bytes:
    """Return the PNG's bytes; with a palette of 255 colours, a quarter of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    if palette:
        image = Image.open(buffer).convert("RGB").quantize(255, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
