"""Takes the README's pictures of the pages, of an app that is running.

    python docs/screenshots.py http://localhost:8501 train=/train?run=RUN explore=/explore?mode=walk ...

Each NAME=ADDRESS becomes docs/pictures/NAME.webp, 1400 pixels wide, as high as the page but at most 1,400. Only for workspaces of phantoms
and shipped models: a page that shows a photograph of a patient must never be committed.
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from served import FLAGS, chromium_program, drawn

WIDTH, LEAST, MOST = 1400, 700, 1400
OUT = Path(__file__).parent / "pictures"


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    address, *wanted = sys.argv[1:]
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=list(FLAGS))
        for item in wanted:
            name, _, path = item.partition("=")
            page = browser.new_page(viewport={"width": WIDTH, "height": LEAST})
            page.goto(address.rstrip("/") + path)
            page.wait_for_selector("h1", timeout=60_000)
            drawn(page)
            page.wait_for_timeout(4000)  # charts and pictures that arrive with a fragment
            height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
            page.set_viewport_size({"width": WIDTH, "height": min(MOST, max(LEAST, height))})
            page.wait_for_timeout(1000)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.save(OUT / f"{name}.webp", quality=88, method=6)
            print(f"{OUT / name}.webp  {(OUT / f'{name}.webp').stat().st_size / 1000:.0f} kB")
            page.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
