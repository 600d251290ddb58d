"""The app as people meet it: a real server, a real workspace, and a real Chromium without a window."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import preloaded
import pytest
from served import FLAGS, App, chromium_program, free_address


def absent(reason: str) -> None:
    """Skip, unless a browser was promised (GAN_AUG_REQUIRE_BROWSER=1)."""
    if os.environ.get("GAN_AUG_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A Chromium, driven by playwright; skips where either is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        absent("playwright is not installed")
    program = chromium_program()
    if program is None:
        absent("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def app_url() -> str:
    """Where the app will listen."""
    return free_address()


@pytest.fixture
def app_environment() -> dict[str, str]:
    """What the app's environment holds beside that of the tests; a file of tests may have its own."""
    return {}


def _preloaded(environment: dict[str, str], log: Path, *arguments: str) -> preloaded.Child:
    return preloaded.Child(preloaded.module, log, *arguments, environment=environment)


@pytest.fixture
def launch() -> Callable[..., Any]:
    """How the app is started (:class:`served.App`); a file of tests may have its own."""
    return _preloaded


@pytest.fixture
def app(workspace: Path, chromium: Any, app_url: str, app_environment: dict[str, str], launch: Callable[..., Any]) -> Iterator[App]:
    """The app on an empty workspace of its own. Jobs that are left at the end are ended, and their worker with them."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **app_environment}
    served = App(app_url, workspace, environment, workspace.parent / "app.log", launch)
    served.start()
    yield served
    served.stop()
    _end_work()


@pytest.fixture
def phantom_app(app: App, phantom_source: Path) -> App:
    """The app with the small phantom dataset in its workspace."""
    shutil.copytree(phantom_source / "datasets", app.home / "datasets")
    return app


def _end_work() -> None:
    from gan_aug import jobs
    from gan_aug.jobs import queue

    for row in queue.open_jobs():
        if row["process"]:
            os.killpg(row["process"], signal.SIGKILL)
    if (worker := jobs.worker_process()) is not None:
        os.kill(worker, signal.SIGTERM)


@pytest.fixture
def new_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens browser pages, each with its own storage. None may ask another host for anything, or fail in its scripts."""
    contexts, faults = [], []

    def open_page(**options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(request.url) if _leaves(request.url) else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


def _leaves(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "about:"))


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """One browser page, 1400 pixels wide."""
    return new_page()
