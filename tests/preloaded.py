"""Child processes that begin with everything loaded: alone, each would import torch or Streamlit for seconds before it does a thing.

One process per test process imports them once and forks each child: a process of its own, with the environment that it is given.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "gan_aug.train_gan", "torch._dynamo",  # which the first optimiser imports
        "gan_aug.sample", "gan_aug.metrics", "gan_aug.study", "gan_aug.store.database", "sqlalchemy.dialects.sqlite", "onnxruntime",
        "streamlit.web.bootstrap", "uvicorn", "pandas", "plotly.graph_objects",
    ]
)  # fmt: skip


class Child:
    """A child process that calls a function; its methods are those of :class:`subprocess.Popen`."""

    def __init__(self, function: Callable[..., None], *arguments: Any, environment: dict[str, str] | None = None):
        environment = dict(os.environ if environment is None else environment)
        self._process = _context.Process(target=_call, args=(environment, function, arguments))
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def print_to(log: Path) -> None:
    """Have all that this process prints in a file; to be called in a child."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def module(log: Path, *arguments: str) -> None:
    """What ``python -m`` with these arguments does, and all that it prints in a file; to be called in a child."""
    print_to(log)
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _call(environment: dict[str, str], function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    function(*arguments)
