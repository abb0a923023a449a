"""As much of the WebDriver protocol as the tests of the page need, spoken to chromedriver."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from minebench.lab.ports import free_port

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--mute-audio",
         "--disable-dev-shm-usage", "--force-color-profile=srgb")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
DRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium")


class Browser:
    """One window."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http, self._session = http, session

    def ask(self, method: str, path: str, **told: Any) -> Any:
        """One command; its value. Raises RuntimeError with what the driver says."""
        answer = self._http.request(method, f"/session/{self._session}{path}", json=told if method == "POST" else None)
        value = answer.json()["value"]
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {value['message'].splitlines()[0]}")
        return value

    def open(self, url: str) -> None:
        """Load a page."""
        self.ask("POST", "/url", url=url)

    def run(self, script: str, *given: Any) -> Any:
        """The value that a function body in JavaScript returns."""
        return self.ask("POST", "/execute/sync", script=script, args=list(given))

    def wait(self, script: str, seconds: float = 25.0) -> Any:
        """Until the expression is true, asked for in the page itself; its value. Raises TimeoutError."""
        value = self.ask("POST", "/execute/async", args=[seconds * 1000], script=f"""
            const [patience, done] = arguments, end = performance.now() + patience;
            const look = () => {{ let value; try {{ value = ({script}); }} catch (error) {{ value = null; }}
                if (value) done(value); else if (performance.now() > end) done(null); else setTimeout(look, 50); }};
            look();""")
        if value is None:
            raise TimeoutError(f"{script}: not within {seconds:g} s. The page says: {self.text()[:600]}")
        return value

    def text(self, selector: str = "body") -> str:
        """What people read in the first element of that selector."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def click(self, selector: str) -> None:
        """As a mouse would, at the element's middle."""
        self.ask("POST", f"/element/{self._found(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        """Into a field."""
        self.ask("POST", f"/element/{self._found(selector)}/value", text=text)

    def press(self, selector: str, *shares: tuple[float, float]) -> None:
        """Click at places of an element, told as shares of its sides."""
        box = self.run("const b = document.querySelector(arguments[0]).getBoundingClientRect();"
                       "return [b.left, b.top, b.width, b.height]", selector)
        for x, y in shares:
            at = {"type": "pointerMove", "duration": 0,
                  "x": round(box[0] + x * box[2]), "y": round(box[1] + y * box[3])}
            self.ask("POST", "/actions", actions=[{"type": "pointer", "id": "mouse", "actions": [
                at, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]}])

    def size(self, width: int, height: int) -> None:
        """Of what is seen of the page, as a device of that size would show it."""
        self.ask("POST", "/chromium/send_command", cmd="Emulation.setDeviceMetricsOverride", params={
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def log(self, kind: str) -> list[dict[str, Any]]:
        """What was logged since it was asked for last: `browser` for the console, `performance` for requests."""
        return list(self.ask("POST", "/se/log", type=kind))

    def picture(self, path: Path) -> None:
        """Save what is seen."""
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def _found(self, selector: str) -> str:
        return str(self.ask("POST", "/element", using="css selector", value=selector)[ELEMENT])


@contextmanager
def chromium(profile: Path, *flags: str) -> Iterator[Browser]:
    """A headless Chromium with nothing in it; it and its driver are gone afterwards."""
    assert DRIVER is not None and CHROMIUM is not None
    port = free_port()
    driver = subprocess.Popen([DRIVER, f"--port={port}", "--log-level=OFF"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    session = ""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False,
                      transport=httpx.HTTPTransport(retries=20)) as http:
        try:
            wanted = {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                      "goog:chromeOptions": {"binary": CHROMIUM,
                                             "args": [*FLAGS, f"--user-data-dir={profile}", *flags]}}
            session = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}}).json()["value"]["sessionId"]
            yield Browser(http, session)
        finally:
            if session:
                http.delete(f"/session/{session}")
            driver.terminate()
            driver.wait(10)
