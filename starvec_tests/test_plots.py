"""Charts stay small enough for the UI for any input."""

import base64
from xml.etree import ElementTree

import numpy as np
import pytest

from starvec_assets.plots import (
    histogram,
    inline_bars,
    labelled_scatter,
    line_chart,
    month_chart,
    scatter_map,
    sparkline,
)


def test_sparklines_of_long_series_stay_short():
    values = np.random.default_rng(0).random(100_000) * 1e6
    text = sparkline(values)
    assert text.startswith(f"{values.min():.4g} to {values.max():,.0f} ![")
    assert len(text) < 1000
    svg = base64.b64decode(text.split("base64,")[1].rstrip(")")).decode()
    assert svg.startswith("<svg")
    assert len(svg.split("points='")[1].split("'")[0].split()) == 40


@pytest.mark.parametrize(("values", "text"), [([], "no values"), ([3.5], "3.5"), ([np.nan, 2.0], "2")])
def test_sparklines_of_too_few_values_are_text(values: list[float], text: str):
    assert sparkline(values) == text


def test_a_constant_series_is_a_flat_line():
    assert "4 to 4" in sparkline([4, 4, 4])


def test_bars_of_eight_systems_with_intervals_stay_short():
    systems = {f"system <{i}> and more": 0.123456 * i for i in range(8)}
    text = inline_bars(
        systems, {name: (0.9 * value, 1.1 * value) for name, value in systems.items()}, "awesome NDCG@10"
    )
    assert len(text) < 1000
    assert text.startswith("![awesome NDCG@10](data:image/svg+xml;base64,")
    svg = base64.b64decode(text.split("base64,")[1].rstrip(")"))
    texts = [node.text for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[1] == "system <1> 0.123"


def test_bars_without_values_or_intervals_are_drawn():
    assert inline_bars({}, {}, "t").startswith("![t](")
    assert inline_bars({"a": 0.0}, {}, "t").startswith("![t](")


def test_charts_are_png_and_small():
    charts = [
        line_chart({"a": ([0, 1], [1, 2]), "b": ([0, 1], [2, 1])}, "t", "x", "y"),
        histogram(np.arange(1, 1000), "t", "x"),
        histogram([], "t", "x"),
        labelled_scatter({f"row {i} at $5": (1.0 + i, 0.1) for i in range(25)}, "t", "x", "y"),
        labelled_scatter({}, "t", "x", "y"),
        month_chart(["2023-11", "2024-02"], {"stars": {"a": [1, 2], "b": [None, 3]}, "%": {"": [None, None]}}, "t"),
        month_chart(["2024-02"], {"stars": {"a": [1]}}, "t"),
    ]
    for png in charts:
        assert png.startswith(b"\x89PNG")
        assert len(png) < 100_000


def test_a_band_is_drawn_in_its_panel():
    months, panels = ["2024-01", "2024-02", "2024-03"], {"%": {"a": [50, None, 60]}, "stars": {"": [1, 2, 3]}}
    plain = month_chart(months, panels, "t")
    assert month_chart(months, panels, "t", {"%": ([40, 45, 50], [60, 65, 70])}) != plain
    assert month_chart(months, panels, "t", {"other": ([40, 45, 50], [60, 65, 70])}) == plain


def test_dollar_signs_in_names_are_not_parsed_as_formulas():
    name = r"$\frac{$"
    points = np.random.default_rng(0).random((60, 2))
    for png in (
        line_chart({name: ([0, 1], [1, 2]), "b": ([0, 1], [2, 1])}, name, name, name),
        month_chart(["2024-01"], {name: {name: [1], "b": [2]}}, name),
        scatter_map(points, [0] * 60, [(name, 0.5, 0.5)], name),
    ):
        assert png.startswith(b"\x89PNG")
