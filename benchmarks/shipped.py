"""Train the generators that come with gan_aug, and make each ready to be shipped: how those in ``checkpoints/pretrained`` are made.

    python benchmarks/shipped.py --data NAME [--only dcgan-64,sngan-64] [--kimg 2000] [--minutes 30] [--processes 1] [--as-it-is]

NAME is a dataset of ISIC 2017 and UDA-1 (both CC0), imported together at 128 px and split by ``gan-aug data split NAME --like derm``. Of
each training the best snapshot on val is published under its name among the other runs, in half precision; there it is measured on val and
test, audited, and gets its card. What is finished is not done again, and a training whose time was up goes on where it was, or with
``--as-it-is`` counts as finished, for a machine that is lent for an hour. Whether a generator is moved to ``pretrained`` is for a person to
say, who has looked at its audit and its pictures.
"""

import argparse
import functools
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

from small_data import begun, explained

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that no installation is needed

from gan_aug import audit, evaluate, publish, runs, train_gan, workspace
from gan_aug.data.dataset import open_dataset

SHIPPED: dict[str, tuple[str, dict[str, Any]]] = {  # name -> GAN, and what differs from its preset small-data
    "r3gan-64": ("r3gan", {}),  # the slowest first
    "dcgan-128": ("dcgan", {"resolution": 128, "width": 32}),
    "wgan_gp-64": ("wgan_gp", {}),
    "acgan-64": ("acgan", {}),
    "sngan-64": ("sngan", {}),
    "dcgan-64": ("dcgan", {}),
}
EXTRACTOR = "derm"
SNAPSHOTS = 20
AUDITED = 400  # images of each kind
ATTRIBUTION = "International Skin Imaging Collaboration (ISIC): ISIC 2017 challenge and UDA-1 collections, CC0"


def make(name: str, data: str, kimg: float, until: float, as_it_is: bool) -> str:
    """Train, choose, publish and measure one generator, as far as time allows; what was reached, in words."""
    published = workspace.checkpoints() / name
    if (published / "README.md").exists():
        return f"{name} is finished: {published}."
    gan, settings = SHIPPED[name]
    notes = workspace.home() / "shipped" / f"{name}-{data}-{kimg:g}.json"
    lengths = {"total_kimg": kimg, "tick_kimg": kimg / SNAPSHOTS / 10, "snapshot_kimg": kimg / SNAPSHOTS}
    run = begun(notes, lambda: train_gan.prepare(gan, data, settings={**settings, **lengths}, device_name="auto"))
    train_gan.train(run.id, should_stop=lambda: time.monotonic() > until)
    status = runs.status(run.id)
    if status.state != "finished" and not as_it_is:
        return f"{name} has come to {status.kimg:.0f} of {kimg:g} kimg; the same command goes on."
    best = evaluate.select_best(run.id, data, EXTRACTOR)
    if not published.exists():
        publish.publish(f"{run.id}@best", name, published.parent)
    # What is measured is what people will have: the run in half precision.
    for part in ("val", "test"):
        kid, *_ = evaluate.evaluate(name, data, part, EXTRACTOR)
    verdict = audit.audit(name, data, EXTRACTOR, AUDITED).verdict
    publish.write_card(name, ATTRIBUTION)
    return f"{name}: best at {best.kimg:g} of {status.kimg:g} kimg, KID on test {kid.value:.4f}. {verdict}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", required=True, help="a dataset of the workspace, with its split")
    parser.add_argument("--only", default=",".join(SHIPPED), help="names with commas")
    parser.add_argument("--kimg", type=float, default=2000.0, help="thousands of real images shown")
    parser.add_argument("--minutes", type=float, default=30.0, help="after which no step is begun")
    parser.add_argument("--processes", type=int, default=1, help="trainings at a time")
    parser.add_argument("--as-it-is", action="store_true", help="publish what there is when time is up")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := [name for name in names if name not in SHIPPED]:
        parser.error(f"there is no {unknown[0]}; choose of {', '.join(SHIPPED)}")
    until = time.monotonic() + options.minutes * 60
    work = functools.partial(make, data=options.data, kimg=options.kimg, until=until, as_it_is=options.as_it_is)
    open_dataset(options.data).at(64)  # derived once, before processes ask for it at the same time
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for told in pool.imap_unordered(work, names):
            print(told, flush=True)


if __name__ == "__main__":
    sys.exit(explained(main))
