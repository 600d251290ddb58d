"""The app as a process of its own."""

import dataclasses
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium_program() -> str | None:
    """The Chromium of this machine; to be started with :data:`FLAGS`."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def drawn(page: Any) -> None:
    """Wait until the page's script has ended and every element has taken the place of its skeleton, which can be a second later."""
    page.wait_for_function(
        """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
            && !document.querySelector('[data-testid=stSkeleton]')""",
        timeout=60_000,
    )


def free_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def free_address() -> str:
    """The address of an app on such a port."""
    return f"http://127.0.0.1:{free_port()}"


def by_command(environment: dict[str, str], log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a Python module as people do."""
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env=environment, stdout=file, stderr=file)


@dataclasses.dataclass
class App:
    """A running app and the workspace that it serves."""

    url: str
    home: Path
    environment: dict[str, str]
    log: Path
    launch: Callable[..., Any] = by_command  # takes the environment, the log and the arguments; returns what has the methods of a Popen
    process: Any = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        port = self.url.rpartition(":")[2]
        arguments = ("streamlit", "run", "app.py", "--server.port", port, "--server.headless", "true")
        self.process = self.launch(self.environment, self.log, *arguments)
        for _ in range(1200):  # two minutes: the first preloaded child waits for all imports
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1)
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"The app did not start:\n{self.log.read_text()}")

    def stop(self) -> None:
        """End the server as Ctrl-C does; jobs go on."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
