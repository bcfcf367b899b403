"""A headless Chromium, driven through ChromeDriver's HTTP interface; nothing but the two programs is needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")
MISSING = "" if BROWSER and DRIVER else "no Chromium with its ChromeDriver is installed"
"""The reason why tests in a browser are left out; empty where they can run."""
AXE = os.environ.get("TRANSLATE_TEST_AXE")
"""The file `axe.min.js` of axe-core, which looks for faults of accessibility; not needed."""
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--allow-file-access-from-files",
    "--force-device-scale-factor=1",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element in WebDriver's answers."""


class Browser:
    """One window. `address` is that of its WebDriver session."""

    def __init__(self, address: str) -> None:
        self._address = address

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str, *values: Any) -> Any:
        """The value that a script returns; `arguments` are `values`."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(values)})

    def run_later(self, script: str, *values: Any) -> Any:
        """The value that a script hands to its last argument, a function."""
        return self._ask("POST", "/execute/async", {"script": script, "args": list(values)})

    def find(self, css: str) -> str:
        """The first element."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": css})
        return str(found[ELEMENT])

    def click(self, css: str) -> None:
        self._ask("POST", f"/element/{self.find(css)}/click", {})

    def press(self, *keys: str) -> None:
        """Presses keys, by their WebDriver codes, where the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Presses the mouse at one place of the window, moves to another one, and lets it go."""
        path = [
            {"type": "pointerMove", "duration": 0, "x": round(start[0]), "y": round(start[1])},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 60, "x": round(end[0]), "y": round(end[1])},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": path}
        self._ask("POST", "/actions", {"actions": [mouse]})

    def box(self, css: str) -> dict[str, float]:
        """The place of an element in the window, once it is scrolled to: x, y, width, height."""
        script = (
            "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'});"
            "const b = e.getBoundingClientRect(); return {x: b.x, y: b.y, width: b.width, height: b.height}"
        )
        found: dict[str, float] = self.run(script, css)
        return found

    def resize(self, width: int, height: int) -> None:
        """The size of what is seen of a page, which a window cannot have below 500 pixels."""
        facts = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", facts)

    def devtools(self, command: str, params: dict[str, Any]) -> Any:
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        facts: dict[str, Any] = {"captureBeyondViewport": whole}
        if whole:
            size = self.devtools("Page.getLayoutMetrics", {})["cssContentSize"]
            facts["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}
        return base64.b64decode(self.devtools("Page.captureScreenshot", facts)["data"])

    def wait(self, script: str, *values: Any, seconds: float = 30.0) -> Any:
        """The value of a script once it is true."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if value := self.run(script, *values):
                return value
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {script}")

    def errors(self) -> list[str]:
        """What the console was told as an error since the last call."""
        lines = self._ask("POST", "/se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        """The addresses that pages asked for since the last call."""
        found = []
        for line in self._ask("POST", "/se/log", {"type": "performance"}):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(str(message["params"]["request"]["url"]))
        return found

    def faults(self) -> list[str]:
        """The serious faults of accessibility that axe-core finds on the page."""
        assert AXE is not None
        self.run(Path(AXE).read_text("utf-8"))
        script = "const done = arguments[0]; axe.run().then(found => done(found.violations))"
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in self.run_later(script)
            if one["impact"] in ("serious", "critical")
        ]

    def _ask(self, way: str, path: str, content: dict[str, Any]) -> Any:
        return ask(way, self._address + path, content)


def ask(way: str, url: str, content: dict[str, Any] | None = None) -> Any:
    """One request to ChromeDriver. Errors: AssertionError with what it says."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=way)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()[:600]) from None


@contextmanager
def browser(size: tuple[int, int] = (1280, 800)) -> Iterator[Browser]:
    """A window that keeps its profile in a folder of its own, and ends with it."""
    assert BROWSER and DRIVER
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [DRIVER, "--port=0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
            try:
                server = f"http://127.0.0.1:{_port(driver)}"
                options = {"binary": BROWSER, "args": [*FLAGS, f"--user-data-dir={profile}"]}
                logs = {"browser": "ALL", "performance": "ALL"}
                wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": logs, "timeouts": {"script": 60_000}}
                session = ask("POST", f"{server}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
                address = f"{server}/session/{session}"
                try:
                    window = Browser(address)
                    window.resize(*size)
                    yield window
                finally:
                    ask("DELETE", address)  # which ends the browser
            finally:
                driver.terminate()
                driver.wait(20)


def _port(driver: subprocess.Popen[str]) -> int:
    assert driver.stdout is not None
    for line in driver.stdout:
        if "started successfully on port" in line:
            return int(line.rstrip().rstrip(".").rpartition(" ")[2])
    raise AssertionError("ChromeDriver did not start")
