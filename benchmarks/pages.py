"""How quick are the pages, with a full workspace, on this machine?

    python benchmarks/pages.py [--parts walk,pages,keys,sessions,memory] [--sessions 100] [--images 10000] [--runs 200]

A workspace is made: a phantom dataset, six generators of full width at 128 px (of random weights; what they generate does not matter here),
their folders repeated up to 200 runs, 20 review batches of the same 500 small generated pictures, a study of three schemes. Then the app is
started as people start it, and

    walk        a walk of ten pictures at 128 px as the Explore page shows it: generation, PNG files, provenance; without the browser [ms]
    pages       from asking for an address to the first useful content of the page, in Chromium [s]
    keys        from a key in the review grid to the frame that shows it, in Chromium [ms]
    sessions    review sessions at a time, each with its own connection, that save a decision now and then: from sending to the answer
                that it is in the database [ms]; clients that speak Streamlit's protocol, because so many browsers would measure themselves
    memory      of the server's process, after all pages and walks through six generators, and after the sessions [MB]

are measured. Results go to results/pages.json, with the device, the load of the machine before, and the journal mode of the database.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metrics_speed import processor_name

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that no installation is needed
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from served import FLAGS, App, chromium_program, free_address

RESULTS = Path(__file__).parent / "results" / "pages.json"

GENERATORS = 6
PER_BATCH = 500
PATIENCE = 60  # [s]
THINK = 10.0  # mean time between two decisions of a reader [s]
DECISIONS = 5  # of each reader
KEYS = 60
VISITS = 5  # of each page
WALKS = 20
# What must be seen for a page to be useful, by address.
FIRST_CONTENT = {
    "/": "h3",
    "/data": "[data-testid=stImage] img",
    "/train": "[data-testid=stDataFrame]",
    "/explore": ".film img",
    "/review?batch=b00&reviewer=ana": ".tile img",
    "/compare?study=schemes": "[data-testid=stAlert]",  # the verdict
    "/compare?study=schemes&show=curves": ".js-plotly-plot .main-svg",  # which follow once the browser has read Plotly
    "/about": "[data-testid=stTable]",
}


# --- the workspace -----------------------------------------------------------------------------------------------------------------------


def fill(n_images: int, n_runs: int) -> list[str]:
    """Make the workspace; the ids of the generators."""
    from made_up import make_study

    from gan_aug import runs, store, train_gan, workspace
    from gan_aug.batches import make
    from gan_aug.data.phantom import make_phantom
    from gan_aug.render import ensure_onnx

    make_phantom("phantom", 500, 128)

    def train(gan: str, **settings: Any) -> str:
        settings = {"batch_size": 2, "ema_kimg": 0.0, "augment": (), "r1_gamma": 0.0, "r2_gamma": 0.0, **settings}
        settings |= dict.fromkeys(("total_kimg", "tick_kimg", "snapshot_kimg"), 0.002)
        run = train_gan.prepare(gan, "phantom", settings=settings, device_name="cpu")
        train_gan.train(run.id)
        ensure_onnx(runs.resolve(run.id)[1])
        return run.id

    made = [train("dcgan", resolution=128, width=48, g_lr=(number + 1) * 1e-4) for number in range(GENERATORS)]
    generator = train("dcgan", width=8)
    for number in range(n_runs - len(made) - 1):
        original = workspace.checkpoints() / made[number % len(made)]
        copy = workspace.checkpoints() / f"{original.name[:-4]}c{number:03d}"
        shutil.copytree(original, copy, copy_function=os.link)
        described = json.loads((copy / "run.json").read_text())
        (copy / "run.json").unlink()  # a link of the original's
        (copy / "run.json").write_text(json.dumps({**described, "id": copy.name}))
    make_study("schemes", "phantom", ["none", "standard", "oversample"])
    reviews = workspace.home() / "reviews"
    (reviews / "b00").mkdir(parents=True)
    cases, settings = make("b00", reviews / "b00", generator, PER_BATCH)
    for number in range(max(1, n_images // PER_BATCH)):
        name = f"b{number:02d}"
        if number:
            shutil.copytree(reviews / "b00", reviews / name, copy_function=os.link)
        moved = [dataclasses.replace(case, file=f"reviews/{name}/{Path(case.file).name}") for case in cases]
        store.create_batch(name, "curate", moved, "benchmark", settings)
    return made


@contextmanager
def app(folder: Path) -> Iterator[tuple[str, int]]:
    """The app on a free port: its address and process id."""
    served = App(free_address(), folder / "home", dict(os.environ), folder / "app.log")
    served.start()
    try:
        yield served.url, served.process.pid
    finally:
        served.stop()


# --- in this process ---------------------------------------------------------------------------------------------------------------------


def measure_walk(made: list[str]) -> dict[str, Any]:
    """Ten pictures, as the page has them generated; each walk is another one, so that nothing is remembered."""
    from gan_aug import native_memory, runs
    from pages.components import generation

    native_memory.keep_little()  # as the app does
    run, checkpoint = runs.resolve(made[0])
    times = []
    for number in range(WALKS + 1):
        began = time.perf_counter()
        generation.walk.__wrapped__(run, checkpoint, (number, number + 1), 10, None)
        times.append(1000 * (time.perf_counter() - began))
    return {"first_ms": round(times[0], 1), **summary(times[1:])}


# --- in a browser ------------------------------------------------------------------------------------------------------------------------


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = chromium_program()
    if program is None:
        sys.exit("There is no Chromium on this machine.\nInstall one, or leave the parts pages and keys away.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


def measure_pages(address: str, browser: Any) -> dict[str, Any]:
    """Each visit is by a browser that has been here before (its files are in the cache) and opens a new session.

    The page itself looks at every frame whether the content is there: Playwright's own waiting looks every half second at last.
    """
    look = """content => [document, ...[...document.querySelectorAll("div")].map((div) => div.shadowRoot).filter(Boolean)]
        .some((root) => root.querySelector(content)?.getClientRects().length) && performance.now()"""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    found = {}
    for path, content in FIRST_CONTENT.items():
        times = []
        for _ in range(VISITS + 1):
            page = context.new_page()
            page.goto(address + path, wait_until="commit")
            times.append(page.wait_for_function(look, arg=content, polling="raf", timeout=60_000).json_value())
            page.close()
        found[path] = {"first_ms": round(times[0]), **summary(times[1:])}
    context.close()
    return found


def measure_keys(address: str, browser: Any) -> dict[str, Any]:
    """A key every 150 ms; the second frame after it is the first that can show it."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{address}/review?batch=b00&reviewer=keys")
    page.wait_for_selector(".tile img")
    page.locator(".grid").focus()
    page.wait_for_timeout(3000)
    page.evaluate("""() => {
        window.paints = [];
        document.addEventListener("keydown", () => {
            const pressed = performance.now();
            requestAnimationFrame(() => requestAnimationFrame(() => window.paints.push(performance.now() - pressed)));
        }, true);
    }""")
    for number in range(KEYS):
        page.keyboard.press("axu"[number % 3])
        page.wait_for_timeout(150)
    page.wait_for_selector(".review[data-waiting='0']")
    times = page.evaluate("window.paints")
    page.close()

    from gan_aug import store

    return {"stored": len(store.reviews_of("b00", "keys")), **summary(times)}


# --- many readers ------------------------------------------------------------------------------------------------------------------------


class Reader:
    """One review session, in Streamlit's protocol."""

    def __init__(self, address: str, name: str, batch: str):
        self.url, self.name, self.batch = address.replace("http", "ws") + "/_stcore/stream", name, batch
        self.query = f"batch={batch}&reviewer={name}"
        self.element = self.fragment = self.view = ""
        self.ticking: dict[str, float] = {}  # fragment that wants to run again and again -> interval [s]
        self.images: list[str] = []
        self.answered: dict[str, float] = {}  # message -> when its answer came

    async def read(self, start: asyncio.Event, ready: asyncio.Semaphore) -> list[float]:
        """Open the page, wait for the start, then judge; times from sending to the answer [ms]."""
        import websockets

        async with websockets.connect(self.url, subprotocols=["streamlit"], max_size=None) as self.socket:
            await self.send("", [])
            unasked = [asyncio.create_task(work()) for work in (self.listen, self.tick)]
            while not self.images:
                await asyncio.sleep(0.05)
            ready.release()
            await start.wait()
            times = [await self.judge(image) for image in self.images[:DECISIONS]]
            for task in unasked:
                task.cancel()
            return times

    async def judge(self, image: str) -> float:
        await asyncio.sleep(random.expovariate(1 / THINK))
        number = uuid.uuid4().hex
        created = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime())
        event = {
            "id": str(uuid.uuid4()), "batch": self.batch, "reviewer": self.name, "image": image, "decision": "accept",
            "reason": None, "confidence": None, "seconds": 1.0, "created": created,
        }  # fmt: skip
        message = {"id": number, "view": self.view, "events": [event], "wish": None}
        began = time.perf_counter()
        await self.send(self.fragment, [{"event": "message", "value": message}])
        while number not in self.answered:
            await asyncio.sleep(0.005)
            if time.perf_counter() > began + PATIENCE:
                raise TimeoutError(f"{self.name} got no answer within {PATIENCE} s.")
        return 1000 * (self.answered[number] - began)

    async def send(self, fragment: str, events: list[dict[str, Any]], unasked: bool = False) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        back = BackMsg()
        back.rerun_script.query_string = self.query
        back.rerun_script.page_name = "review"
        back.rerun_script.fragment_id = fragment
        back.rerun_script.is_auto_rerun = unasked
        if events:
            state = back.rerun_script.widget_states.widgets.add()
            state.id, state.json_value = self.element, "{}"
            state = back.rerun_script.widget_states.widgets.add()
            state.id = f"$$STREAMLIT_INTERNAL_KEY_{self.element}__events"
            state.json_trigger_value = json.dumps(events)
        await self.socket.send(back.SerializeToString())

    async def tick(self) -> None:
        """What a browser does unasked: the state of the worker in the sidebar is asked for every few seconds."""
        due: dict[str, float] = {}
        while True:
            await asyncio.sleep(0.1)
            for fragment, interval in self.ticking.items():
                if due.setdefault(fragment, time.monotonic() + interval) <= time.monotonic():
                    due[fragment] += interval
                    await self.send(fragment, [], unasked=True)

    async def listen(self) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        async for content in self.socket:
            message = ForwardMsg.FromString(content)
            if message.WhichOneof("type") == "auto_rerun":
                self.ticking[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            element = message.delta.new_element.bidi_component
            if "review_grid" not in element.component_name:
                continue
            data = json.loads(element.mixed.json or element.json)
            self.element, self.fragment, self.view = element.id, message.delta.fragment_id, data["view"]
            if data["tiles"] and not self.images:
                self.images = [tile["id"] for tile in data["tiles"]]
            if data["reply"] and data["saved"]:
                self.answered[data["reply"]] = time.perf_counter()


def measure_sessions(address: str, n: int, batches: int) -> dict[str, Any]:
    async def run() -> list[float]:
        start, ready = asyncio.Event(), asyncio.Semaphore(0)
        tasks = []
        for number in range(n):
            reader = Reader(address, f"reader{number:03d}", f"b{number % batches:02d}")
            tasks.append(asyncio.create_task(reader.read(start, ready)))
            await asyncio.wait_for(ready.acquire(), 120)  # one after another: how people come
        start.set()
        return [value for times in await asyncio.gather(*tasks) for value in times]

    times = asyncio.run(run())
    from gan_aug import store

    stored = sum(review.reviewer.startswith("reader") for number in range(batches) for review in store.reviews_of(f"b{number:02d}"))
    return {"sessions": n, "think_s": THINK, "decisions": n * DECISIONS, "stored": stored, **summary(times)}


# --- all ---------------------------------------------------------------------------------------------------------------------------------


def memory(process: int) -> float:
    """Resident memory of the server [MB]."""
    status = Path(f"/proc/{process}/status").read_text()
    return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024, 1)


def visit_generators(address: str, browser: Any, made: list[str]) -> None:
    page = browser.new_page()
    for run in made:
        page.goto(f"{address}/explore?mode=walk&run={run}")
        page.locator(".film img").first.wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
    page.close()


def summary(times: list[float]) -> dict[str, Any]:
    ordered = sorted(times)
    return {
        "n": len(ordered),
        "p50_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        "most_ms": round(ordered[-1], 1),
    }


def journal_mode() -> str:
    import sqlite3

    from gan_aug.store.engine import database_url

    with sqlite3.connect(database_url().database) as connection:
        return connection.execute("PRAGMA journal_mode").fetchone()[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--parts", default="walk,pages,keys,sessions,memory")
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    parts = options.parts.split(",")
    found: dict[str, Any] = {"load_before": round(os.getloadavg()[0], 2)}

    def keep(part: str, measured: Any) -> None:
        found[part] = measured
        print(f"{part}: {json.dumps(measured)}", flush=True)

    with tempfile.TemporaryDirectory(prefix="gan_aug-pages-") as folder:
        os.environ |= {"GAN_AUG_HOME": f"{folder}/home", "GAN_AUG_CHECKPOINTS": f"{folder}/checkpoints", "OMP_NUM_THREADS": "1"}
        os.environ.pop("GAN_AUG_DATABASE_URL", None)
        began = time.monotonic()
        made = fill(options.images, options.runs)
        print(f"The workspace was made in {time.monotonic() - began:.0f} s.", flush=True)
        if "walk" in parts:
            keep("walk", measure_walk(made))
        with app(Path(folder)) as (address, process):
            if {"pages", "keys", "memory"} & set(parts):
                with chromium() as browser:
                    for part, measure in (("pages", measure_pages), ("keys", measure_keys)):
                        if part in parts:
                            keep(part, measure(address, browser))
                    if "memory" in parts:
                        visit_generators(address, browser, made)
                        keep("memory_mb", {"generators": memory(process)})
            if "sessions" in parts:
                keep("sessions", measure_sessions(address, options.sessions, max(1, options.images // PER_BATCH)))
                if "memory" in parts:
                    found["memory_mb"]["sessions"] = memory(process)
        found["journal_mode"] = journal_mode()
    import streamlit

    found |= {"images": options.images, "runs": options.runs, "device": processor_name()}
    found |= {"processors": len(os.sched_getaffinity(0)), "python": platform.python_version(), "streamlit": streamlit.__version__}
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
