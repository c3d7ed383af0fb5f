"""The browsers that the page is tested in: where they are installed, and how each is started."""

import os
import shutil
from typing import Any, NoReturn

import pytest

PACKAGES = {"chromium": "chromium", "firefox": "firefox-esr", "webkit": "webkit2gtk-driver xvfb"}
"""Debian's package of each browser."""
_COMMANDS = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "firefox": ("firefox-esr", "firefox")}


class Browsers:
    """Chromium and Firefox by Playwright, without windows; each is started when first asked for, once for all tests."""

    def __init__(self) -> None:
        self._playwright: Any = None
        self._started: dict[str, Any] = {}

    def start(self, name: str) -> Any:
        """Return the browser `name`, chromium or firefox; the test is skipped where it is not installed."""
        if name not in self._started:
            command = next(filter(None, map(shutil.which, _COMMANDS[name])), None)
            if command is None:
                not_installed(name)
            api = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test page and UI")
            self._playwright = self._playwright or api.sync_playwright().start()
            self._started[name] = getattr(self, f"_launch_{name}")(command)
        return self._started[name]

    def _launch_chromium(self, command: str) -> Any:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        return self._playwright.chromium.launch(executable_path=command, args=options)

    def _launch_firefox(self, command: str) -> Any:
        """Start an unpatched Firefox, which Playwright speaks WebDriver BiDi with."""
        return self._playwright.firefox.launch(channel="moz-firefox", executable_path=command)

    def close(self) -> None:
        """End all browsers."""
        for browser in self._started.values():
            browser.close()
        if self._playwright:
            self._playwright.stop()


def not_installed(name: str) -> NoReturn:
    """Skip the test, or fail it if STARVEC_REQUIRE_BROWSERS is set."""
    reason = f"no {name} on this machine: apt-get install {PACKAGES[name]}"
    if os.environ.get("STARVEC_REQUIRE_BROWSERS"):
        pytest.fail(reason)
    pytest.skip(reason)
