"""How fast are gan_aug's Frechet distance and Inception features, against pytorch-fid's, and do both give the same numbers?

    python benchmarks/metrics_speed.py [--rounds 5] [--quick]

    frechet     from two sets of features to the distance: 5,000 images a side, more than the 2,048 features, and 1,000, which are fewer
    extractor   from PNG files to pooled features, through one file of made-up weights in the format of the canonical one, in the batches
                that either uses by default (50 theirs, 32 ours)

Both sides run in this process, on one thread of the processor. A round runs each once, and the order turns from round to round, so that a
machine that gets slower slows both alike. A ratio is taken within a round; printed are the median and the range over the rounds, of wall
time and of processor time, which other work on the machine disturbs less. A round whose numbers differ by more than the tolerance ends
the benchmark. --quick uses small sets, to see that it runs; its ratios say nothing. Results go to results/metrics_speed.json.
"""

import argparse
import contextlib
import functools
import io
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before NumPy and torch start their threads. On a GPU the two would compute at different precisions.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"), CUDA_VISIBLE_DEVICES="")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that no installation is needed

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from pytorch_fid import fid_score, inception  # noqa: E402

from gan_aug import images  # noqa: E402
from gan_aug.metrics.extractors import open_extractor  # noqa: E402
from gan_aug.metrics.frechet import frechet_distance  # noqa: E402

WANTED = {"frechet": 5.0, "extractor": 1.2}  # how many times as fast as pytorch-fid
# Largest relative difference. Where covariances are singular the root that pytorch-fid takes is itself off by some 1e-7.
TOLERANCE = {"frechet": 1e-7, "frechet, singular": 1e-5, "extractor": 1e-4}
SIDE = 64  # of the PNG files [px]

Contender = Callable[[], np.ndarray]


def features(n: int, dim: int, seed: int) -> np.ndarray:
    """Made-up features (n, dim), correlated, with a spectrum that falls as that of a network's does."""
    draws = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((dim, dim)) / np.arange(1, dim + 1)[:, None] ** 0.5
    return draws.standard_normal((n, dim)) @ mixing * (1 + 0.1 * seed) + 0.05 * draws.standard_normal(dim)


def their_distance(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """As pytorch-fid goes from activations to a distance."""
    moments = [(np.mean(side, axis=0), np.cov(side, rowvar=False)) for side in (real, fake)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of an argument of scipy's that it uses
        return np.array([fid_score.calculate_frechet_distance(*moments[0], *moments[1])])


def our_distance(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """As gan_aug does."""
    return np.array([frechet_distance(real, fake)])


@contextlib.contextmanager
def their_weights(state: dict[str, torch.Tensor]) -> Iterator[None]:
    """pytorch-fid's constructor downloads weights; here it is given these."""
    kept = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = lambda *_, **__: state
    try:
        yield
    finally:
        inception.load_state_dict_from_url = kept


def make_weights(path: Path) -> None:
    """Random weights of the FID's network, with the BatchNorm statistics that random pictures give, so that features have a usual size."""
    load = torch.nn.Module.load_state_dict
    torch.nn.Module.load_state_dict = lambda *_: None  # the network is to keep the random weights that it starts from
    try:
        with their_weights({}):
            torch.manual_seed(0)
            network = inception.fid_inception_v3()
    finally:
        torch.nn.Module.load_state_dict = load
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # plain average
    with torch.no_grad():
        network.train()(torch.rand(8, 3, 299, 299) * 2 - 1)
    torch.save(network.state_dict(), path)


def make_files(folder: Path, count: int) -> list[Path]:
    """Pictures of noise at several sizes, as PNG files."""
    draws = np.random.default_rng(1)
    paths = []
    for number in range(count):
        coarse = draws.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        paths.append(folder / f"{number:05d}.png")
        Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


def extractors(folder: Path, count: int) -> tuple[Contender, Contender]:
    """Theirs and ours, over the same files and weights."""
    paths = make_files(folder, count)
    make_weights(folder / "made-up.pth")
    with their_weights(torch.load(folder / "made-up.pth", weights_only=True)):
        theirs = inception.InceptionV3([3])
    ours = open_extractor(f"inception:{folder / 'made-up.pth'}")

    def run_theirs() -> np.ndarray:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            return fid_score.get_activations(paths, theirs, batch_size=50, num_workers=0)

    def run_ours() -> np.ndarray:
        return ours(np.stack([images.read_picture(path, SIDE).pixels for path in paths]))

    return run_theirs, run_ours


def timed(call: Contender) -> tuple[np.ndarray, dict[str, float]]:
    """What a contender returns, and how long it took [s]."""
    wall, processor = time.perf_counter(), time.process_time()
    found = call()
    return found, {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def race(theirs: Contender, ours: Contender, rounds: int, tolerance: float) -> dict[str, Any]:
    """Seconds of every round, the largest relative difference of results, and the ratios theirs / ours: median, least, most.

    Raises
    ------
    SystemExit
        If the results of a round differ by more than the tolerance.
    """
    times, difference = [], 0.0
    for number in range(rounds):
        named = [("theirs", theirs), ("ours", ours)][:: 1 if number % 2 == 0 else -1]
        done = {name: timed(call) for name, call in named}
        (expected, _), (found, _) = done["theirs"], done["ours"]
        difference = max(difference, float(np.abs(found - expected).max() / np.abs(expected).max()))
        if not difference <= tolerance:
            raise SystemExit(f"The results differ by {difference:.1e} of the largest, and {tolerance:g} is the most that is allowed.")
        times.append({name: seconds for name, (_, seconds) in done.items()})
    ratios = {}
    for unit in ("wall", "processor"):
        found = sorted(one["theirs"][unit] / one["ours"][unit] for one in times)
        ratios[unit] = [statistics.median(found), found[0], found[-1]]
    return {"ratios": ratios, "largest_difference": difference, "tolerance": tolerance, "rounds": times}


def processor_name() -> str:
    """The processor in words."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sets: does it run?")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "metrics_speed.json", help="file of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    dim, many, few, files = (64, 160, 40, 3) if options.quick else (2048, 5000, 1000, 100)  # 100: two of their batches

    others = f"others kept {load:.1f} processors of {os.cpu_count()} busy"
    print(f"{processor_name()}, one thread; {others}; {options.rounds} rounds", flush=True)
    found = {}
    with tempfile.TemporaryDirectory() as text:
        for name, n in (("frechet", many), ("frechet, singular", few)):
            sides = features(n, dim, 1), features(n, dim, 2)
            contenders = functools.partial(their_distance, *sides), functools.partial(our_distance, *sides)
            found[name] = {"n": n, "dim": dim} | race(*contenders, options.rounds, TOLERANCE[name])
            _say(name, found[name])
        found["extractor"] = {"n": files, "side": SIDE} | race(*extractors(Path(text), files), options.rounds, TOLERANCE["extractor"])
        _say("extractor", found["extractor"])

    for name, least in WANTED.items():
        met = found[name]["ratios"]["processor"][0] >= least
        print(f"{name}: wanted {least:g} times as fast in processor time: {'met' if met else 'not met'}")
    about = {
        "device": processor_name(),
        "load_before": load,  # runnable processes of others: the machine was not idle where this is well above 0
        "processors": os.cpu_count(),
        "threads": 1,
        "quick": options.quick,
        "date": time.strftime("%Y-%m-%d"),
        "versions": {"python": platform.python_version()} | {name: sys.modules[name].__version__ for name in ("numpy", "scipy", "torch")},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(about | {"found": found}, indent=1) + "\n")
    return 0


def _say(name: str, result: dict[str, Any]) -> None:
    wall, processor = (f"{middle:.2f} ({least:.2f} to {most:.2f})" for middle, least, most in result["ratios"].values())
    same = f"results differ by {result['largest_difference']:.1e} at most"
    print(f"  {name:18} times as fast: wall {wall}, processor {processor}; {same}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
