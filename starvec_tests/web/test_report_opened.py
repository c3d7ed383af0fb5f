"""The evaluation's report in a browser: complete, readable on a phone and in dark mode, without any request."""

import json
from pathlib import Path
from typing import Any

import pytest
from page_helpers import wait_until

from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.gates import GateResult
from starvec_assets.evaluation.report import CHARTED, render_report
from starvec_assets.export.bundle import BundleInputs

CUT = """() => [...document.querySelectorAll("svg")].flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter((text) => {
    const r = text.getBoundingClientRect();
    return r.left < box.left - 1 || r.right > box.right + 1 || r.top < box.top - 1 || r.bottom > box.bottom + 1;
  }).map((text) => text.textContent);
})"""
PAINTED = """() => [...document.querySelectorAll("figure svg")].map((svg) =>
  [...svg.querySelectorAll("rect, path")].filter((shape) => shape.getBoundingClientRect().width > 0).length)"""
GROUND = "() => getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).reduce((sum, x) => sum + Number(x), 0)"


def gates_of(inputs: BundleInputs) -> list[GateResult]:
    return [GateResult(**gate) for gate in json.loads((inputs.evaluation / "gates.json").read_text())]


@pytest.fixture
def report(serve_folder: Any, inputs: BundleInputs, tmp_path: Path) -> str:
    """Address of the report."""
    rendered = render_report(inputs.evaluation, gates_of(inputs), "Of a test.")
    (tmp_path / "report.html").write_text(rendered, encoding="utf-8")
    return f"{serve_folder(tmp_path)}report.html"


def test_report_renders_completely(visitor: Any, inputs: BundleInputs, report: str):
    page, errors = visitor.context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.goto(report)

    scores = Evaluation.load(inputs.evaluation)
    charts = page.eval_on_selector_all(
        "figure", "all => all.map(f => [...f.querySelectorAll('text')].map(t => t.textContent))"
    )
    measured = [metric for metric in CHARTED if any(metric in values for values in scores.metrics.values())]
    for metric, words in zip(measured, charts, strict=False):
        expected = {system: f"{values[metric]:.4f}" for system, values in scores.metrics.items() if metric in values}
        assert dict(zip(words[::2], words[1::2], strict=True)) == expected, metric
    painted = page.evaluate(PAINTED)
    assert len(charts) == len(painted) == 10
    assert min(painted) >= 2, "every chart has bars or lines that can be seen"

    met = page.locator("details", has_text="conditions that passed")
    assert not met.locator("table").is_visible()
    met.locator("summary").click()
    assert met.locator("tbody tr").count() == sum(gate.passed for gate in gates_of(inputs))
    wait_until(page, "document.querySelector('details[open] table').checkVisibility()")

    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.scrollingElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
    assert errors == []
    assert visitor.blocked_requests == []


@pytest.mark.only_chromium(reason="Playwright emulates no colour scheme in Firefox")
def test_report_follows_the_colour_scheme(visitor: Any, report: str):
    page = visitor.context.new_page()
    page.goto(report)
    shades = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        shades.append(page.evaluate(GROUND))
    assert shades[0] > 700
    assert shades[1] < 120
