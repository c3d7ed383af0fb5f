"""The browsers that the page is tested in: where they are installed, and how each is started, without a window."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest


def launch_chromium(playwright: Any, *flags: str) -> Any:
    """Start the installed Chromium by Playwright; the test is skipped where there is none."""
    command = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if command is None:
        not_installed("Chromium", "chromium")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    return playwright.chromium.launch(executable_path=command, args=[*options, *flags])


def launch_firefox(playwright: Any) -> Any:
    """Start the installed Firefox, not a build of Playwright's, by WebDriver BiDi."""
    command = shutil.which("firefox-esr") or shutil.which("firefox")
    if command is None:
        not_installed("Firefox", "firefox-esr")
    return playwright.firefox.launch(channel="moz-firefox", executable_path=command)


@contextlib.contextmanager
def webkit_driver() -> Iterator[Any]:
    """Start WebKitGTK's MiniBrowser by Selenium, on a screen of its own."""
    mini_browser = next(iter(sorted(Path("/usr/lib").glob("*/webkit2gtk-4*/MiniBrowser"))), None)
    driver, xvfb = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    if mini_browser is None or driver is None or xvfb is None:
        not_installed("WebKitGTK", "webkit2gtk-driver xvfb")
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium to test the page in WebKit")
    with _screen(xvfb) as display:
        options = webdriver.WebKitGTKOptions()
        options.binary_location = str(mini_browser)
        options.add_argument("--automation")
        service = webdriver.WebKitGTKService(driver, env=os.environ | {"DISPLAY": display})
        with webdriver.WebKitGTK(options, service) as started:
            yield started


@contextlib.contextmanager
def _screen(xvfb: str) -> Iterator[str]:
    """Start an X server without a screen; yield its DISPLAY."""
    readable, writable = os.pipe()
    command = [xvfb, "-displayfd", str(writable), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writable], stderr=subprocess.DEVNULL)
    os.close(writable)
    try:
        with os.fdopen(readable) as answer:
            yield f":{answer.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def not_installed(browser: str, packages: str) -> NoReturn:
    """Skip the test, or fail it where STARVEC_REQUIRE_BROWSERS is set, as .ci/run does."""
    reason = f"no {browser} on this machine: apt-get install {packages}"
    if os.environ.get("STARVEC_REQUIRE_BROWSERS"):
        pytest.fail(reason)
    pytest.skip(reason)
