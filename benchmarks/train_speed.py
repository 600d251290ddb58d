"""How fast does gan_aug train, against what people would otherwise run?

    python benchmarks/train_speed.py --examples FOLDER [--rounds 5] [--steps 40] [--threads 1] [--device auto]

FOLDER is a checkout of github.com/pytorch/examples, of which dcgan/main.py runs unmodified. The same architecture, batch and images (drawn
lesions as JPEG files of 64 px for the example, the dataset for ours) go through both. Every contender is a process of its own; a round runs
each once, and the order turns from round to round, so that a machine that gets slower slows all alike. A ratio is taken within a round;
printed are the median and the range over the rounds.

    dcgan          examples/dcgan            against ours in bf16 and in fp32
    wgan_gp        the plain mathematics     against ours: five critic steps, in which the fakes keep their graph, and one of G; fp32, eager
    sngan          the plain mathematics     against ours: fakes generated twice, statistics read at every step; fp32, eager

A rate is taken from the moments at which a process says that a step is done, after the first five: images per second of wall time, and per
second of processor time (of all its threads; on a GPU that column says little). Results go to results/train_speed.json, with the device's
name.
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
WARM = 5  # steps that do not count
STEP_DONE = re.compile(r"\[\d+(/\d+]\[\d+/|$)")  # "[7" of ours, "[0/1][6/41]" of the example
PAIRS = {
    "dcgan bf16 / examples": ("dcgan-ours-auto", "dcgan-examples"),
    "dcgan fp32 / examples": ("dcgan-ours-fp32", "dcgan-examples"),
    "wgan_gp bf16 / plain": ("wgan_gp-ours-auto", "wgan_gp-plain"),
    "sngan bf16 / plain": ("sngan-ours-auto", "sngan-plain"),
}


# --- contenders: each runs in a process of its own and prints "[step" lines ---------------------------------------------------------------


def said(step: int) -> bool:
    print(f"[{step}", flush=True)
    return False


def ours(gan: str, precision: str, steps: int, device: str) -> None:
    """Our own training, through its public door."""
    from gan_aug import train_gan

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
    run = train_gan.prepare(gan, "speed", preset="small-data", settings=settings, device_name=device)
    counted = iter(range(1, steps + 2))
    train_gan.train(run.id, should_stop=lambda: said(next(counted)))


def plain(gan: str, steps: int, device: str) -> None:
    """The mathematics of a GAN as tutorials write it, over our own networks: fp32, eager, everything in its obvious place."""
    import torch

    from gan_aug import catalog, gans
    from gan_aug.data.dataset import open_dataset

    config = catalog.gan_config(gan, width=64, z_dim=100, batch_size=BATCH[gan], precision="fp32", upsampling="transposed")
    torch.manual_seed(0)
    G, D = (network.to(device) for network in gans.spec(gan).build(config, 1))
    betas = (config.beta1, config.beta2)
    g_optimiser, d_optimiser = torch.optim.Adam(G.parameters(), 2e-4, betas), torch.optim.Adam(D.parameters(), 2e-4, betas)
    images = torch.from_numpy(open_dataset("speed").at(64)[:].copy()).permute(0, 3, 1, 2).float().div(127.5).sub(1).to(device)

    def fakes() -> torch.Tensor:
        return G(torch.randn(BATCH[gan], config.z_dim, device=device))

    for step in range(steps + 1):
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
        said(step + 1)


# --- measuring ----------------------------------------------------------------------------------------------------------------------------


def processor_seconds(pid: int) -> float:
    """Processor time that a process and its threads have used so far [s] (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(command: list[str], environment: dict[str, str], images: int, steps: int) -> dict[str, float]:
    """Images per second of wall and of processor time between the end of step WARM and that of the last step counted."""
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    marks, tail = [], []
    for line in child.stdout:
        tail = [*tail[-20:], line]
        if STEP_DONE.match(line):
            marks.append((time.monotonic(), processor_seconds(child.pid)))
    if child.wait() or len(marks) < steps:
        raise SystemExit(f"{' '.join(command[:3])} ended with exit code {child.returncode}:\n{''.join(tail)}")
    (start, start_cpu), (end, end_cpu) = marks[WARM - 1], marks[steps - 1]
    shown = images * (steps - WARM)
    return {"images_per_second": shown / (end - start), "images_per_cpu_second": shown / (end_cpu - start_cpu)}


def contenders(options: argparse.Namespace, folder: Path, environment: dict[str, str]) -> dict[str, Callable[[], dict[str, float]]]:
    """Each contender's measurement, by name."""
    steps, device = options.steps, options.device
    example = [sys.executable, "-u", str(Path(options.examples) / "dcgan" / "main.py"), "--dataset", "folder"]
    example += ["--dataroot", str(folder / "jpeg"), "--batchSize", str(BATCH["dcgan"]), "--niter", "1", "--outf", str(folder / "out")]
    example += ["--workers", "2", "--accel"] if device.startswith("cuda") else ["--workers", "0"]
    own = [sys.executable, "-u", __file__, "--contender"]

    def run(command: list[str], gan: str) -> Callable[[], dict[str, float]]:
        return lambda: measure(command, environment, BATCH[gan] * D_STEPS[gan], steps)

    found = {"dcgan-examples": run(example, "dcgan")}
    for name in dict.fromkeys(name for pair in PAIRS.values() for name in pair if name != "dcgan-examples"):
        found[name] = run([*own, name, "--steps", str(steps), "--device", device], name.partition("-")[0])
    wanted = {name for title, pair in PAIRS.items() if title.split()[0] in options.gans.split(",") for name in pair}
    return {name: call for name, call in found.items() if name in wanted}


def make_images(folder: Path, count: int) -> None:
    """Drawn lesions as a dataset of ours and as JPEG files."""
    from PIL import Image

    from gan_aug.data.dataset import open_dataset
    from gan_aug.data.phantom import make_phantom
    from gan_aug.data.split import make_split

    make_phantom("speed", images=count, size=64)
    make_split("speed")
    (folder / "jpeg" / "all").mkdir(parents=True)
    for number, pixels in enumerate(open_dataset("speed").at(64)):
        Image.fromarray(pixels).save(folder / "jpeg" / "all" / f"{number:05d}.jpg", quality=92)


def device_name(device: str) -> str:
    """The processor or GPU in words."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return processor_name()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--examples", help="checkout of pytorch/examples")
    parser.add_argument("--gans", default="dcgan,wgan_gp,sngan")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="per process, of which the first five do not count")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of each process")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        gan, kind, *precision = options.contender.split("-")
        if kind == "ours":
            ours(gan, precision[0], options.steps, options.device)
        else:
            plain(gan, options.steps, options.device)
        return 0
    if not options.examples:
        parser.error("--examples is needed: a checkout of pytorch/examples")

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        os.environ.update(GAN_AUG_HOME=str(folder / "home"), GAN_AUG_CHECKPOINTS=str(folder / "runs"), OMP_NUM_THREADS=str(options.threads))
        make_images(folder, BATCH["dcgan"] * (options.steps + 1))
        calls = contenders(options, folder, dict(os.environ))
        rounds = []
        for number in range(options.rounds):
            names = list(calls)
            names = names[number % len(names) :] + names[: number % len(names)]
            rounds.append({name: calls[name]() for name in names})
            print(f"round {number + 1}: " + ", ".join(f"{name} {rounds[-1][name]['images_per_second']:.0f}" for name in calls), flush=True)

    ratios = {}
    print(f"\n{device_name(options.device)}, {options.threads} thread(s), median (range) of {options.rounds} rounds")
    for title, (first, second) in PAIRS.items():
        if first not in calls:
            continue
        ratios[title] = {}
        for unit in ("images_per_second", "images_per_cpu_second"):
            found = sorted(one[first][unit] / one[second][unit] for one in rounds)
            ratios[title][unit] = [statistics.median(found), found[0], found[-1]]
        wall, cpu = ratios[title].values()
        print(f"  {title:24} wall {wall[0]:.2f} ({wall[1]:.2f} to {wall[2]:.2f})   processor {cpu[0]:.2f} ({cpu[1]:.2f} to {cpu[2]:.2f})")

    import torch

    about = {"device": device_name(options.device), "threads": options.threads, "torch": torch.__version__, "steps": options.steps}
    result = {**about, "date": time.strftime("%Y-%m-%d"), "ratios": ratios, "rounds": rounds}
    path = Path(__file__).parent / "results" / "train_speed.json"
    path.parent.mkdir(exist_ok=True)
    kept = [one for one in json.loads(path.read_text()) if one["device"] != about["device"]] if path.exists() else []
    path.write_text(json.dumps([*kept, result], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
