"""Colours of the page: the contrast of text in both themes, computed from the variables of style.css."""

import re
from pathlib import Path

import pytest

from starvec_assets.paths import PACKAGE

STYLE = (PACKAGE / "web/style.css").read_text()
REQUIRED = 7.0
"""WCAG 2.2, success criterion 1.4.6 (AAA)."""
TEXT = ["ink", "soft", "blue", "gold"]
GROUNDS = ["paper", "raised", "blue-wash on paper", "blue-wash on raised", "gold-wash on paper", "alarm-wash"]
Colour = tuple[float, float, float]


def variables(theme: int) -> dict[str, str]:
    """Colour of each variable: in the light theme (0) or in the dark one (1)."""
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\);", STYLE)
    return {name: (light, dark)[theme] for name, light, dark in pairs}


def parse(colour: str, ground: Colour = (0, 0, 0)) -> Colour:
    """Red, green and blue, 0 to 255, of a colour that may let the ground through."""
    digits = colour.removeprefix("#").ljust(8, "f")
    red, green, blue, opacity = (int(digits[i : i + 2], 16) for i in (0, 2, 4, 6))
    share = opacity / 255
    r, g, b = (share * own + (1 - share) * other for own, other in zip((red, green, blue), ground, strict=True))
    return r, g, b


def luminance(colour: Colour) -> float:
    """Relative luminance by WCAG 2.2."""
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXT)
def test_text_has_a_contrast_of_seven(text: str, ground: str, theme: int):
    colours = variables(theme)
    wash, _, below = ground.partition(" on ")
    behind = parse(colours[wash], parse(colours[below])) if below else parse(colours[wash])
    assert contrast(parse(colours[text]), behind) >= REQUIRED


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), [("paper", "blue"), ("ink", "mark")], ids=["button", "mark"])
def test_text_on_colour_has_a_contrast_of_seven(text: str, ground: str, theme: int):
    colours = variables(theme)
    assert contrast(parse(colours[text]), parse(colours[ground])) >= REQUIRED


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "raised"])
def test_every_series_has_a_contrast_of_seven(ground: str, theme: int):
    series = re.findall(r"--colour: light-dark\((#\w+), (#\w+)\);", STYLE)
    assert series
    behind = parse(variables(theme)[ground])
    assert min(contrast(parse(pair[theme]), behind) for pair in series) >= REQUIRED


def test_every_colour_of_text_is_a_variable_that_is_tested():
    for path in [PACKAGE / "web/style.css", PACKAGE / "web/map/map.css"]:
        used = set(re.findall(r"^\s+color: ([^;]+);", Path(path).read_text(), re.MULTILINE))
        allowed = {f"var(--{name})" for name in [*TEXT, "paper"]} | {
            "inherit",
            "var(--colour, inherit)",
            "SelectedItemText",
            "ButtonText",
        }
        assert used <= allowed, path.name


def test_black_on_white_has_a_contrast_of_21():
    assert contrast(parse("#000000"), parse("#ffffff")) == pytest.approx(21)
