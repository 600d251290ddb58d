"""How fast does gan_aug train, against what people would otherwise run?

    python benchmarks/train_speed.py --examples FOLDER [--rounds 5] [--steps 40] [--threads 1]
    python benchmarks/train_speed.py --examples FOLDER --device cuda --steps 500 --warm 50 --threads 2

FOLDER is a checkout of github.com/pytorch/examples, of which dcgan/main.py runs unmodified. The same architecture, batch and images (drawn
lesions as JPEG files of 64 px for the example, the dataset for ours) go through both. Every contender is a process of its own; a round runs
each once, and the order turns from round to round, so that a machine that gets slower slows all alike. A ratio is taken within a round;
printed are the median and the range over the rounds.

    dcgan          examples/dcgan            against ours in bf16 and in fp32
    wgan_gp        the plain mathematics     against ours: five critic steps, in which the fakes keep their graph, and one of G; fp32, eager
    sngan          the plain mathematics     against ours: fakes generated twice, statistics read at every step; fp32, eager

A rate is taken from the moments at which a process says that a step is done, after the first ``--warm``: images per second of wall time,
and per second of processor time (of all its threads; on a GPU that column says little). On a GPU ours and the plain mathematics wait for it
at those two moments alone, and both find their images on it already; the example reads its files with two workers, as it does by default.
Results go to results/train_speed.json after every round, with the device's name.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics_speed import processor_name

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that no installation is needed

BATCH = {"dcgan": 64, "wgan_gp": 16, "sngan": 64}
D_STEPS = {"dcgan": 1, "wgan_gp": 5, "sngan": 1}
DISTINCT = 1024  # images; the example's folder holds more files than that, if it must, under further names
STEP_DONE = re.compile(r"\[(?:0/1]\[)?(\d+)(/\d+]|$)")  # "[7" of ours, "[0/1][6/41]" of the example, which counts from 0
PAIRS = {
    "dcgan bf16 / examples": ("dcgan-ours-auto", "dcgan-examples"),
    "dcgan fp32 / examples": ("dcgan-ours-fp32", "dcgan-examples"),
    "wgan_gp bf16 / plain": ("wgan_gp-ours-auto", "wgan_gp-plain"),
    "sngan bf16 / plain": ("sngan-ours-auto", "sngan-plain"),
}


# --- contenders: each runs in a process of its own and prints "[step" lines ---------------------------------------------------------------


class Marks:
    """Says when the last step that does not count is done, and the last one of all."""

    def __init__(self, options: argparse.Namespace):
        self.steps, self.device, self.done = (options.warm, options.steps), options.device, 0

    def __call__(self) -> bool:
        self.done += 1
        if self.done in self.steps:
            if self.device.startswith("cuda"):
                import torch

                torch.cuda.synchronize()
            print(f"[{self.done}", flush=True)
        return False


def ours(gan: str, precision: str, options: argparse.Namespace) -> None:
    """Our own training, through its public door."""
    from gan_aug import train_gan

    steps = options.steps

    settings: dict[str, Any] = {"width": 64, "z_dim": 100, "batch_size": BATCH[gan], "precision": precision, "architecture": "dcgan"}
    settings |= {
        "upsampling": "transposed",
        "d_steps": D_STEPS[gan],
        "augment": (),
        "dihedral": False,
        "r1_gamma": 0.0,
        "ema_kimg": 0.0,
        "channels_last": precision != "fp32",
    }
    settings |= {name: (steps + 1) * BATCH[gan] * D_STEPS[gan] / 1000 for name in ("total_kimg", "tick_kimg", "snapshot_kimg")}
    run = train_gan.prepare(gan, "speed", preset="small-data", settings=settings, device_name=options.device)
    train_gan.train(run.id, should_stop=Marks(options))


def plain(gan: str, options: argparse.Namespace) -> None:
    """The mathematics of a GAN as tutorials write it, over our own networks: fp32, eager, everything in its obvious place."""
    import torch

    from gan_aug import catalog, gans
    from gan_aug.data.dataset import open_dataset

    device, mark = options.device, Marks(options)
    config = catalog.gan_config(gan, width=64, z_dim=100, batch_size=BATCH[gan], precision="fp32", upsampling="transposed")
    torch.manual_seed(0)
    G, D = (network.to(device) for network in gans.spec(gan).build(config, 1))
    betas = (config.beta1, config.beta2)
    g_optimiser, d_optimiser = torch.optim.Adam(G.parameters(), 2e-4, betas), torch.optim.Adam(D.parameters(), 2e-4, betas)
    images = torch.from_numpy(open_dataset("speed").at(64)[:].copy()).permute(0, 3, 1, 2).float().div(127.5).sub(1).to(device)

    def fakes() -> torch.Tensor:
        return G(torch.randn(BATCH[gan], config.z_dim, device=device))

    for _ in range(options.steps + 1):
        for _ in range(D_STEPS[gan]):
            real = images[torch.randint(len(images), (BATCH[gan],), device=device)]
            fake = fakes()
            D.zero_grad()
            if gan == "wgan_gp":
                share = torch.rand(len(real), 1, 1, 1, device=device)
                between = (share * real + (1 - share) * fake).detach().requires_grad_()
                slope = torch.autograd.grad(D(between).sum(), between, create_graph=True)[0]
                loss = D(fake).mean() - D(real).mean() + 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
            else:
                loss = torch.relu(1 - D(real)).mean() + torch.relu(1 + D(fake.detach())).mean()
            loss.backward()
            d_optimiser.step()
            loss.item()
        G.zero_grad()
        loss = -D(fakes()).mean()
        loss.backward()
        g_optimiser.step()
        loss.item()
        mark()


# --- measuring ----------------------------------------------------------------------------------------------------------------------------


def processor_seconds(pid: int) -> float:
    """Processor time that a process and its threads have used so far [s] (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(command: list[str], environment: dict[str, str], images: int, warm: int, steps: int) -> dict[str, float]:
    """Images per second of wall and of processor time between the end of step ``warm`` and that of the last step counted."""
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    marks, tail = {}, []
    for line in child.stdout:
        tail = [*tail[-20:], line]
        if found := STEP_DONE.match(line):
            step = int(found[1]) + bool(found[2])
            if step in (warm, steps):
                marks[step] = time.monotonic(), processor_seconds(child.pid)
    if child.wait() or len(marks) < 2:
        raise SystemExit(f"{' '.join(command[:3])} ended with exit code {child.returncode}:\n{''.join(tail)}")
    (start, start_cpu), (end, end_cpu) = marks[warm], marks[steps]
    shown = images * (steps - warm)
    return {"images_per_second": shown / (end - start), "images_per_cpu_second": shown / (end_cpu - start_cpu)}


def contenders(options: argparse.Namespace, folder: Path, environment: dict[str, str]) -> dict[str, Callable[[], dict[str, float]]]:
    """Each contender's measurement, by name."""
    device = options.device
    example = [sys.executable, "-u", str(Path(options.examples) / "dcgan" / "main.py"), "--dataset", "folder"]
    example += ["--dataroot", str(folder / "jpeg"), "--batchSize", str(BATCH["dcgan"]), "--niter", "1", "--outf", str(folder / "out")]
    example += ["--workers", "2", "--accel"] if device.startswith("cuda") else ["--workers", "0"]
    own = [sys.executable, "-u", __file__, "--contender"]

    def run(command: list[str], gan: str) -> Callable[[], dict[str, float]]:
        return lambda: measure(command, environment, BATCH[gan] * D_STEPS[gan], options.warm, options.steps)

    found = {"dcgan-examples": run(example, "dcgan")}
    for name in dict.fromkeys(name for pair in PAIRS.values() for name in pair if name != "dcgan-examples"):
        counted = ["--steps", str(options.steps), "--warm", str(options.warm), "--device", device]
        found[name] = run([*own, name, *counted], name.partition("-")[0])
    wanted = {name for title, pair in PAIRS.items() if title.split()[0] in options.gans.split(",") for name in pair}
    return {name: call for name, call in found.items() if name in wanted}


def make_images(folder: Path, count: int) -> None:
    """Drawn lesions as a dataset of ours and as JPEG files."""
    from PIL import Image

    from gan_aug.data.dataset import open_dataset
    from gan_aug.data.phantom import make_phantom
    from gan_aug.data.split import make_split

    make_phantom("speed", images=min(count, DISTINCT), size=64)
    make_split("speed")
    files = folder / "jpeg" / "all"
    files.mkdir(parents=True)
    for number, pixels in enumerate(open_dataset("speed").at(64)):
        Image.fromarray(pixels).save(files / f"{number:05d}.jpg", quality=92)
    for number in range(DISTINCT, count):
        os.link(files / f"{number % DISTINCT:05d}.jpg", files / f"{number:05d}.jpg")


def device_name(device: str) -> str:
    """The processor or GPU in words."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return processor_name()


def ratios(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, list[float]]]:
    """Of each pair that has run: median, smallest and largest ratio within a round, by unit."""
    found: dict[str, dict[str, list[float]]] = {}
    for title, (first, second) in PAIRS.items():
        if first in rounds[0]:
            found[title] = {}
            for unit in rounds[0][first]:
                values = sorted(one[first][unit] / one[second][unit] for one in rounds)
                found[title][unit] = [statistics.median(values), values[0], values[-1]]
    return found


def write_results(options: argparse.Namespace, rounds: list[dict[str, dict[str, float]]], code: str) -> None:
    """Put the rounds so far into the results, in the place of earlier ones on this device."""
    import torch

    about = {"device": device_name(options.device), "threads": options.threads, "torch": torch.__version__, "steps": options.steps}
    result = {
        **about,
        "warm": options.warm,
        "date": time.strftime("%Y-%m-%d"),
        "code_version": code,
        "ratios": ratios(rounds),
        "rounds": rounds,
    }
    path = Path(__file__).parent / "results" / "train_speed.json"
    path.parent.mkdir(exist_ok=True)
    kept = [one for one in json.loads(path.read_text()) if one["device"] != about["device"]] if path.exists() else []
    path.write_text(json.dumps([*kept, result], indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--examples", help="checkout of pytorch/examples")
    parser.add_argument("--gans", default="dcgan,wgan_gp,sngan")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="per process")
    parser.add_argument("--warm", type=int, default=5, help="first steps of a process, which do not count")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of each process")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        gan, kind, *precision = options.contender.split("-")
        if kind == "ours":
            ours(gan, precision[0], options)
        else:
            plain(gan, options)
        return 0
    if not options.examples:
        parser.error("--examples is needed: a checkout of pytorch/examples")

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        os.environ.update(GAN_AUG_HOME=str(folder / "home"), GAN_AUG_CHECKPOINTS=str(folder / "runs"), OMP_NUM_THREADS=str(options.threads))
        make_images(folder, BATCH["dcgan"] * (options.steps + 1))
        calls = contenders(options, folder, dict(os.environ))
        from gan_aug.runs import code_version

        rounds, code = [], code_version()  # before the first results are written, which would make the checkout dirty
        for number in range(options.rounds):
            names = list(calls)
            names = names[number % len(names) :] + names[: number % len(names)]
            rounds.append({name: calls[name]() for name in names})
            write_results(options, rounds, code)
            print(f"round {number + 1}: " + ", ".join(f"{name} {rounds[-1][name]['images_per_second']:.0f}" for name in calls), flush=True)

    print(f"\n{device_name(options.device)}, {options.threads} thread(s), median (range) of {options.rounds} rounds")
    for title, units in ratios(rounds).items():
        wall, cpu = units.values()
        print(f"  {title:24} wall {wall[0]:.2f} ({wall[1]:.2f} to {wall[2]:.2f})   processor {cpu[0]:.2f} ({cpu[1]:.2f} to {cpu[2]:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
