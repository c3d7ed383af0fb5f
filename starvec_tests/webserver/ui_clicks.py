"""Clicks in the UI: paths of the documents, such as "Jobs → rebuild → Materialize all", followed as written."""

import re
from typing import Any

from starvec_assets.paths import PACKAGE

DOCUMENTS = [PACKAGE.parent / "README.md", *sorted((PACKAGE.parent / "docs").glob("*.md"))]
SECTIONS = ("Catalog", "Jobs", "Automation")  # of the navigation: where a path begins
MENU = "▾"
"""The button beside Materialize."""


def documented_paths() -> set[str]:
    """Return every path of the documents: text in italics with an arrow."""
    return {path for file in DOCUMENTS for path in re.findall(r"\*([^*\n]* → [^*]*)\*", file.read_text("utf-8"))}


def documented_yaml() -> list[str]:
    """Return every YAML block of the documents, in order: what an editor of the UI takes."""
    return [text for file in DOCUMENTS for text in re.findall(r"```yaml\n(.*?)```", file.read_text("utf-8"), re.DOTALL)]


def follow(page: Any, path: str) -> None:
    """Click from one step of a path to the next, from the start page of the UI."""
    page.goto("/")
    for step in path.split(" → "):
        if step == MENU:
            page.locator("xpath=//button[starts-with(normalize-space(), 'Materialize')]/following::button[1]").click()
        elif step in SECTIONS:
            page.get_by_role("link", name=step).first.click()
        elif step.startswith("Materialize"):
            page.locator("button, a").filter(has_text=re.compile(rf"^{step}(…|\.\.\.)?$")).first.click()
        elif step == "Runs":
            page.get_by_role("tab", name=step).click()
        else:
            page.get_by_text(step, exact=True).first.click()


def edit(page: Any, yaml: str) -> None:
    """Replace what the editor has by a text, as by typing it."""
    page.locator(".CodeMirror").click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(yaml)
